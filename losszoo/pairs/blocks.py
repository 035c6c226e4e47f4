"""What is done with one block of rows: the whole rows under autograd, or their softmax in closed form."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import hardshrink

from losszoo.errors import UsageError
from losszoo.losses.introspection import parameters_of
from losszoo.losses.reduction import keep
from losszoo.losses.returned_values import as_unreduced, changed_in_place
from losszoo.losses.traced import traced
from losszoo.losses.unreduced import Unreduced
from losszoo.pairs.kernels.kernel import Geometry
from losszoo.pairs.log_odds import SoftmaxBlock
from losszoo.pairs.pair_labels import Sides
from losszoo.pairs.pair_masks import Masks
from losszoo.pairs.row_functions import LABELS, RowContract, contract_of, wants_spread


@dataclass(frozen=True)
class Row:
    """A row function and what it is called with.

    Args:
        function: ``f(logits, positive, negative, **params)``, or of the odds where ``softmax``.
        params: its hyperparameters.
        needs: which pairs a row cannot do without.
        softmax: whether it is a function of the odds (and the spread).
        extras: which of ``row_labels`` and ``column_labels`` it asks for, or "spread".
    """

    function: Callable[..., Any]
    params: Mapping[str, Any]
    needs: tuple[str, ...]
    softmax: bool = False
    extras: tuple[str, ...] = field(default=())


class Worked(NamedTuple):
    """What is known of a block of rows.

    Args:
        unreduced: values and counts, (rows,) each.
        slopes: (rows, M), of the weighted sum of the values on the measure; None where they were not asked for.
        nearest: (rows, 1), the best measure of each row but its own place, where it was looked for.
    """

    unreduced: Unreduced
    slopes: Tensor | None = None
    nearest: Tensor | None = None


class Worker(ABC):
    """Values of a block of rows, and the slopes of their weighted sum on the measure.

    Args:
        row: the row function.
        sides: the labels.
        geometry: the similarity.
    """

    def __init__(self, row: Row, sides: Sides, geometry: Geometry) -> None:
        self.row, self.sides, self.geometry = row, sides, geometry

    def blocks(self, size: int) -> Iterator[tuple[slice, Masks | None]]:
        """Blocks of at most ``size`` rows, and what the work wants to know of each."""
        return ((block, None) for block in self.sides.even(size))

    @abstractmethod
    def __call__(self, block: slice, masks: Masks | None, measure: Tensor, coefficients: Tensor | None) -> Worked:
        """The work on one block; slopes where coefficients are given."""


def taking_part(row: Row, positive: Tensor, negative: Tensor) -> Tensor:
    """(rows,): which rows have what they need, from whether they have a positive and a negative."""
    has = {"positive": positive, "negative": negative}
    valid = [positive | negative if need == "candidate" else has[need] for need in row.needs]
    return torch.ones_like(positive) if not valid else valid[0] if len(valid) == 1 else valid[0] & valid[1]


def answer(row: Row, *inputs: Tensor, **extras: Tensor) -> Unreduced:
    """The function's answer in one form, after a look at its shape, its gradient, and what became of its inputs."""
    changes, looking = 0, not traced()
    for x in inputs if looking else ():
        changes -= 0 if x.is_inference() else x._version
    unreduced = as_unreduced(row.function(*inputs, **row.params, **extras))
    for x in inputs if looking else ():
        changes += 0 if x.is_inference() else x._version
    if changes:
        raise changed_in_place()
    rows = inputs[0].shape[:1]
    if unreduced.values.shape != rows:
        raise UsageError(
            f"a row function must return one value per row, {tuple(rows)}, "
            f"however: it returned {tuple(unreduced.values.shape)}"
        )
    if unreduced.counts is not None and unreduced.counts.requires_grad:
        raise UsageError(
            "the counts of a row function must not depend on its logits, however: they carry a gradient; detach them"
        )
    if torch.is_grad_enabled() and inputs[0].requires_grad and not unreduced.values.requires_grad:
        raise UsageError(
            "a row function must be differentiable in its logits, however: its values carry no gradient; "
            "look for detach(), item(), argmax, a comparison, or torch.no_grad()"
        )
    return unreduced


def whole_rows(
    row: Row, sides: Sides, block: slice, logits: Tensor, positive: Tensor, negative: Tensor, valid: Tensor
) -> Unreduced:
    """The function's answer on whole rows; one that takes no part sees every pair as both positive and negative."""
    if logits.numel() == 0:
        return Unreduced(logits.sum(1))
    lacking = ~valid.unsqueeze(1)
    labels = {"row_labels": sides.row_labels[block], "column_labels": sides.column_labels}
    extras = {name: labels[name] for name in row.extras}
    return answer(row, logits, positive | lacking, negative | lacking, **extras)


