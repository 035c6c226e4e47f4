"""So few pairs that all their terms are kept: nothing is repeated, as what takes time is the calls themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from losszoo.losses.numerics import full_precision
from losszoo.losses.reduction import keep
from losszoo.losses.unreduced import Unreduced
from losszoo.pairs.blocks import answer, taking_part
from losszoo.pairs.dense import dense
from losszoo.pairs.kernels.choose_kernel import geometry
from losszoo.pairs.log_odds import SoftmaxBlock
from losszoo.pairs.streamed import Job, back, once, ordered, wanted_of


def at_once(rows: Tensor, columns: Tensor | None, job: Job) -> Unreduced:
    """Values and counts of every row; the function of the odds is called once for all of them."""
    if not job.row.softmax:
        return dense(rows, rows if columns is None else columns, job, None)
    valid, *numbers = _Numbers.apply(rows, columns, job)  # type: ignore[no-untyped-call]
    if valid.device.type == "cpu" and bool(valid.all()):
        return answer(job.row, *numbers)
    # A row that takes no part is computed as one with even odds, and its slope then dropped.
    return keep(answer(job.row, *(torch.where(valid, x, 0.0) for x in numbers)), valid)


class _Numbers(torch.autograd.Function):
    """Odds (and spread) of every row, and which rows take part."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, columns: Tensor | None, job: Job) -> tuple[Tensor, ...]:
        order = job.sides.row_order
        x = ordered(rows, order)
        y = x if columns is None else ordered(columns, job.sides.column_order)
        prepared = geometry(x, y, job.similarity, job.temperature, wanted_of(ctx, columns))
        matrix = rows.new_empty(job.sides.shape)
        terms = torch.empty_like(matrix) if prepared.keeps_measure else matrix
        parts: list[tuple[slice, SoftmaxBlock]] = []
        numbers: list[tuple[Tensor, ...]] = []
        for block, masks in job.sides.blocks(job.block_rows, rows.dtype):
            part = SoftmaxBlock(
                prepared.measure(block, matrix[block]), prepared.sign, masks, terms[block], prepared.bound
            )
            numbers.append(part.values("spread" in job.row.extras))
            parts.append((block, part))
        pull, push = (
            _joined([x.squeeze(1) for x in sums]) for sums in zip(*((p.pull, p.push) for _, p in parts), strict=True)
        )
        valid = back(taking_part(job.row, pull != 0, push != 0), order)
        ctx.mark_non_differentiable(valid)
        ctx.save_for_backward(rows, columns)
        ctx.parts, ctx.geometry, ctx.sides = parts, prepared, job.sides
        return valid, *(back(_joined(found), order) for found in zip(*numbers, strict=True))

    @staticmethod
    def backward(ctx: Any, _: Tensor, *slopes: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        causes = *slopes, *ctx.saved_tensors
        prepared, sides = ctx.geometry, ctx.sides
        with torch.no_grad(), full_precision(slopes):
            prepared.start()
            given = [ordered(slope, sides.row_order) for slope in slopes]
            for block, part in ctx.parts:
                part = replace(part, terms=part.terms.clone())
                measure = part.measure.clone() if prepared.keeps_measure else part.measure
                prepared.carry(block, measure, part.slopes(*(slope[block] for slope in given)), part.nearest)
            by_row, by_column = prepared.gradients()
        by_row = None if by_row is None else back(by_row, sides.row_order)
        by_column = None if by_column is None else back(by_column, sides.column_order)
        return once(by_row, *causes), once(by_column, *causes), None


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))
