"""Which pairs are positive and which are negative, for a block of rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from losszoo.common.text import kind_name
from losszoo.errors import UsageError
from losszoo.pairs import streaming
from losszoo.pairs.softmax_block import Masks, SelfColumn

# A caller's own relation: labels of some rows and of all columns to who is positive, or to (positive, negative).
Relation = Callable[[Tensor, Tensor], Any]


@dataclass(frozen=True)
class PairLabels:
    """The labels of rows and columns, in the order in which they are worked on.

    Args:
        row_labels: (N, ...).
        column_labels: (M, ...).
        own: (N,) index of each row among the columns, -1 where absent; None where no row is a candidate.
        diagonal: whether row i is column i; ``own`` is then not looked at.
        relation: the caller's own; None: positive is who has the same label, or shares one of several.
        row_order: (N,) permutation that the rows were sorted by; None: as they came.
        column_order: (M,), the same of the columns.
    """

    row_labels: Tensor
    column_labels: Tensor
    own: Tensor | None = None
    diagonal: bool = False
    relation: Relation | None = None
    row_order: Tensor | None = None
    column_order: Tensor | None = None
    _bounds: tuple[Tensor, Tensor] | None = field(default=None, repr=False)

    @property
    def shape(self) -> tuple[int, int]:
        """(N, M)."""
        return self.row_labels.shape[0], self.column_labels.shape[0]

    def back(self) -> PairLabels:
        """The way back of two views, as they came: from the column of each row to all rows.

        The columns below those are nobody's, so they are no rows on this way.
        """
        return replace(self, row_labels=self.column_labels[: self.shape[0]], column_labels=self.row_labels)

    def sorted(self) -> PairLabels:
        """The same with rows and columns in the order of their labels, where that pays."""
        rows, columns = self.shape
        plain = self.relation is None and self.row_labels.ndim == 1 and not self.row_labels.is_floating_point()
        if not plain or rows * columns == 0 or rows * columns < streaming.TUNING.sort_from:
            return self
        row_labels, row_order = self.row_labels.sort(stable=True)
        column_labels, column_order = (row_labels, row_order) if self.diagonal else self.column_labels.sort(stable=True)
        own = None if self.own is None else _moved(self.own[row_order], column_order)
        ends = torch.searchsorted(column_labels, row_labels), torch.searchsorted(column_labels, row_labels, right=True)
        return replace(
            self,
            row_labels=row_labels,
            column_labels=column_labels,
            own=own,
            row_order=row_order,
            column_order=column_order,
            _bounds=ends,
        )

    def even(self, size: int) -> list[slice]:
        """Blocks of ``size`` rows."""
        rows = self.shape[0]
        return [slice(start, min(start + size, rows)) for start in range(0, max(rows, 1), size)]

    def blocks(self, size: int, dtype: torch.dtype) -> Iterator[tuple[slice, Masks]]:
        """Blocks of at most ``size`` rows, each with its masks in the form that costs least."""
        if self._bounds is None:
            for block in self.even(size):
                yield block, self.masks(block, dtype)
            return
        spans = self._by_class(size)
        starts, lasts = [span.start for span in spans], [span.stop - 1 for span in spans]
        one_class = self.row_labels[starts] == self.row_labels[lasts]
        bands = zip(self._bounds[0][starts].tolist(), self._bounds[1][lasts].tolist(), one_class.tolist(), strict=True)
        for block, (start, stop, one) in zip(spans, bands, strict=True):
            if one:
                yield block, Masks(block.stop - block.start, start, stop, self._own(block))
            else:
                yield block, self._within(block, start, stop, dtype)

    def _by_class(self, size: int) -> list[slice]:
        """Blocks of one class each, where the classes are large enough for it."""
        counts = torch.unique_consecutive(self.row_labels, return_counts=True)[1].tolist()
        if self.shape[0] < streaming.TUNING.class_rows * len(counts):
            return self.even(size)
        spans, start = [], 0
        for count in counts:
            spans += [slice(start + first, start + last) for first, last in _equal_parts(count, size)]
            start += count
        return spans

    def masks(self, block: slice, dtype: torch.dtype) -> Masks:
        """The masks of a block, whose band is all columns."""
        return self._within(block, 0, self.column_labels.shape[0], dtype)

    def pairs(self, block: slice) -> tuple[Tensor, Tensor]:
        """(rows, M) boolean each: who is positive and who negative to the rows of a block."""
        positive, negative = self._related(self.row_labels[block], self.column_labels)
        own = self._own(block)
        if own is None:
            return positive, negative
        rows, columns = positive.shape
        others = ~own.places(rows, columns, positive.device)
        return positive & others, negative & others

    def _within(self, block: slice, start: int, stop: int, dtype: torch.dtype) -> Masks:
        """The masks of a block with factors for its band."""
        rows, columns = self.row_labels[block], self.column_labels[start:stop]
        by_value = self.relation is None and rows.ndim == 1 and not rows.is_floating_point()
        if by_value and self._largest < 1 / torch.finfo(dtype).eps:
            # A floating number holds each label. Compared as floating numbers into floating numbers: a third of the
            # time of any other way.
            positive = torch.empty(rows.shape[0], stop - start, dtype=dtype, device=rows.device)
            torch.eq(rows.to(dtype).unsqueeze(1), columns.to(dtype), out=positive)
            negative = 1 - positive
        else:
            positive, negative = (mask.to(dtype) for mask in self._related(rows, columns))
        own = self._own(block)
        if own is not None:
            inside = own if start == 0 and stop == self.column_labels.shape[0] else own.inside(start, stop)
            inside.fill(positive, 0.0)
            inside.fill(negative, 0.0)
        return Masks(rows.shape[0], start, stop, own, positive, negative, partial=self.relation is not None)

    @cached_property
    def _largest(self) -> int:
        largest = 0
        for x in (self.row_labels,) if self.diagonal else (self.row_labels, self.column_labels):
            largest = max(largest, int(x.abs().amax()) if x.numel() else 0)
        return largest

    def _related(self, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
        if self.relation is None:
            positive = same_label(rows, columns)
            return positive, ~positive
        answer = self.relation(rows, columns)
        if isinstance(answer, tuple) and len(answer) != 2:
            raise UsageError(f"relation must return one mask or two, (positive, negative), got {len(answer)} of them")
        positive, negative = answer if isinstance(answer, tuple) else (answer, None)
        positive = _checked("positive", positive, rows, columns)
        return positive, ~positive if negative is None else _checked("negative", negative, rows, columns) & ~positive

    def _own(self, block: slice) -> SelfColumn | None:
        if self.diagonal:
            return SelfColumn(block.start)
        return None if self.own is None else SelfColumn(columns=self.own[block])


def same_label(rows: Tensor, columns: Tensor) -> Tensor:
    """(N, M): who share a label; (N, K) multi-hot labels share one where any is 1 in both."""
    if rows.ndim == 1:
        return rows.unsqueeze(1) == columns.unsqueeze(0)
    return rows.float() @ columns.float().T > 0


def _checked(name: str, mask: Any, rows: Tensor, columns: Tensor) -> Tensor:
    shape = (rows.shape[0], columns.shape[0])
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool or mask.shape != shape:
        came = f"{mask.dtype} of shape {tuple(mask.shape)}" if isinstance(mask, Tensor) else kind_name(mask)
        raise UsageError(f"relation must return {name} as a boolean tensor of shape {shape}, got {came}")
    return mask.clone()


def _moved(own: Tensor, column_order: Tensor) -> Tensor:
    """Indices of columns after the columns were brought into another order."""
    place = torch.empty_like(column_order)
    place[column_order] = torch.arange(column_order.shape[0], device=place.device)
    return torch.where(own < 0, -1, place[own.clamp(min=0)])


def _equal_parts(count: int, size: int) -> list[tuple[int, int]]:
    """0 to ``count`` in parts of nearly the same length, at most ``size``."""
    parts = -(-count // size)
    ends = [count * part // parts for part in range(parts + 1)]
    return list(pairwise(ends))
