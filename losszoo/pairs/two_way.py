"""Two views that are each other's candidates: both directions of the softmax from one pass over the matrix."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import hardshrink

from losszoo.losses.numerics import full_precision
from losszoo.losses.reduction import keep
from losszoo.losses.unreduced import Unreduced
from losszoo.pairs.dense import halfway
from losszoo.pairs.kernels import Products, cosine_bound, ordinary
from losszoo.pairs.row_functions import answer, taking_part
from losszoo.pairs.streamed import Job, once, wanted_of


def mutual(queries: Tensor, keys: Tensor, job: Job) -> Unreduced | None:
    """Values and counts of every row, the mean of queries to keys and of keys to queries.

    Each direction has its own sums, over the rows and over the columns of one matrix, so a block of it serves both:
    two products for the values and the matrix again, and two for the gradient, instead of six.

    Args:
        queries: (N, D).
        keys: (M, D), row i belonging to row i of the queries; the rows below the first N meet them on the way there
            and have no way back.
        job: what is done with them.

    Returns:
        None where the loss needs more than the odds, or its logits have no bound that is at hand.
    """
    if not job.row.softmax or job.row.extras or job.similarity != "cosine":
        return None
    if cosine_bound(job.temperature) is None or not ordinary(queries, keys, job.similarity, job.temperature):
        return None
    found = _Odds.apply(queries, keys, job.temperature, job.block_rows)  # type: ignore[no-untyped-call]
    there, back = (_answered(odds, job) for odds in found)
    return halfway(there, back)


def mutual_at_once(queries: Tensor, keys: Tensor, job: Job) -> Unreduced | None:
    """The same of so few pairs that the whole matrix is kept, for dot products and any temperature.

    One product for the values, and two for the gradient.

    Returns:
        None where the loss needs more than the odds, or a row has no other.
    """
    if not job.row.softmax or job.row.extras or job.similarity not in ("cosine", "dot") or queries.shape[0] < 2:
        return None
    if not ordinary(queries, keys, job.similarity, job.temperature):
        return None
    found = _FewOdds.apply(queries, keys, job.temperature, job.similarity == "cosine")  # type: ignore[no-untyped-call]
    there, back = (_answered(odds, job) for odds in found)
    return halfway(there, back)


def _answered(odds: Tensor, job: Job) -> Unreduced:
    """The loss of one direction. Every row has a positive; a row without a negative has odds of -inf."""
    valid = taking_part(job.row, torch.ones_like(odds, dtype=torch.bool), odds != -torch.inf)
    return keep(answer(job.row, torch.where(valid, odds, 0.0)), valid)


class _Odds(torch.autograd.Function):
    """Log odds of the others against the own key of every query, and against the own query of every key."""

    @staticmethod
    def forward(ctx: Any, queries: Tensor, keys: Tensor, temperature: float, size: int) -> tuple[Tensor, Tensor]:
        geometry = Products(queries, keys, wanted_of(ctx, keys), temperature, True)
        count = queries.shape[0]
        rows, columns = queries.new_zeros(2, count).unbind()
        for block, terms in _blocks(geometry, size):
            torch.sum(terms, 1, out=rows[block])
            columns += terms[:, :count].sum(0)
        own = (geometry.left * geometry.y[:count]).sum(1) - 1 / temperature
        ctx.save_for_backward(queries, keys, rows, columns)
        ctx.geometry, ctx.size = geometry, size
        return rows.log() - own, columns.log() - own

    @staticmethod
    def backward(ctx: Any, there: Tensor, back: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        queries, keys, rows, columns = ctx.saved_tensors
        geometry, tiny = ctx.geometry, torch.finfo(rows.dtype).tiny
        with torch.no_grad(), full_precision((there,)):
            by_row, by_column = (there / rows.clamp(min=tiny)).unsqueeze(1), rows.new_zeros(keys.shape[0])
            by_column[: len(back)] = back / columns.clamp(min=tiny)
            own = -(there + back)
            geometry.start()
            factors = rows.new_empty(min(ctx.size, rows.shape[0]), keys.shape[0])
            for block, terms in _blocks(geometry, ctx.size):
                terms.mul_(torch.add(by_row[block], by_column, out=factors[: terms.shape[0]]))
                terms[:, block].diagonal().copy_(own[block])
                geometry.accumulate_grad(block, terms, terms)
            found = geometry.gradients()
        by_query, by_key = (once(gradient, there, back, queries, keys) for gradient in found)
        return by_query, by_key, None, None


class _FewOdds(torch.autograd.Function):
    """Both odds of every pair of views, from one matrix that is kept as the two softmaxes of it."""

    @staticmethod
    def forward(ctx: Any, queries: Tensor, keys: Tensor, temperature: float, cosine: bool) -> tuple[Tensor, Tensor]:
        geometry = Products(queries, keys, wanted_of(ctx, keys), temperature, cosine)
        count = queries.shape[0]
        scores = geometry.scores(slice(0, count), queries.new_empty(count, keys.shape[0]))
        own = scores.diagonal().clone()
        scores.fill_diagonal_(-torch.inf)
        rows, columns = scores.logsumexp(1), scores[:, :count].logsumexp(0)
        ctx.save_for_backward(queries, keys, scores, rows, columns)
        ctx.geometry = geometry
        return rows - own, columns - own

    @staticmethod
    def backward(ctx: Any, there: Tensor, back: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        queries, keys, scores, rows, columns = ctx.saved_tensors
        geometry, count = ctx.geometry, queries.shape[0]
        with torch.no_grad(), full_precision((there,)):
            gradients = torch.sub(scores, rows.unsqueeze(1)).exp_().mul_(there.unsqueeze(1))
            gradients[:, :count].addcmul_((scores[:, :count] - columns).exp_(), back.unsqueeze(0))
            gradients.diagonal().copy_(-(there + back))
            # Subnormal numbers make a matrix product ten times slower.
            gradients = hardshrink(gradients, torch.finfo(gradients.dtype).tiny)
            geometry.start()
            geometry.accumulate_grad(slice(0, count), gradients, gradients)
            found = geometry.gradients()
        by_query, by_key = (once(gradient, there, back, queries, keys) for gradient in found)
        return by_query, by_key, None, None


def _blocks(geometry: Products, size: int) -> Iterator[tuple[slice, Tensor]]:
    """Exponentials of the logits below their bound, the own places being 0."""
    rows, columns = geometry.rows.shape[0], geometry.columns.shape[0]
    buffer = geometry.rows.new_empty(min(size, rows), columns)
    for start in range(0, rows, max(size, 1)):
        block = slice(start, min(start + size, rows))
        terms = geometry.scores(block, buffer[: block.stop - start])
        terms.sub_(1 / geometry.temperature).exp_()
        terms[:, block].fill_diagonal_(0.0)
        yield block, terms
