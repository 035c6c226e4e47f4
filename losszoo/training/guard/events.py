"""What a guard tells: one bad step, all it has counted, and how much of it is too much."""

from __future__ import annotations

import math
import shlex
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from losszoo.errors import NonFiniteError
from losszoo.pairs.distributed.collectives import World, by_rank


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
        what: what is not finite, where it is neither the loss nor its gradient: a buffer (``where`` is "loss", for
            the forward pass has made it so), or weights and optimizer ("gradient").
    """

    step: int
    epoch: int | None
    where: str
    op: str | None = None
    source: str | None = None
    bundle: str | None = None
    detail: str = ""
    what: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The record in the result."""
        record = asdict(self)
        del record["detail"], record["what"]
        return record

    def __str__(self) -> str:
        at = f"step {self.step}" if self.epoch is None else f"step {self.step}, epoch {self.epoch}"
        origin = f"; first in {self.op}" if self.op else ""
        origin += f" at {self.source}" if self.source else ""
        return f"non-finite {self.what or self.where} in {at}{': ' + self.detail if self.detail else ''}{origin}"


def judged(
    event: Event, value: float, norm: float, buffer: str | None, near: bool, others: World | None
) -> tuple[Event | None, bool]:
    """What is not finite in a step, on this rank or another one of those that step together; and ``near`` of all.

    Args:
        event: step and epoch.
        value: of the loss.
        norm: of the gradient.
        buffer: name of one that the forward pass has spoilt.
        near: whether the step may overflow something.
        others: the ranks; None for this process alone.
    """
    flags = [math.isfinite(value), math.isfinite(norm), buffer is None, not near]
    table = [flags] if others is None else others.table(flags, torch.int64).tolist()
    loss, gradient, buffers, far = zip(*table, strict=True)
    for where, finite in (("loss", loss), ("gradient", gradient)):
        if not all(finite):
            on_some = by_rank(["" if ok else "not finite" for ok in finite]) if any(finite) else ""
            return replace(event, where=where, detail=on_some), False
    if not all(buffers):
        detail = "the forward pass made it non-finite, while loss and gradient are finite"
        return replace(event, what=f"buffer ({agreed(buffer, others)})", detail=detail), False
    return None, not all(far)


def agreed(spoilt: str | None, others: World | None) -> str | None:
    """What this rank or another one has found, in the same words on all of them; None where none has."""
    return spoilt if others is None else by_rank(others.texts(spoilt or "")) or None


def with_next_steps(event: Event, *, again: bool) -> str:
    """The event in words, and what its reader can do in a loop of his own.

    Args:
        event: as far as it is known.
        again: whether the step was given a way to be computed again.
    """
    lines = [str(event)]
    if event.op is None and event.where != "input" and not again and not of_weights(event):
        lines.append("next: guard.step(loss, again=lambda: criterion(model(x), y)) names the operation and the line")
    if event.bundle:
        lines.append(
            f"next: losszoo replay {shlex.quote(event.bundle)} --step FILE.py:make_step repeats the step, where "
            "make_step(bundle) returns a function that computes the loss"
        )
    return "\n".join(lines)


def of_weights(event: Event) -> bool:
    """Whether weights or optimizer are what is not finite: loss and gradient were, so nothing can be repeated."""
    return bool(event.what) and event.where == "gradient"


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
            return f"{counts.nonfinite} bad steps, more than {100 * self.share:.0f} % of {planned}"
        return None


class BudgetError(NonFiniteError):
    """The guard has skipped or rolled back as often as it may."""
