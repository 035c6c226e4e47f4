"""One training run. :func:`fit` reads top to bottom in the order in which it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from losszoo.common.interrupt import Interrupt
from losszoo.errors import NonFiniteError
from losszoo.training.data.sampler import drawn
from losszoo.training.plan import Plan
from losszoo.training.run_folder.checkpoint import Saving
from losszoo.training.run_folder.progress import Epoch, Progress
from losszoo.training.step import BatchLoss

OnEpoch = Callable[[Mapping[str, Any]], None]


def fit(
    plan: Plan, interrupt: Interrupt, on_epoch: OnEpoch | None = None, progress: Progress | None = None
) -> Progress:
    """Train until the epochs, the patience, the guard or the user ends it; the best state is loaded at the end.

    Args:
        plan: what to train.
        interrupt: asked after every step.
        on_epoch: called with the epoch's line of the history.
        progress: to go on from; None begins.
    """
    progress = progress or Progress()
    saving = Saving(plan, progress)
    while not progress.over(plan.recipe.epochs, plan.recipe.patience, plan.deciding[0]):
        plan.guard.epoch = progress.epoch
        plan.loss.set_epoch(progress.epoch)
        try:
            measured = _train_epoch(plan, progress, interrupt, saving)
        except NonFiniteError as error:
            progress.steps.add(plan.guard.counts.steps, progress.epoch, error.report)
            progress.stop("stopped-by-guard", str(error))
            break
        if measured is None:
            progress.stop("interrupted", "interrupted by the user")
            interrupt.heeded = True
            break
        line = {"epoch": progress.epoch, "epochs": plan.recipe.epochs, **measured, "val": _validate(plan)}
        line["seconds"] = saving.seconds()
        progress.epoch, progress.under_way = progress.epoch + 1, None
        progress.history.append(line)
        progress.remember(line["val"][plan.deciding[0]], plan.deciding[1], plan.model)
        if on_epoch is not None:
            on_epoch(line)
        if plan.scalars is not None:
            plan.scalars.epoch(line)
        saving.when_due()
    saving.now()
    if progress.best_state:
        plan.model.load_state_dict(progress.best_state)
    return progress


def _train_epoch(plan: Plan, progress: Progress, interrupt: Interrupt, saving: Saving) -> dict[str, Any] | None:
    """What is left of a pass over the training rows; the means of what was measured, over the steps that were taken.

    None where the user has ended it.
    """
    plan.model.train()
    if progress.under_way is None:
        progress.under_way = Epoch(drawn(plan.recipe, plan.data, plan.randomness.generator))
    epoch = progress.under_way
    for rows in epoch.batches(plan.step_rows):
        plan.loss.set_step(plan.guard.counts.steps)
        batch = BatchLoss(plan, rows)
        report = batch.step()
        epoch.meter.add(report, batch.terms)
        progress.steps.add(plan.guard.counts.steps, progress.epoch, report)
        if plan.scalars is not None:
            plan.scalars.step(plan.guard.counts.steps, {"loss": report.loss, "grad_norm": report.norm})
        asked = interrupt.asked
        if asked if plan.world is None else plan.world.any(asked):
            return None
        if epoch.taken < len(epoch.order):
            saving.when_due()
    line = {**epoch.meter.line(), "lr": plan.optimizer.param_groups[0]["lr"] * plan.guard.lr_scale}
    weights = dict(plan.loss.weights)
    if len(weights) > 1 or any(term.schedules for term in plan.loss.terms):
        line["weights"] = weights
    return line


def _validate(plan: Plan) -> dict[str, float]:
    """Metrics on validation: of the first rank, so that all take the same decision."""
    found = None
    if plan.first_rank:
        judged, _ = plan.prediction.judge(plan.model, plan.data, ("val",), plan.deciding, thorough=False)
        found = judged["val"].metrics
    told: dict[str, float] = found if plan.world is None else plan.world.from_first(found)  # type: ignore[assignment]
    return told
