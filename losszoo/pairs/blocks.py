"""What is done with one block of rows: the whole rows under autograd, or their softmax in closed form."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import hardshrink

from losszoo.errors import UsageError
from losszoo.losses.reduction import keep
from losszoo.losses.unreduced import Unreduced
from losszoo.pairs.kernels import Geometry
from losszoo.pairs.pair_labels import PairLabels
from losszoo.pairs.row_functions import Row, answer, taking_part
from losszoo.pairs.softmax_block import Masks, SoftmaxBlock


class Worked(NamedTuple):
    """What is known of a block of rows.

    Args:
        unreduced: values and counts, (rows,) each.
        gradients: (rows, M), of the weighted sum of the values on the scores; None where they were not asked for.
        nearest: (rows, 1), the best score of each row but its own place, where it was looked for.
    """

    unreduced: Unreduced
    gradients: Tensor | None = None
    nearest: Tensor | None = None


class Worker(ABC):
    """Values of a block of rows, and the gradients of their weighted sum on the scores.

    Args:
        row: the row function.
        pair_labels: the labels.
        geometry: the similarity.
    """

    def __init__(self, row: Row, pair_labels: PairLabels, geometry: Geometry) -> None:
        self.row, self.pair_labels, self.geometry = row, pair_labels, geometry
        # Added up over the blocks: the gradients of what the row function itself learns.
        self.by_learned = [torch.zeros_like(x) for x in row.learned]

    def blocks(self, size: int) -> Iterator[tuple[slice, Masks | None]]:
        """Blocks of at most ``size`` rows, and what the work wants to know of each."""
        return ((block, None) for block in self.pair_labels.even(size))

    @abstractmethod
    def __call__(self, block: slice, masks: Masks | None, scores: Tensor, coefficients: Tensor | None) -> Worked:
        """The work on one block; gradients where coefficients are given."""


def whole_rows(
    row: Row, pair_labels: PairLabels, block: slice, logits: Tensor, positive: Tensor, negative: Tensor, valid: Tensor
) -> Unreduced:
    """The function's answer on whole rows; one that takes no part sees every pair as both positive and negative."""
    if logits.numel() == 0:
        return Unreduced(logits.sum(1))
    if row.miner is not None:
        positive, negative = row.miner(logits, positive, negative)
        valid = valid & taking_part(row, positive.any(1), negative.any(1))
        logits = torch.where(valid.unsqueeze(1), logits, 0.0)
    lacking = ~valid.unsqueeze(1)
    labels = {"row_labels": pair_labels.row_labels[block], "column_labels": pair_labels.column_labels}
    extras = {name: labels[name] for name in row.extras}
    found = answer(row, logits, positive | lacking, negative | lacking, **extras)
    return found if row.miner is None else keep(found, valid)


class WholeRows(Worker):
    """The row function sees its whole row, under autograd on the block alone."""

    def __call__(self, block: slice, masks: Masks | None, scores: Tensor, coefficients: Tensor | None) -> Worked:
        distances = self.geometry.sign < 0
        logits = scores.neg_() if distances else scores
        positive, negative = self.pair_labels.pairs(block)
        valid = taking_part(self.row, positive.any(1), negative.any(1))
        with torch.set_grad_enabled(coefficients is not None):
            leaf = logits.detach().requires_grad_(coefficients is not None)
            unreduced = whole_rows(self.row, self.pair_labels, block, leaf, positive, negative, valid)
        if coefficients is None:
            return Worked(keep(unreduced, valid))
        inputs = [leaf, *self.row.learned]
        gradients, *more = _gradients(unreduced.values, inputs, torch.where(valid, coefficients, 0.0))
        for total, part in zip(self.by_learned, more, strict=True):
            total += part
        # Subnormal numbers make a matrix product ten times slower.
        gradients = hardshrink(gradients, torch.finfo(gradients.dtype).tiny)
        if distances:
            gradients, _ = gradients.neg_(), scores.neg_()
        return Worked(keep(unreduced, valid), gradients)


class SoftmaxRows(Worker):
    """The row function sees the odds of its row, whose gradient is known in closed form.

    Args:
        buffer: (rows, M), for the terms of the softmax; None where they may take the place of the scores.
    """

    def __init__(self, row: Row, pair_labels: PairLabels, geometry: Geometry, buffer: Tensor | None) -> None:
        super().__init__(row, pair_labels, geometry)
        self.buffer = buffer

    def blocks(self, size: int) -> Iterator[tuple[slice, Masks | None]]:
        return self.pair_labels.blocks(size, self.geometry.rows.dtype)

    def __call__(self, block: slice, masks: Masks | None, scores: Tensor, coefficients: Tensor | None) -> Worked:
        masks = self.pair_labels.masks(block, scores.dtype) if masks is None else masks
        terms = scores if self.buffer is None else self.buffer[: masks.rows]
        part = SoftmaxBlock(scores, self.geometry.sign, masks, terms, self.geometry.bound)
        numbers = part.values("spread" in self.row.extras)
        valid = taking_part(self.row, part.positive_sum.squeeze(1) != 0, part.negative_sum.squeeze(1) != 0)
        # A row that takes no part is computed as one with even odds, and its gradient then dropped.
        inputs = [torch.where(valid, x, 0.0).requires_grad_(coefficients is not None) for x in numbers]
        with torch.set_grad_enabled(coefficients is not None):
            unreduced = answer(self.row, *inputs)
        if coefficients is None:
            return Worked(keep(unreduced, valid))
        gradients = _gradients(unreduced.values, inputs, torch.where(valid, coefficients, 0.0))
        return Worked(keep(unreduced, valid), part.gradients(*gradients), part.nearest)


def _gradients(values: Tensor, inputs: list[Tensor], coefficients: Tensor) -> list[Tensor]:
    """Gradient of the weighted sum of the values."""
    _check_alone(values, inputs)
    found = torch.autograd.grad(values, inputs, coefficients, allow_unused=True)
    return [torch.zeros_like(x) if gradient is None else gradient for x, gradient in zip(inputs, found, strict=True)]


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
                "a row function must get gradients through its arguments only, got a tensor of "
                f"shape {tuple(leaf.shape)} that requires a gradient; detach it, or make the loss with "
                "streaming=losszoo.Streaming(dense=True)"
            )
        nodes += [following for following, _ in node.next_functions]
