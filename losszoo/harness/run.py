"""One training run. :func:`fit` reads top to bottom in the order in which it runs."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from losszoo.contract.compose import SumLoss
from losszoo.errors import NonFiniteError
from losszoo.harness.adapters import batches
from losszoo.harness.batch import BatchLoss
from losszoo.harness.guard import StepReport
from losszoo.harness.interrupt import Interrupt
from losszoo.harness.plan import Plan
from losszoo.harness.randomness import Randomness

# A checkpoint is at most this old when a run is killed; one every epoch would cost short runs a third of their time.
CHECKPOINT_SECONDS = 10.0


@dataclass
class Progress:
    """How far a run has come."""

    epoch: int = 0
    best: float | None = None
    best_epoch: int = 0
    best_state: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    status: str = "completed"
    stop_reason: str = ""
    seconds: float = 0.0

    def stop(self, status: str, reason: str) -> None:
        """Before the last epoch."""
        self.status, self.stop_reason = status, reason


def fit(plan: Plan, interrupt: Interrupt, on_epoch: Callable[[Mapping[str, Any]], None] | None = None) -> Progress:
    """Train until the epochs, the patience, the guard or the user ends it; the best state is loaded at the end.

    Args:
        plan: what to train.
        interrupt: asked after every step.
        on_epoch: called with the epoch's line of the history.
    """
    progress = Progress()
    started = saved = time.perf_counter()
    randomness = Randomness(plan.seed, plan.data.train.inputs.device)
    for epoch in range(plan.recipe.epochs):
        plan.guard.epoch = epoch
        plan.loss.set_epoch(epoch)
        try:
            measured = _train_epoch(plan, randomness, interrupt)
        except NonFiniteError as error:
            progress.stop("stopped-by-guard", str(error))
            break
        if interrupt.asked:
            progress.stop("interrupted", "interrupted by the user")
            break
        progress.epoch = epoch + 1
        line = {"epoch": epoch, "epochs": plan.recipe.epochs, **measured, "val": _validate(plan)}
        line["seconds"] = time.perf_counter() - started
        progress.history.append(line)
        _remember_best(plan, progress, line["val"])
        if on_epoch is not None:
            on_epoch(line)
        if time.perf_counter() - saved > CHECKPOINT_SECONDS:
            save(plan, progress, randomness)
            saved = time.perf_counter()
        if 0 < plan.recipe.patience <= epoch - progress.best_epoch:
            progress.stop("stopped-early", f"no better {plan.deciding[0]} for {plan.recipe.patience} epochs")
            break
    save(plan, progress, randomness)
    if progress.best_state:
        plan.model.load_state_dict(progress.best_state)
    progress.seconds = time.perf_counter() - started
    return progress


def _train_epoch(plan: Plan, randomness: Randomness, interrupt: Interrupt) -> dict[str, Any]:
    """One pass over the training rows; the means of what was measured, over the steps that were taken."""
    plan.model.train()
    meter = _Meter()
    for rows in batches(plan.data.train, plan.recipe.batch_size, randomness.generator):
        batch = BatchLoss(plan, rows, randomness)
        meter.add(plan.guard.step(batch.total(), investigate=batch.investigate), batch)
        if interrupt.asked:
            break
    return {**meter.line(), "lr": plan.optimizer.param_groups[0]["lr"], **_weights(plan.loss)}


def _weights(loss: SumLoss) -> dict[str, Any]:
    """The weights of the terms at this epoch, where there are several, or a schedule."""
    weights = {term.label: term.weight(loss.epoch) for term in loss.terms}
    return {"weights": weights} if len(weights) > 1 or any(term.schedules for term in loss.terms) else {}


class _Meter:
    """Means over the steps that were taken: a bad step enters no statistic, nor does a bad term that is off."""

    def __init__(self) -> None:
        self.sums: dict[str, float] = {}
        self.counts: dict[str, int] = {}
        self.bad = self.clipped = 0

    def add(self, report: StepReport, batch: BatchLoss) -> None:
        if not report.applied:
            self.bad += 1
            return
        self.clipped += report.clipped
        self._count("loss", report.loss)
        self._count("grad_norm", report.norm)
        if len(batch.terms) > 1:
            for label, value in batch.terms.items():
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


def _validate(plan: Plan) -> dict[str, float]:
    return plan.prediction.score(plan.model, plan.data, ("val",), plan.deciding, thorough=False)["val"]


def _remember_best(plan: Plan, progress: Progress, metrics: Mapping[str, float]) -> None:
    name, direction = plan.deciding
    value = metrics[name]
    if math.isnan(value):
        return
    if progress.best is None or (value > progress.best if direction == "max" else value < progress.best):
        progress.best, progress.best_epoch = value, progress.epoch - 1
        progress.best_state = copy.deepcopy(plan.model.state_dict())


def save(plan: Plan, progress: Progress, randomness: Randomness) -> None:
    """Checkpoint and history, as they stand."""
    plan.record.write_json("history.json", progress.history)
    plan.record.write_checkpoint(
        {
            "model": plan.model.state_dict(),
            "loss": plan.loss.state_dict(),
            "optimizer": plan.optimizer.state_dict(),
            "guard": plan.guard.state_dict(),
            "best": {"state": progress.best_state, "value": progress.best, "epoch": progress.best_epoch},
            "epoch": progress.epoch,
            "random": randomness.state(),
            "config": dict(plan.config),
        }
    )
