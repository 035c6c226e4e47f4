"""Columns passed around a ring of ranks: each holds only its share and the chunk that it has received."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from losszoo.pairs import streaming
from losszoo.pairs.blocks import SoftmaxRows, WholeRows, Worker
from losszoo.pairs.distributed.collectives import World, starts
from losszoo.pairs.kernels import Geometry, geometry
from losszoo.pairs.streamed import Job, Streamed

# Rows, at least, for which the chunks go around once: enough that the work on a chunk outlasts its journey.
_CPU_ROWS = 256
# Columns that are worked on at a time, as a multiple of these rows.
_PIECE = 4
# Numbers of a row of pairs that are held at a time: logits, gradients, and the float64 product.
_NUMBERS = 4


@dataclass(frozen=True)
class RingPlan:
    """What the ranks have agreed on, as far as the ring goes.

    Args:
        world: the ranks.
        rows: how many rows each has.
        columns: how many columns each has.
        memory: MiB that whole rows of pairs may take.
        backwards: whether gradients are carried back to the columns.
    """

    world: World
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    memory: float
    backwards: bool

    def blocks(self, job: Job, like: Tensor) -> list[slice]:
        """This rank's rows in parts, as many as on every other rank, for each of which the columns go around."""
        # D rows of pairs take as much as the columns of all ranks would.
        wanted = max(rows_of_a_journey(like), like.shape[1])
        fitting = int(self.memory * 2**20 // (max(sum(self.columns), 1) * like.dtype.itemsize * _NUMBERS))
        size = max(job.block_rows, min(wanted, fitting))
        parts, rows = -(-max(self.rows) // size), like.shape[0]
        return [slice(rows * part // parts, rows * (part + 1) // parts) for part in range(parts)]

    def pieces(self, rank: int, size: int) -> list[tuple[slice, slice]]:
        """A rank's columns, so many at a time: their places in its chunk, and among those of all ranks."""
        first, count = starts(self.columns)[rank], self.columns[rank]
        ends = [(start, min(start + size, count)) for start in range(0, count, size)]
        return [(slice(start, end), slice(first + start, first + end)) for start, end in ends]

    def held_after(self, steps: int) -> int:
        """The rank whose columns are here after so many steps."""
        return (self.world.rank - steps) % self.world.size


def passed_around(
    rows: Tensor, columns: Tensor, job: Job, factors: Tensor | None, plan: RingPlan
) -> tuple[Streamed, Exception | None]:
    """One pass over this rank's rows, and what a row function raised; the ring continues until all ranks are served.

    Args:
        rows: (n, D), this rank's.
        columns: (m, D), this rank's.
        job: what is done with them; its pair_labels have the columns of all ranks, in the order of the ranks.
        factors: (n,) of the rows in the sum that is differentiated; None where no gradient is wanted.
        plan: what the ranks agreed on.

    Returns:
        Values and counts of the rows, and the gradients by these rows and these columns of the sum over all ranks.
    """
    passing = _Ring(rows.detach(), columns.detach().contiguous(), job, plan)
    for block in plan.blocks(job, rows):
        scores = passing.filled(block)
        gradients = passing.worked(block, scores, factors if plan.backwards else None)
        if plan.backwards:
            passing.accumulate_grad(block, scores, gradients)
    learned = tuple(passing.by_learned)
    return Streamed(passing.values, passing.counts, passing.by_row, passing.by_column, learned), passing.failure


def rows_of_a_journey(like: Tensor) -> int:
    """How many rows are worth it on this device."""
    return _CPU_ROWS if like.device.type == "cpu" else streaming.TUNING.other_rows


@dataclass
class _Ring:
    """The work of one rank.

    A block's scores are put together piece by piece, each with a geometry of its own, and a centre of its own, on which
    distances do not depend. ``facts`` is that of no pairs: it tells the form to which all of them are brought.
    """

    rows: Tensor
    columns: Tensor
    job: Job
    plan: RingPlan
    facts: Geometry = field(init=False)
    failure: Exception | None = None

    def __post_init__(self) -> None:
        self.facts = self._geometry(self.rows[:0], self.columns[:0])
        self.values, self.counts = self.rows.new_zeros(2, self.rows.shape[0]).unbind()
        self.by_row, self.by_column = torch.zeros_like(self.rows), torch.zeros_like(self.columns)
        self.by_learned = [torch.zeros_like(x) for x in self.job.row.learned]

    def filled(self, block: slice) -> Tensor:
        """(rows, M): the scores of a block of rows to the columns of all ranks."""
        rows = self.rows[block]
        scores = rows.new_empty(rows.shape[0], sum(self.plan.columns))
        for rank, chunk in self._visits():
            for piece, span in self._pieces(rank):
                part = self._geometry(rows, chunk[piece])
                for some in self._parts(rows):
                    out = scores[some, span]
                    found = part.scores(some, out)
                    if found is not out or part.sign != self.facts.sign:
                        torch.mul(found, part.sign * self.facts.sign, out=out)
        return scores

    def worked(self, block: slice, scores: Tensor, factors: Tensor | None) -> Tensor:
        """Values and counts of a block are written down; its gradients take the place of the scores where they may."""
        gradients = torch.zeros_like(scores) if self.facts.keeps_scores else scores
        try:
            for some in self._parts(scores):
                there = slice(block.start + some.start, block.start + some.stop)
                self._work(there, scores[some], gradients[some], None if factors is None else factors[there])
        except Exception as error:  # raised when the ring has come to its end, as the others would wait for this rank
            self.failure = self.failure or error
            gradients.zero_()
        return gradients

    def accumulate_grad(self, block: slice, scores: Tensor, gradients: Tensor) -> None:
        """What the gradients on a block mean for its rows, and for the columns of all ranks, which get it passed on."""
        rows, world = self.rows[block], self.plan.world
        gathering = torch.zeros_like(self.columns)
        for steps, (rank, chunk) in enumerate(self._visits()):
            for piece, span in self._pieces(rank):
                part = self._geometry(rows, chunk[piece])
                part.start()
                for some in self._parts(rows):
                    given = gradients[some, span]
                    part.accumulate_grad(some, scores[some, span], given if part.sign == self.facts.sign else -given)
                for total, found in zip((self.by_row[block], gathering[piece]), part.gradients(), strict=True):
                    if found is not None:
                        total.add_(found)
            # The gradient of a chunk so far is sent with it, and returns to its rank with the last step.
            arriving = gathering.new_empty(self.plan.columns[self.plan.held_after(steps + 1)], gathering.shape[1])
            for work in world.hand_on(gathering, arriving):
                work.wait()
            gathering = arriving
        self.by_column += gathering

    def _work(self, there: slice, scores: Tensor, gradients: Tensor, factors: Tensor | None) -> None:
        row, pair_labels, facts = self.job.row, self.job.pair_labels, self.facts
        work: Worker
        work = SoftmaxRows(row, pair_labels, facts, gradients) if row.softmax else WholeRows(row, pair_labels, facts)
        found, given, _ = work(there, None, scores, factors)
        for total, part in zip(self.by_learned, work.by_learned, strict=True):
            total += part
        self.values[there] = found.values.detach()
        self.counts[there] = 1.0 if found.counts is None else found.counts
        if given is not None and given.data_ptr() != gradients.data_ptr():
            gradients.copy_(given)

    def _visits(self) -> Iterator[tuple[int, Tensor]]:
        """The columns of all ranks, those of this rank first; the next ones are sent while these are computed."""
        chunk = self.columns
        for steps in range(self.plan.world.size):
            arriving, works = chunk, []
            if steps + 1 < self.plan.world.size:
                arriving = chunk.new_empty(self.plan.columns[self.plan.held_after(steps + 1)], chunk.shape[1])
                works = self.plan.world.hand_on(chunk, arriving)
            yield self.plan.held_after(steps), chunk
            for work in works:
                work.wait()
            chunk = arriving

    def _geometry(self, rows: Tensor, chunk: Tensor) -> Geometry:
        return geometry(rows, chunk, self.job.similarity, self.job.temperature, (self.plan.backwards,) * 2)

    def _pieces(self, rank: int) -> list[tuple[slice, slice]]:
        """Distances are prepared in float64, for some columns at a time so that this stays small."""
        return self.plan.pieces(rank, _PIECE * rows_of_a_journey(self.rows))

    def _parts(self, rows: Tensor) -> list[slice]:
        """Blocks of a block, of a size that suits the processor."""
        count, size = rows.shape[0], self.job.block_rows
        return [slice(start, min(start + size, count)) for start in range(0, count, size)]
