"""What a guard tells: one bad step, all it has counted, and how much of it is too much."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from losszoo.engine.world import World, by_rank
from losszoo.errors import NonFiniteError


@dataclass(frozen=True)
class Event:
    """One non-finite step.

    Args:
        step: number of the step, from 1.
        epoch: where the caller counts them.
        where: "loss", "gradient", or "input" where the batch itself was not finite.
        op: the operation that first gave a non-finite result.
        source: the line that called it.
        bundle: path of the crash bundle.
        detail: anything else, in words.
    """

    step: int
    epoch: int | None
    where: str
    op: str | None = None
    source: str | None = None
    bundle: str | None = None
    detail: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The record in the result."""
        record = asdict(self)
        del record["detail"]
        return record

    def __str__(self) -> str:
        at = f"step {self.step}" if self.epoch is None else f"step {self.step}, epoch {self.epoch}"
        origin = f"; first in {self.op}" if self.op else ""
        origin += f" at {self.source}" if self.source else ""
        return f"non-finite {self.where} in {at}{': ' + self.detail if self.detail else ''}{origin}"


def judged(event: Event, value: float, norm: float, others: World | None) -> Event | None:
    """What is not finite in a step, on this rank or another one of those that step together.

    Args:
        event: step and epoch.
        value: of the loss.
        norm: of the gradient.
        others: the ranks; None for this process alone.
    """
    fine = [[math.isfinite(value), math.isfinite(norm)]]
    table = fine if others is None else others.table(fine[0], torch.int64).tolist()
    for where, told in zip(("loss", "gradient"), zip(*table, strict=True), strict=True):
        if not all(told):
            on_some = by_rank(["" if ok else "not finite" for ok in told]) if any(told) else ""
            return replace(event, where=where, detail=on_some)
    return None


@dataclass(frozen=True)
class StepReport:
    """What became of one step: loss and gradient norm as measured, before any clipping."""

    loss: float
    norm: float
    applied: bool
    clipped: bool
    event: Event | None = None


@dataclass
class Counts:
    """What the guard has done so far; ``overflows`` are steps left out because of the scale of a scaled loss."""

    nonfinite: int = 0
    skipped: int = 0
    rollbacks: int = 0
    clipped: int = 0
    steps: int = 0
    in_a_row: int = 0
    overflows: int = 0


@dataclass(frozen=True)
class Budget:
    """How many bad steps are put up with: fewer in a row than this, and at most so large a share of the plan.

    Args:
        in_a_row: so many bad steps one after the other end it.
        share: more bad steps than this share of ``steps`` end it; one alone never does.
        steps: planned steps of the whole run; None counts the steps so far, but at least 100.
    """

    in_a_row: int = 10
    share: float = 0.05
    steps: int | None = None

    def exceeded(self, counts: Counts) -> str | None:
        """The rule that the counts break, or None."""
        if counts.in_a_row >= self.in_a_row:
            return f"{counts.in_a_row} bad steps in a row"
        planned = self.steps if self.steps is not None else max(counts.steps, 100)
        if counts.nonfinite > max(self.share * planned, 1):
            return f"{counts.nonfinite} bad steps, more than {self.share:.0%} of {planned}"
        return None


class BudgetError(NonFiniteError):
    """The guard has skipped or rolled back as often as it may."""