class WholeRows(Worker):
    """The row function sees its whole row, under autograd on the block alone."""

    def __call__(self, block: slice, masks: Masks | None, measure: Tensor, coefficients: Tensor | None) -> Worked:
        distances = self.geometry.sign < 0
        logits = measure.neg_() if distances else measure
        positive, negative = self.sides.pairs(block)
        valid = taking_part(self.row, positive.any(1), negative.any(1))
        with torch.set_grad_enabled(coefficients is not None):
            leaf = logits.detach().requires_grad_(coefficients is not None)
            unreduced = whole_rows(self.row, self.sides, block, leaf, positive, negative, valid)
        if coefficients is None:
            return Worked(keep(unreduced, valid))
        slopes = _slopes(unreduced.values, [leaf], torch.where(valid, coefficients, 0.0))[0]
        # Subnormal numbers make a matrix product ten times slower.
        slopes = hardshrink(slopes, torch.finfo(slopes.dtype).tiny)
        if distances:
            slopes, _ = slopes.neg_(), measure.neg_()
        return Worked(keep(unreduced, valid), slopes)


class SoftmaxRows(Worker):
    """The row function sees the odds of its row, whose gradient is known in closed form.

    Args:
        buffer: (rows, M), for the terms of the softmax; None where they may take the place of the measure.
    """

    def __init__(self, row: Row, sides: Sides, geometry: Geometry, buffer: Tensor | None) -> None:
        super().__init__(row, sides, geometry)
        self.buffer = buffer

    def blocks(self, size: int) -> Iterator[tuple[slice, Masks | None]]:
        return self.sides.blocks(size, self.geometry.rows.dtype)

    def __call__(self, block: slice, masks: Masks | None, measure: Tensor, coefficients: Tensor | None) -> Worked:
        masks = self.sides.masks(block, measure.dtype) if masks is None else masks
        terms = measure if self.buffer is None else self.buffer[: masks.rows]
        part = SoftmaxBlock(measure, self.geometry.sign, masks, terms, self.geometry.bound)
        numbers = part.values("spread" in self.row.extras)
        valid = taking_part(self.row, part.pull.squeeze(1) != 0, part.push.squeeze(1) != 0)
        # A row that takes no part is computed as one with even odds, and its slope then dropped.
        inputs = [torch.where(valid, x, 0.0).requires_grad_(coefficients is not None) for x in numbers]
        with torch.set_grad_enabled(coefficients is not None):
            unreduced = answer(self.row, *inputs)
        if coefficients is None:
            return Worked(keep(unreduced, valid))
        slopes = _slopes(unreduced.values, inputs, torch.where(valid, coefficients, 0.0))
        return Worked(keep(unreduced, valid), part.slopes(*slopes), part.nearest)


def row_of(
    core: Callable[..., Any], contract: RowContract, params: Mapping[str, Any], *, numbers: bool, whole: bool
) -> Row:
    """The row function in the form that is called.

    Args:
        core: as it was declared.
        contract: what it was declared with.
        params: its hyperparameters.
        numbers: whether the labels are floating numbers.
        whole: whether whole rows are at hand, so that a function of the odds is called by its own name.
    """
    if numbers and contract.numbers is not None:
        core, contract = contract.numbers, contract_of(contract.numbers)
    elif contract.softmax is not None and not whole:
        extras = ("spread",) if wants_spread(contract.softmax) else ()
        return Row(contract.softmax, params, contract.needs, True, extras)
    asked = parameters_of(core)
    return Row(core, params, contract.needs, False, tuple(name for name in LABELS if name in asked))


@functools.lru_cache(maxsize=256)
def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function through ``torch.compile``, once for all losses that use it."""
    made: Callable[..., Any] = torch.compile(function)
    return made


def _slopes(values: Tensor, inputs: list[Tensor], coefficients: Tensor) -> list[Tensor]:
    """Gradient of the weighted sum of the values."""
    _check_alone(values, inputs)
    found = torch.autograd.grad(values, inputs, coefficients, allow_unused=True)
    return [torch.zeros_like(x) if slope is None else slope for x, slope in zip(inputs, found, strict=True)]


def _check_alone(values: Tensor, inputs: list[Tensor]) -> None:
    """Whatever else the values depend on would silently get no gradient."""
    nodes, seen = [values.grad_fn], set()
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        leaf = getattr(node, "variable", None)
        if leaf is not None and not any(leaf is x for x in inputs):
            raise UsageError(
                "a row function must depend on nothing else that learns, however: its values depend on a tensor of "
                f"shape {tuple(leaf.shape)} that requires a gradient; detach it, or make the loss with "
                "streaming=losszoo.Streaming(dense=True)"
            )
        nodes += [following for following, _ in node.next_functions]
