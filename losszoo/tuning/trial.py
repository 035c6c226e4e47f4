"""One trial: its trainings one after the other, stopped where it is no use to go on."""

from __future__ import annotations

import math
import shutil
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from losszoo.common.files import check_no_links
from losszoo.common.text import in_one_line
from losszoo.errors import DataError, UsageError
from losszoo.tuning.tuning_plan import StudyPlan

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial, Trial

    from losszoo.training.run_result import RunResult

# Marks of a trial in the storage.
DEFAULT, FAILED, LOSS, SETTINGS, VALUES = "default", "failed", "loss", "settings", "values"
ONE_CLASS = "one class"
# What the runs of a trial score; the test rows wait for who pastes the command of the best.
_SCORED = ("val",)

# Epochs after which a trial is compared with the others: each some 1.4 times the one before. A report costs some 20 ms
# of the storage, as much as an epoch of a small task, and the first epochs say little.
RUNGS = frozenset(round(8 * 2 ** (rung / 2)) for rung in range(24))

# Fewer trials are no measure.
FEWEST_TO_PRUNE = 5


class TrialFailedError(Exception):
    """A trial without a value: its guard stopped it, or it raised."""


@dataclass
class Running:
    """A trial that runs.

    Args:
        plan: its study.
        trial: Optuna's.
    """

    plan: StudyPlan
    trial: Trial
    values: list[float] = field(default_factory=list)

    @property
    def is_default(self) -> bool:
        """Whether this is the proposal of task and loss, which is run as it is and never pruned."""
        return bool(self.trial.user_attrs.get(DEFAULT))

    @property
    def folder(self) -> Path:
        """Of its runs."""
        return folder_of(self.plan, self.trial.number)

    def value(self) -> float:
        """The mean over the trainings of the best epoch's validation metric.

        Raises:
            TrialPruned: others were better by that epoch.
            TrialFailedError: it has no value.
            UsageError: the defaults cannot be run at all, or the folder is a link to elsewhere.
        """
        values = {key: dimension.suggest(self.trial) for key, dimension in self._told().items()}
        loss, settings = self.plan.filled({} if self.is_default else values)
        self.trial.set_user_attr(LOSS, self.plan.loss_text if callable(loss) else loss)
        self.trial.set_user_attr(SETTINGS, settings)
        check_no_links(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)
        for split, seed in self.plan.trainings:
            self.values.append(self._train(loss, {**settings, **split}, seed))
        self.trial.set_user_attr(VALUES, self.values)
        return statistics.fmean(self.values)

    def _told(self) -> Mapping[str, Any]:
        """The dimensions that the sampler knows of this trial; a default outside its range is not told."""
        space, defaults = self.plan.space, self.plan.defaults
        if not self.is_default:
            return space
        return {key: space[key] for key in space if key in defaults and space[key].holds(defaults[key])}

    def _train(self, loss: Any, settings: Mapping[str, Any], seed: int) -> float:
        result = self._result(loss, settings, seed)
        value = result.metrics["val"][self.plan.metric]
        if result.one_class:
            self.trial.set_user_attr(ONE_CLASS, dict(result.one_class))
        if result.status == "stopped-by-guard" or not math.isfinite(value):
            raise TrialFailedError(result.stop_reason or f"validation {self.plan.metric} is {value}")
        return value

    def _result(self, loss: Any, settings: Mapping[str, Any], seed: int) -> RunResult:
        """Of one training. What is wrong with the defaults is wrong with the study; any other run has failed."""
        from optuna.exceptions import OptunaError

        from losszoo.training.run import run

        options = self.plan.options
        try:
            return run(
                loss,
                self.plan.given,
                seed=seed,
                set=settings,
                epochs=options.epochs,
                parts=_SCORED,
                run_dir=self.folder / f"run-{len(self.values)}",
                on_epoch=self._watcher(),
                **options.of_runs(),
            )
        except OptunaError:  # pruned, or the storage is gone
            raise
        except Exception as error:
            if self.is_default and isinstance(error, UsageError | DataError):
                raise
            raise TrialFailedError(in_one_line(error)) from error

    def _watcher(self) -> Callable[[Mapping[str, Any]], None]:
        """Reports the best so far after every epoch, and stops the trial where the others were better by then."""
        import optuna

        best = None

        def watch(line: Mapping[str, Any]) -> None:
            nonlocal best
            value = line["val"][self.plan.metric]
            if value is None or math.isnan(value):
                return
            choose = max if self.plan.direction == "max" else min
            best = value if best is None else choose(best, value)
            if line["epoch"] + 1 not in RUNGS:
                return
            step, mean = len(self.values) * line["epochs"] + line["epoch"], statistics.fmean([*self.values, best])
            self.trial.report(mean, step)
            if not self.is_default and self._is_hopeless(step, mean):
                raise optuna.TrialPruned

        return watch

    def _is_hopeless(self, step: int, value: float) -> bool:
        """Whether half of all trials that have ended were better by that step.

        Those that were pruned before it count as worse. Left out, as in Optuna's own median rule, they leave ever
        better ones to be compared with, and soon only a trial that starts like the best goes on. Nor is the best value
        taken that a trial has ever reported: where a value is a mean over splits, that is the mean up to an easy one.
        """
        from optuna.trial import TrialState

        ended = self.trial.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        if len(ended) < FEWEST_TO_PRUNE:
            return False
        sign = 1 if self.plan.direction == "max" else -1
        better = sum(came is not None and sign * (came - value) > 0 for came in (_by_step(t, step) for t in ended))
        return better > len(ended) / 2


def _by_step(trial: FrozenTrial, step: int) -> float | None:
    """The value that a trial had at that step, which may be its last one before; None where it was stopped by then."""
    from optuna.trial import TrialState

    reported = trial.intermediate_values
    if FAILED in trial.user_attrs or (trial.state == TrialState.PRUNED and max(reported, default=-1) < step):
        return None
    before = [at for at in reported if at <= step]
    return reported[max(before)] if before else None


def folder_of(plan: StudyPlan, number: int) -> Path:
    """The folder of a trial's runs."""
    return plan.folder / f"trial-{number}"
