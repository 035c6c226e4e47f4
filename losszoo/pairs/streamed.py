"""The blocks of the pair matrix one after the other: values, and the gradient of their weighted sum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from losszoo.errors import UsageError
from losszoo.losses.numerics import full_precision
from losszoo.losses.unreduced import Unreduced
from losszoo.pairs.blocks import SoftmaxRows, WholeRows, Worker
from losszoo.pairs.kernels import Geometry, geometry
from losszoo.pairs.pair_labels import PairLabels
from losszoo.pairs.row_functions import Row


@dataclass(frozen=True)
class Job:
    """What is done with the rows.

    Args:
        row: the row function.
        pair_labels: labels of rows and columns.
        similarity: of the pairs.
        temperature: of the similarity.
        block_rows: at most so many rows a block.
    """

    row: Row
    pair_labels: PairLabels
    similarity: str
    temperature: float
    block_rows: int


@dataclass(frozen=True)
class Streamed:
    """What a pass over all blocks gives: values and counts of each row, and the gradients that were wanted.

    Those of the rows, of the columns, and of what the row function itself learns.
    """

    values: Tensor
    counts: Tensor
    by_row: Tensor | None = None
    by_column: Tensor | None = None
    by_learned: tuple[Tensor, ...] = ()


def total(rows: Tensor, columns: Tensor | None, job: Job, weight: Tensor | None) -> Unreduced:
    """Weighted sum of the values of all rows, and of their counts.

    Its gradient is formed in the same pass, as the factor of each row is known: one scalar multiplies it later.

    Args:
        rows: (N, D).
        columns: (M, D); None where the rows are each other's candidates.
        job: what is done with them.
        weight: (N,) factors of the rows, 0 being absence; None is 1 for each.
    """
    factors = rows.new_ones(rows.shape[0]) if weight is None else weight
    given, learned = (rows, columns, factors), job.row.learned
    if not torch.is_grad_enabled():
        # A Function is told that its inputs want a gradient even where nobody can ask for it.
        given = rows.detach(), None if columns is None else columns.detach(), factors.detach()
        learned = ()
    value, counts = _Total.apply(*given, job, *learned)  # type: ignore[no-untyped-call]
    return Unreduced(value, (counts * factors).sum())


def each(rows: Tensor, columns: Tensor | None, job: Job) -> Unreduced:
    """The value and count of every row. Their gradient takes a second pass, as the factors are not known before."""
    values, counts = _Each.apply(rows, columns, job, *job.row.learned)  # type: ignore[no-untyped-call]
    return Unreduced(values, counts)


def run(rows: Tensor, columns: Tensor | None, job: Job, factors: Tensor | None, wanted: tuple[bool, bool]) -> Streamed:
    """One pass over all blocks; ``factors`` (N,) multiply the values in the sum whose gradients are ``wanted``."""
    pair_labels = job.pair_labels
    x = ordered(rows, pair_labels.row_order)
    y = x if columns is None else ordered(columns, pair_labels.column_order)
    wants = any(wanted) or bool(job.row.learned)
    factors = None if factors is None or not wants else ordered(factors, pair_labels.row_order)
    prepared = geometry(x, y, job.similarity, job.temperature, wanted)
    prepared.start()
    values, counts, by_learned = _blocks(prepared, job, factors)
    by_row, by_column = prepared.gradients() if any(wanted) else (None, None)
    return Streamed(
        back(values, pair_labels.row_order),
        back(counts, pair_labels.row_order),
        None if by_row is None else back(by_row, pair_labels.row_order),
        None if by_column is None else back(by_column, pair_labels.column_order),
        by_learned,
    )


def _blocks(prepared: Geometry, job: Job, factors: Tensor | None) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
    rows, columns = job.pair_labels.shape
    size = max(1, min(job.block_rows, rows))
    buffer = prepared.rows.new_empty(size, columns)
    values, counts = prepared.rows.new_zeros(2, rows).unbind()
    work: Worker
    if job.row.softmax:
        work = SoftmaxRows(
            job.row, job.pair_labels, prepared, torch.empty_like(buffer) if prepared.keeps_scores else None
        )
    else:
        work = WholeRows(job.row, job.pair_labels, prepared)
    for block, masks in work.blocks(size):
        scores = prepared.scores(block, buffer[: block.stop - block.start])
        unreduced, gradients, nearest = work(block, masks, scores, None if factors is None else factors[block])
        values[block] = unreduced.values.detach()
        counts[block] = 1.0 if unreduced.counts is None else unreduced.counts
        if gradients is not None and any(prepared.wanted):
            prepared.accumulate_grad(block, scores, gradients, nearest)
    return values, counts, tuple(work.by_learned)


class _Total(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, columns: Tensor | None, factors: Tensor, job: Job, *learned: Tensor
    ) -> tuple[Tensor, Tensor]:
        wanted = wanted_of(ctx, columns)
        done = run(rows, columns, job, factors, wanted)
        # Weight 0 is absence: an infinite value there is dropped, not made NaN.
        kept = torch.where((factors == 0) & ~done.values.isfinite(), 0.0, done.values)
        kept_for_weight = kept if ctx.needs_input_grad[2] else None
        by_learned = done.by_learned if learned else ()
        ctx.save_for_backward(rows, columns, done.by_row, done.by_column, kept_for_weight, *by_learned)
        ctx.mark_non_differentiable(done.counts)
        return (kept * factors).sum(), done.counts

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        rows, columns, *gradients = ctx.saved_tensors
        first, learned = gradients[:3], gradients[3:]
        found = [once(None if x is None else x * grad, grad, rows, columns) for x in first]
        return *found, None, *(once(x * grad, grad, rows, columns) for x in learned)


class _Each(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, columns: Tensor | None, job: Job, *learned: Tensor) -> tuple[Tensor, Tensor]:
        done = run(rows, columns, job, None, (False, False))
        ctx.save_for_backward(rows, columns)
        ctx.job, ctx.learns = job, bool(learned)
        ctx.mark_non_differentiable(done.counts)
        return done.values, done.counts

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        rows, columns = ctx.saved_tensors
        wanted = wanted_of(ctx, columns)
        with torch.no_grad(), full_precision((grad,)):
            done = run(rows, columns, ctx.job, grad, wanted)
        learned = done.by_learned if ctx.learns else ()
        by_row, by_column, *by_learned = (once(x, grad, rows, columns) for x in (done.by_row, done.by_column, *learned))
        return by_row, by_column, None, *by_learned


def once(gradient: Tensor | None, *causes: Tensor | None) -> Tensor | None:
    """The gradient, which says why it has none of its own where somebody means to differentiate it by its causes."""
    if gradient is None or not torch.is_grad_enabled():
        return gradient
    refusing: Tensor = _Once.apply(gradient, *causes)  # type: ignore[no-untyped-call]
    return refusing


class _Once(torch.autograd.Function):
    """A gradient that says why it has none of its own."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, *causes: Tensor | None) -> Tensor:
        return gradient.view_as(gradient)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        raise UsageError(
            "a loss must form the whole matrix to be differentiated twice, got a streamed one; "
            "make it with streaming=losszoo.Streaming(dense=True)"
        )


def wanted_of(ctx: Any, columns: Tensor | None) -> tuple[bool, bool]:
    """Whether gradients by the rows and by the columns are asked of a Function with these two arguments first."""
    by_row: bool = ctx.needs_input_grad[0]
    return by_row, by_row if columns is None else ctx.needs_input_grad[1]


def ordered(values: Tensor, order: Tensor | None) -> Tensor:
    """In the order that is worked in."""
    return values if order is None else values[order]


def back(values: Tensor, order: Tensor | None) -> Tensor:
    """In the order that they came in."""
    return values if order is None else torch.empty_like(values).index_copy_(0, order, values)
