"""What happens to a bad step. Stands alone: drops into anybody's training loop."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from losszoo.errors import NonFiniteError, UsageError
from losszoo.harness.clip import Clip, gradient_norm

POLICIES = ("raise", "skip", "rollback")


@dataclass(frozen=True)
class Event:
    """One non-finite step: where it was seen ("loss", "gradient" or "input"), and what else is known of it."""

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
    """What the guard has done so far."""

    nonfinite: int = 0
    skipped: int = 0
    rollbacks: int = 0
    clipped: int = 0
    steps: int = 0
    in_a_row: int = 0


@dataclass(frozen=True)
class Budget:
    """How many bad steps are put up with: so many in a row, and so large a share of all planned steps.

    Args:
        in_a_row: most bad steps one after the other.
        share: most bad steps as a share of ``steps``.
        steps: planned steps of the whole run; None counts the steps so far, from the hundredth on.
    """

    in_a_row: int = 10
    share: float = 0.05
    steps: int | None = None

    def exceeded(self, counts: Counts) -> str | None:
        """The rule that the counts break, or None."""
        if counts.in_a_row > self.in_a_row:
            return f"{counts.in_a_row} bad steps in a row, at most {self.in_a_row}"
        planned = self.steps if self.steps is not None else max(counts.steps, 100)
        if counts.nonfinite > max(self.share * planned, 1):
            return f"{counts.nonfinite} bad steps of {planned}, at most {self.share:.0%}"
        return None


class BudgetError(NonFiniteError):
    """The guard has skipped or rolled back as often as it may."""


@dataclass
class _Snapshot:
    """Copies of a state in which a step had just gone well."""

    model: dict[str, Any]
    optimizer: dict[str, Any]


class Guard:
    r"""Takes the optimizer's steps, and none that would put NaN or infinity into the weights.

    Call :meth:`step` where ``loss.backward(); optimizer.step(); optimizer.zero_grad()`` stood. It runs the backward
    pass, measures the gradient norm once, looks at loss and norm, clips, steps, and clears the gradients.

    Args:
        model: the module (or the list of modules) whose state a rollback restores.
        optimizer: its parameters are the ones that are measured and clipped.
        policy: of a bad step. "raise": :class:`NonFiniteError`; the weights are those before the step. "skip": the
            step is not taken. "rollback": back to the last good snapshot, with the learning rate halved.
        clip_norm: largest gradient norm, > 0.
        clip_value: largest absolute gradient entry, > 0; applied after ``clip_norm``.
        budget: how many bad steps "skip" and "rollback" put up with before :class:`BudgetError`.
        snapshot_every: steps between snapshots ("rollback" only).

    Example:
        >>> model = nn.Linear(2, 1)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> guard = Guard(model, optimizer, policy="skip", clip_norm=1.0)
        >>> report = guard.step((model(torch.ones(3, 2)) * torch.nan).mean())
        >>> report.applied, report.event.where, guard.counts.skipped
        (False, 'loss', 1)
    """

    def __init__(
        self,
        model: nn.Module | list[nn.Module],
        optimizer: torch.optim.Optimizer,
        policy: str = "raise",
        clip_norm: float | None = None,
        clip_value: float | None = None,
        *,
        budget: Budget = Budget(),
        snapshot_every: int = 50,
    ) -> None:
        if policy not in POLICIES:
            raise UsageError(f"policy must be one of {', '.join(POLICIES)}, however: policy={policy!r}")
        if snapshot_every < 1:
            raise UsageError(f"snapshot_every must be >= 1, however: snapshot_every={snapshot_every}")
        self.modules = nn.ModuleList(model if isinstance(model, list) else [model])
        self.optimizer = optimizer
        self.policy = policy
        self.clip = Clip(clip_norm, clip_value)
        self.budget = budget
        self.counts = Counts()
        self.first: Event | None = None
        self.epoch: int | None = None
        self._every = snapshot_every
        self._snapshot: _Snapshot | None = self._copy() if policy == "rollback" else None

    def step(self, loss: Tensor, *, investigate: Callable[[Event], Event] | None = None) -> StepReport:
        """Backward, norm, guard, clip, optimizer step.

        Args:
            loss: one number with a graph.
            investigate: called after a bad step only, before the policy acts: gets the event and returns it with
                what it has found out, which then stands in the result and in the error.

        Raises:
            NonFiniteError: under policy "raise", or when the budget is used up (:class:`BudgetError`).
        """
        self.counts.steps += 1
        loss.backward()  # type: ignore[no-untyped-call]
        gradients = [
            p.grad for group in self.optimizer.param_groups for p in group["params"] if p.grad is not None
        ]
        value, norm = loss.item(), gradient_norm(gradients)
        if not (math.isfinite(value) and math.isfinite(norm)):
            event = self._bad("gradient" if math.isfinite(value) else "loss", investigate)
            return StepReport(value, norm, applied=False, clipped=False, event=event)
        clipped = self.clip.apply(gradients, norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.counts.clipped += clipped
        self.counts.in_a_row = 0
        if self._snapshot is not None and self.counts.steps % self._every == 0:
            self._snapshot = self._copy()
        return StepReport(value, norm, applied=True, clipped=clipped)

    def _bad(self, where: str, investigate: Callable[[Event], Event] | None) -> Event:
        self.optimizer.zero_grad(set_to_none=True)
        self.counts.nonfinite += 1
        self.counts.in_a_row += 1
        event = Event(self.counts.steps, self.epoch, where)
        if investigate is not None:
            event = investigate(event)
        self.first = self.first or event
        if self.policy == "raise":
            raise NonFiniteError(str(event))
        broken = self.budget.exceeded(self.counts)
        if self.policy == "skip":
            self.counts.skipped += 1
        else:
            self._roll_back()
        if broken:
            raise BudgetError(f"{broken}; the last: {event}")
        return event

    def _copy(self) -> _Snapshot:
        return _Snapshot(copy.deepcopy(self.modules.state_dict()), copy.deepcopy(self.optimizer.state_dict()))

    def _roll_back(self) -> None:
        """The last good state, and half the rate that led from it to the bad step."""
        if self._snapshot is None:
            return
        rates = [group["lr"] for group in self.optimizer.param_groups]
        self.modules.load_state_dict(self._snapshot.model)
        self.optimizer.load_state_dict(copy.deepcopy(self._snapshot.optimizer))
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate / 2
        self.counts.rollbacks += 1

    def to_dict(self) -> dict[str, Any]:
        """The ``guard`` part of a result."""
        counts = asdict(self.counts)
        named = {key: counts[key] for key in ("nonfinite", "skipped", "rollbacks", "clipped")}
        return {**named, "first": self.first.to_dict() if self.first else None}

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint needs to go on; a snapshot is taken anew when it is loaded."""
        return {"counts": asdict(self.counts), "first": asdict(self.first) if self.first else None}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from :meth:`state_dict`."""
        self.counts = Counts(**state["counts"])
        self.first = Event(**state["first"]) if state["first"] else None
        self._snapshot = self._copy() if self.policy == "rollback" else None
