"""A loss over the rows of several ranks: the value and gradient that all of them get."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from losszoo.common.text import in_one_line
from losszoo.losses.numerics import full_precision
from losszoo.losses.reduction import scale
from losszoo.losses.unreduced import Unreduced
from losszoo.pairs import streamed
from losszoo.pairs.distributed import ring
from losszoo.pairs.distributed.collectives import World, others_failed, starts
from losszoo.pairs.pair_labels import PairLabels
from losszoo.pairs.streamed import Job, Streamed, once, wanted_of


@dataclass(frozen=True)
class Agreement:
    """What the ranks have agreed on for one call.

    Args:
        world: the ranks.
        rows: how many rows each has.
        columns: how many columns each has.
        wanted: whether any of them wants a gradient.
        ring: whether the columns are passed around, and not collected on each rank.
        memory: MiB that blocks of pairs may take.
        separate: whether the value of each row is asked for, and not their sum over all ranks.
    """

    world: World
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    wanted: bool
    ring: bool
    memory: float
    separate: bool

    def back(self) -> Agreement:
        """The same for the way back of two views, where each rank's rows are the columns of all."""
        return replace(self, columns=self.rows)

    def pair_labels(self, pair_labels: PairLabels, *, places: bool) -> PairLabels:
        """The labels of this rank's rows and of all columns; ``places`` are labels that count within a rank."""
        first = starts(self.rows)[self.world.rank] if places else 0
        rows, columns = (
            torch.where(labels < 0, labels, labels + first) if places else labels
            for labels in (pair_labels.row_labels, pair_labels.column_labels)
        )
        own = pair_labels.own
        if pair_labels.diagonal:
            own = torch.arange(rows.shape[0], device=rows.device)
        if own is not None:
            own = torch.where(own < 0, own, own + starts(self.columns)[self.world.rank])
        columns = self.world.joined(columns, self.columns)
        return replace(pair_labels, row_labels=rows, column_labels=columns, own=own, diagonal=False)

    def answer(self, rows: Tensor, columns: Tensor | None, job: Job, weight: Tensor | None) -> Unreduced:
        """Weighted sum of the values of all rows of all ranks, and of their counts; or those of each row of this rank.

        The gradient of the rows is that of the sum over ranks of what each of them gets, so that their average over
        ranks, which DistributedDataParallel takes, is the gradient of the one value that all of them got.
        """
        if self.separate:
            values = Unreduced(*_Each.apply(rows, columns, job, self, *job.row.learned))  # type: ignore[no-untyped-call]
            return values if weight is None else scale(values, weight)
        factors = rows.new_ones(rows.shape[0]) if weight is None else weight
        return Unreduced(*_Total.apply(rows, columns, factors, job, self, *job.row.learned))  # type: ignore[no-untyped-call]

    def run(
        self, rows: Tensor, columns: Tensor | None, job: Job, factors: Tensor | None, wanted: tuple[bool, bool]
    ) -> Streamed:
        """One pass over this rank's rows and all ranks' columns, with the gradients of this rank's rows and columns."""
        backwards = factors is not None and self.wanted
        own = rows if columns is None else columns
        if self.ring:
            plan = ring.RingPlan(self.world, self.rows, self.columns, self.memory, backwards)
            done, failure = ring.passed_around(rows, own, job, factors, plan)
        else:
            done, failure = self._gathered(rows, own, job, factors, backwards)
        self._check_all_succeeded(failure)
        by_row, by_column = done.by_row, done.by_column
        if backwards and by_column is not None and not self.ring:
            by_column = self.world.own_share(by_column, self.columns)
        if columns is None and by_row is not None and by_column is not None:
            return replace(done, by_row=by_row.add_(by_column) if wanted[0] else None, by_column=None)
        return replace(done, by_row=by_row if wanted[0] else None, by_column=by_column if wanted[1] else None)

    def _gathered(
        self, rows: Tensor, own: Tensor, job: Job, factors: Tensor | None, backwards: bool
    ) -> tuple[Streamed, Exception | None]:
        all_columns = self.world.joined(own, self.columns)
        try:
            return streamed.run(rows, all_columns, job, factors, (backwards, backwards)), None
        except Exception as error:  # sent to the other ranks first, as they would wait for this one
            nothing = rows.new_zeros(rows.shape[0])
            return Streamed(nothing, nothing), error

    def _check_all_succeeded(self, failure: Exception | None) -> None:
        failed = self.world.table([failure is not None], torch.int64).flatten()
        if not bool(failed.any()):
            return
        told = self.world.texts("" if failure is None else in_one_line(failure))
        if failure is not None:
            raise failure
        raise others_failed(told)


class _Total(torch.autograd.Function):
    """The sum over all ranks, whose gradient is known without another word among them."""

    @staticmethod
    def forward(
        ctx: Any,
        rows: Tensor,
        columns: Tensor | None,
        factors: Tensor,
        job: Job,
        agreement: Agreement,
        *learned: Tensor,
    ) -> tuple[Tensor, ...]:
        done = agreement.run(rows, columns, job, factors, wanted_of(ctx, columns))
        # Weight 0 is absence: an infinite value there is dropped, not made NaN.
        kept = torch.where(factors != 0, done.values, 0.0)
        ctx.save_for_backward(rows, columns, done.by_row, done.by_column, *(done.by_learned if learned else ()))
        ctx.size = agreement.world.size
        value, count = agreement.world.summed((kept * factors).sum(), (done.counts * factors).sum())
        ctx.mark_non_differentiable(count)
        return value, count

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        rows, columns, *gradients = ctx.saved_tensors
        by_row, by_column, *learned = (
            once(None if x is None else x * (grad * ctx.size), grad, rows, columns) for x in gradients
        )
        return by_row, by_column, None, None, None, *learned


class _Each(torch.autograd.Function):
    """The values of this rank's rows, whose gradient needs what the other ranks make of theirs."""

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, columns: Tensor | None, job: Job, agreement: Agreement, *learned: Tensor
    ) -> tuple[Tensor, Tensor]:
        done = agreement.run(rows, columns, job, None, (False, False))
        ctx.save_for_backward(rows, columns)
        ctx.job, ctx.agreement, ctx.learns = job, agreement, bool(learned)
        ctx.mark_non_differentiable(done.counts)
        return done.values, done.counts

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        rows, columns = ctx.saved_tensors
        with torch.no_grad(), full_precision((grad,)):
            done = ctx.agreement.run(rows, columns, ctx.job, grad, wanted_of(ctx, columns))
        learned = done.by_learned if ctx.learns else ()
        by_row, by_column, *learned = (once(x, grad, rows, columns) for x in (done.by_row, done.by_column, *learned))
        return by_row, by_column, None, None, *learned
