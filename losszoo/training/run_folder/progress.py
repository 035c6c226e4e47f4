"""How far a run has come: all that the rest of it depends on beside model, optimizer and guard, and what it tells."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from losszoo.training.guard.events import StepReport
from losszoo.training.run_folder.step_log import Steps


@dataclass
class Meter:
    """Means over the steps that were taken: a bad step enters no statistic, nor does a bad term that is off."""

    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    bad: int = 0
    clipped: int = 0

    def add(self, report: StepReport, terms: Mapping[str, Tensor]) -> None:
        """One step, and the values of its terms."""
        self.bad += report.event is not None
        if not report.applied:
            return
        self.clipped += report.clipped
        self._count("loss", report.loss)
        self._count("grad_norm", report.norm)
        if len(terms) > 1:
            for label, value in terms.items():
                self._count(f"term {label}", value.item())

    def _count(self, name: str, value: float) -> None:
        finite = math.isfinite(value)
        self.sums[name] = self.sums.get(name, 0.0) + (value if finite else 0.0)
        self.counts[name] = self.counts.get(name, 0) + finite

    def _mean(self, name: str) -> float:
        return self.sums[name] / self.counts[name] if self.counts.get(name) else math.nan

    def line(self) -> dict[str, Any]:
        """The epoch's means; NaN where nothing was measured."""
        line: dict[str, Any] = {name: self._mean(name) for name in ("loss", "grad_norm")}
        terms = {name.removeprefix("term "): self._mean(name) for name in self.sums if name.startswith("term ")}
        line |= {"terms": terms} if terms else {}
        return {**line, "steps": self.counts.get("loss", 0), "clipped": self.clipped, "bad_steps": self.bad}


@dataclass
class Epoch:
    """An epoch that is under way.

    Args:
        order: of the training rows.
        taken: how many of them have been stepped on.
        meter: of the steps so far.
    """

    order: Tensor
    taken: int = 0
    meter: Meter = field(default_factory=Meter)

    def batches(self, size: int) -> Iterator[Tensor]:
        """The rows of each step that is left; the last one may be smaller."""
        while self.taken < len(self.order):
            rows = self.order[self.taken : self.taken + size]
            self.taken += len(rows)
            yield rows

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"order": self.order, "taken": self.taken, "meter": asdict(self.meter)}

    @classmethod
    def of(cls, state: Mapping[str, Any], device: torch.device) -> Epoch:
        """From :meth:`state_dict`."""
        return cls(state["order"].to(device), state["taken"], Meter(**state["meter"]))


@dataclass
class Progress:
    """How far a run has come.

    Args:
        epoch: finished epochs.
        best: best value of the deciding metric on validation.
        best_epoch: where it was found.
        best_state: of the model there.
        history: a line for every finished epoch.
        status: as in the result.
        stop_reason: why it ended before the last epoch.
        seconds: of training so far, in all processes that have had a part in it.
        under_way: the epoch that is not finished.
        steps: loss and norm of every step.
    """

    epoch: int = 0
    best: float | None = None
    best_epoch: int = 0
    best_state: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    status: str = "completed"
    stop_reason: str = ""
    seconds: float = 0.0
    under_way: Epoch | None = None
    steps: Steps = field(default_factory=Steps)

    def stop(self, status: str, reason: str) -> None:
        """Before the last epoch."""
        self.status, self.stop_reason = status, reason

    def over(self, epochs: int, patience: int, metric: str) -> bool:
        """Whether nothing is left to do."""
        if self.status != "completed":
            return True
        if 0 < patience < self.epoch - self.best_epoch:
            self.stop("stopped-early", f"no better {metric} for {patience} epochs")
            return True
        return self.epoch >= epochs

    def remember(self, value: float, direction: str, model: nn.Module) -> None:
        """The state of the model after an epoch, where its value is the best so far."""
        if math.isnan(value):
            return
        if self.best is None or (value > self.best if direction == "max" else value < self.best):
            self.best, self.best_epoch = value, self.epoch - 1
            self.best_state = copy.deepcopy(model.state_dict())

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        kept = {name: getattr(self, name) for name in ("epoch", "history", "status", "stop_reason", "seconds")}
        best = {"state": self.best_state, "value": self.best, "epoch": self.best_epoch}
        under_way = self.under_way and self.under_way.state_dict()
        return {**kept, "best": best, "under_way": under_way, "steps": self.steps.state_dict()}

    @classmethod
    def of(cls, state: Mapping[str, Any], device: torch.device) -> Progress:
        """From :meth:`state_dict`; a run that was interrupted goes on."""
        kept = {name: state[name] for name in ("epoch", "history", "status", "stop_reason", "seconds")}
        if kept["status"] == "interrupted":
            kept |= {"status": "completed", "stop_reason": ""}
        best = state["best"]
        return cls(
            **kept,
            best=best["value"],
            best_epoch=best["epoch"],
            best_state={name: value.to(device) for name, value in best["state"].items()},
            under_way=Epoch.of(state["under_way"], device) if state["under_way"] else None,
            steps=Steps.of(state["steps"]),
        )
