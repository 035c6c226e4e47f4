"""One training run. :func:`fit` reads top to bottom in the order in which it runs."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from losszoo.contract.compose import SumLoss
from losszoo.errors import NonFiniteError
from losszoo.harness.adapters import Model, batches
from losszoo.harness.batch import BatchLoss
from losszoo.harness.guard import Guard, StepReport
from losszoo.harness.interrupt import Interrupt
from losszoo.harness.predict import Prediction
from losszoo.harness.prepare import Prepared
from losszoo.harness.record import Record
from losszoo.harness.task import Recipe, Task

# A checkpoint is at most this old when a run is interrupted; every epoch would cost short runs a third of their time.
CHECKPOINT_SECONDS = 10.0


@dataclass
class Plan:
    """Everything a run is made of, built and checked."""

    task: Task
    data: Prepared
    model: Model
    loss: SumLoss
    prediction: Prediction
    recipe: Recipe
    optimizer: torch.optim.Optimizer
    guard: Guard
    record: Record
    config: Mapping[str, Any]
    seed: int

    @property
    def deciding(self) -> tuple[str, str]:
        """The metric that decides, and its direction."""
        return self.task.spec.metric, self.task.spec.direction


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


def fit(plan: Plan, on_epoch: Callable[[Mapping[str, Any]], None] | None = None) -> Progress:
    """Train until the epochs, the patience, the guard or the user ends it; the best state is loaded at the end.

    Args:
        plan: what to train.
        on_epoch: called with the epoch's line of the history.
    """
    progress = Progress()
    started = saved = time.perf_counter()
    generator = torch.Generator().manual_seed(plan.seed)
    with Interrupt() as interrupt:
        for epoch in range(plan.recipe.epochs):
            plan.guard.epoch = epoch
            plan.loss.set_epoch(epoch)
            try:
                line = _train_epoch(plan, generator, interrupt)
            except NonFiniteError as error:
                progress.status, progress.stop_reason = "stopped-by-guard", str(error)
                break
            if interrupt.asked:
                progress.status, progress.stop_reason = "interrupted", "interrupted by the user"
                break
            progress.epoch = epoch + 1
            line |= {
                "epoch": epoch,
                "epochs": plan.recipe.epochs,
                "val": _validate(plan),
                "seconds": time.perf_counter() - started,
            }
            progress.history.append(line)
            _remember_best(plan, progress, line["val"])
            if on_epoch is not None:
                on_epoch(line)
            if time.perf_counter() - saved > CHECKPOINT_SECONDS:
                save(plan, progress, generator)
                saved = time.perf_counter()
            if 0 < plan.recipe.patience <= epoch - progress.best_epoch:
                progress.status, progress.stop_reason = (
                    "stopped-early",
                    f"no better {plan.deciding[0]} for {plan.recipe.patience} epochs",
                )
                break
    save(plan, progress, generator)
    if progress.best_state:
        plan.model.load_state_dict(progress.best_state)
    progress.seconds = time.perf_counter() - started
    return progress


def _train_epoch(plan: Plan, generator: torch.Generator, interrupt: Interrupt) -> dict[str, Any]:
    """One pass over the training rows; the means of what was measured, over the steps that were taken."""
    plan.model.train()
    meter = _Meter()
    for rows in batches(plan.data.train, plan.recipe.batch_size, generator):
        batch = BatchLoss(plan, rows, generator)
        report = plan.guard.step(batch.total(), investigate=batch.investigate)
        meter.add(report, batch)
        if interrupt.asked:
            break
    return meter.line()


@dataclass
class _Meter:
    """Sums over the steps that were taken: a bad step enters no statistic."""

    loss: float = 0.0
    norm: float = 0.0
    clipped: int = 0
    steps: int = 0
    bad: int = 0
    terms: dict[str, float] = field(default_factory=dict)

    def add(self, report: StepReport, batch: BatchLoss) -> None:
        if not report.applied:
            self.bad += 1
            return
        self.steps += 1
        self.loss += report.loss
        self.norm += report.norm
        self.clipped += report.clipped
        if len(batch.terms) > 1:
            for label, value in batch.terms.items():
                self.terms[label] = self.terms.get(label, 0.0) + value.item()

    def line(self) -> dict[str, Any]:
        """The epoch's means."""
        steps = max(self.steps, 1)
        line: dict[str, Any] = {
            "loss": self.loss / steps,
            "grad_norm": self.norm / steps,
            "steps": self.steps,
        }
        line |= {"clipped": self.clipped, "bad_steps": self.bad}
        if self.terms:
            line["terms"] = {label: total / steps for label, total in self.terms.items()}
        return line


def _validate(plan: Plan) -> dict[str, float]:
    return plan.prediction.score(plan.model, plan.data, ("val",), plan.deciding)["val"]


def _remember_best(plan: Plan, progress: Progress, metrics: Mapping[str, float]) -> None:
    name, direction = plan.deciding
    value = metrics[name]
    better = progress.best is None or (value > progress.best if direction == "max" else value < progress.best)
    if better:
        progress.best, progress.best_epoch = value, progress.epoch - 1
        progress.best_state = copy.deepcopy(plan.model.state_dict())


def save(plan: Plan, progress: Progress, generator: torch.Generator) -> None:
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
            "random": {"data": generator.get_state(), "torch": torch.get_rng_state()},
            "config": dict(plan.config),
        }
    )
