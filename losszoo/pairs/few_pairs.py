"""So few pairs that all their terms are kept: the calls themselves take the time, so nothing is computed twice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from losszoo.losses.numerics import full_precision
from losszoo.losses.reduction import keep
from losszoo.losses.unreduced import Unreduced
from losszoo.pairs import streaming as options
from losszoo.pairs.dense import dense
from losszoo.pairs.kernels import geometry
from losszoo.pairs.row_functions import answer, taking_part
from losszoo.pairs.softmax_block import SoftmaxBlock
from losszoo.pairs.streamed import Job, once
from losszoo.pairs.streaming import MEBIBYTE, SOFTMAX_NUMBERS, Streaming


def are_few(rows: Tensor, columns: int, streaming: Streaming, *, softmax: bool, both: bool = False) -> bool:
    """Whether the memory is there to hold all pairs at once, and none of them is worth repeating.

    Both directions of two views share one matrix, so more of it is worth keeping.
    """
    pairs, tuning = rows.shape[0] * columns, options.TUNING
    if not softmax:
        return pairs <= tuning.few_rows
    return (
        pairs <= (tuning.few_both if both else tuning.few)
        and pairs * rows.dtype.itemsize * SOFTMAX_NUMBERS <= streaming.memory * MEBIBYTE
    )


def at_once(rows: Tensor, columns: Tensor | None, job: Job) -> Unreduced:
    """Values and counts of every row; the function of the odds is called once for all of them."""
    if not job.row.softmax:
        return dense(rows, rows if columns is None else columns, job, None)
    valid, *numbers = _Numbers.apply(rows, columns, job)  # type: ignore[no-untyped-call]
    if valid.device.type == "cpu" and bool(valid.all()):
        return answer(job.row, *numbers)
    # A row that takes no part is computed as one with even odds, and its gradient then dropped.
    return keep(answer(job.row, *(torch.where(valid, x, 0.0) for x in numbers)), valid)


class _Numbers(torch.autograd.Function):
    """Odds (and spread) of every row, and which rows take part."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, columns: Tensor | None, job: Job) -> tuple[Tensor, ...]:
        by_row = ctx.needs_input_grad[0]
        wanted = by_row, by_row if columns is None else ctx.needs_input_grad[1]
        prepared = geometry(rows, rows if columns is None else columns, job.similarity, job.temperature, wanted)
        whole = slice(0, rows.shape[0])
        masks = job.pair_labels.masks(whole, rows.dtype)
        matrix = rows.new_empty(rows.shape[0], masks.stop)
        terms = torch.empty_like(matrix) if prepared.keeps_scores else matrix
        part = SoftmaxBlock(prepared.scores(whole, matrix), prepared.sign, masks, terms, prepared.bound)
        numbers = part.values("spread" in job.row.extras)
        valid = taking_part(job.row, part.positive_sum.squeeze(1) != 0, part.negative_sum.squeeze(1) != 0)
        ctx.mark_non_differentiable(valid)
        ctx.save_for_backward(rows, columns)
        ctx.part, ctx.geometry, ctx.whole = part, prepared, whole
        return valid, *numbers

    @staticmethod
    def backward(ctx: Any, _: Tensor, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        causes = *gradients, *ctx.saved_tensors
        prepared = ctx.geometry
        with torch.no_grad(), full_precision(gradients):
            prepared.start()
            # Both buffers are written over, and a graph may be gone through again.
            part = replace(ctx.part, terms=ctx.part.terms.clone())
            scores = part.scores.clone() if prepared.keeps_scores else part.scores
            prepared.accumulate_grad(ctx.whole, scores, part.gradients(*gradients), part.nearest)
            by_row, by_column = prepared.gradients()
        return once(by_row, *causes), once(by_column, *causes), None
