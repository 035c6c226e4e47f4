"""A loss whose rows also meet rows of earlier batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from losszoo.errors import UsageError
from losszoo.losses.arguments import Inputs
from losszoo.losses.loss import Loss
from losszoo.losses.sums.sum_loss import SumLoss
from losszoo.losses.unreduced import Unreduced
from losszoo.pairs.dense import halfway
from losszoo.pairs.distributed.collectives import World
from losszoo.pairs.pair_labels import Sides
from losszoo.pairs.pairwise_loss import PairwiseLoss, in_place


@dataclass(frozen=True)
class Older:
    """Rows of earlier batches, which have no gradient.

    Args:
        rows: (M, D).
        labels: (M, ...); None for keys, whose queries are gone.
    """

    rows: Tensor
    labels: Tensor | None

    def check(self, rows: Tensor, labels: Tensor | None) -> None:
        """They must be comparable with the rows of this batch.

        Raises:
            UsageError: another width, or labels of another kind.
        """
        if self.rows.shape[0] == 0:
            return
        if rows.shape[1] != self.rows.shape[1]:
            raise UsageError(
                f"embeddings must have the width of those in the memory bank, D={self.rows.shape[1]}, "
                f"however: D={rows.shape[1]}; reset() forgets them"
            )
        if self.labels is None or labels is None:
            return
        if labels.shape[1:] != self.labels.shape[1:] or labels.dtype != self.labels.dtype:
            raise UsageError(
                f"labels must be like those in the memory bank, {_kind(self.labels)}, "
                f"however: {_kind(labels)}; reset() forgets them"
            )

    def below(self, rows: Tensor) -> Tensor:
        """(N + M, D): the older rows below the given ones."""
        return rows if self.rows.shape[0] == 0 else torch.cat([rows, self.rows.to(rows)])

    def labels_below(self, labels: Tensor) -> Tensor:
        """(N + M, ...): their labels below the given ones; -1 where they have none, which is nobody's place."""
        if self.rows.shape[0] == 0:
            return labels
        older = labels.new_full((self.rows.shape[0],), -1) if self.labels is None else self.labels.to(labels.device)
        return torch.cat([labels, older])


def beside(loss: Loss | SumLoss, older: Older) -> Loss | SumLoss:
    """The same loss with the older rows as candidates; in a sum, every term over embeddings."""
    if isinstance(loss, SumLoss):
        made = SumLoss([replace(term, loss=beside(term.loss, older)) for term in loss.terms], loss.combiner)
        made.clock = loss.clock
        made.train(loss.training)
        return made
    if loss.rules.on_parameters:
        return loss
    return _Streamed(loss, older) if isinstance(loss, PairwiseLoss) else _Concatenated(loss, older)


class _Streamed(PairwiseLoss):
    """The older rows are columns of the pair matrix only, so nothing is computed for their own rows."""

    def __init__(self, loss: PairwiseLoss, older: Older, both: bool = True) -> None:
        super().__init__(loss.core, loss.identity, loss.policy, loss.validate, loss.streaming, loss.relation)
        self._loss, self._older = [loss], older
        # Older keys meet the queries. The way back, from keys to queries, is a loss of its own without them.
        self._back = _Streamed(loss, Older(older.rows[:0], None), False) if self._symmetric and both else None
        self._symmetric = False

    def _unreduced(
        self, args: Inputs, named: Mapping[str, object], weight: Tensor | None, mask: Tensor | None
    ) -> Unreduced:
        there = super()._unreduced(args, named, weight, mask)
        if self._back is None:
            return there
        queries, keys = self._rules.bind(args, named)
        return halfway(there, self._back._unreduced((keys, queries), {}, weight, mask))

    def _others(self) -> World | None:
        return self._loss[0]._others()

    def _sides(self, inputs: Inputs) -> tuple[Tensor, Tensor | None, Sides]:
        rows, columns, sides = super()._sides(inputs)
        self._older.check(rows, sides.row_labels)
        if self._older.rows.shape[0] == 0:
            return rows, columns, sides
        own = torch.arange(rows.shape[0], device=rows.device) if sides.diagonal else None
        labels = self._older.labels_below(sides.column_labels)
        columns = self._older.below(rows if columns is None else columns)
        return rows, columns, replace(sides, column_labels=labels, own=own, diagonal=False)

    def _values(self, inputs: Inputs, mask: Tensor | None) -> Unreduced:
        """The whole matrix, without the rows and candidates that are left out."""
        if mask is None:
            return super()._values(inputs, None)
        kept = mask.nonzero().squeeze(1)
        return in_place(super()._values(self._rules.rows_of(inputs, kept), None), kept, mask.shape)


class _Concatenated(Loss):
    """Any function of embeddings and labels: the older rows stand below the others, and their values are dropped."""

    def __init__(self, loss: Loss, older: Older) -> None:
        super().__init__(loss.core, loss.identity, loss.policy, loss.validate)
        self._older = older

    def _values(self, inputs: Inputs, mask: Tensor | None) -> Unreduced:
        rows, labels = inputs
        self._older.check(rows, labels)
        count = rows.shape[0]
        if mask is not None:
            mask = torch.cat([mask, mask.new_ones(self._older.rows.shape[0])])
        values, counts = super()._values((self._older.below(rows), self._older.labels_below(labels)), mask)
        if values.ndim == 0:
            raise UsageError(
                "a loss with a memory bank must return one value per row, so that those of older rows can be left "
                "out, however: it returned one number; return unreduced values"
            )
        return Unreduced(values[:count], None if counts is None else counts[:count])


def _kind(labels: Tensor) -> str:
    shape = "".join(f", {size}" for size in labels.shape[1:]) or ","
    return f"(N{shape}) of {labels.dtype}"
