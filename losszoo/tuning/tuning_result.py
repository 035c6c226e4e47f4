"""What a tuning gives back: the best trial beside the defaults, and the command line that repeats it."""

from __future__ import annotations

import contextlib
import math
import shlex
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from losszoo.common.files import jsonable
from losszoo.tasks.make_task import flags_of
from losszoo.tasks.metric_choice import several
from losszoo.tasks.tables.frames import frame_of
from losszoo.training.evaluation.one_class import told_of_one_class
from losszoo.training.result_options import RESULT_OPTIONS
from losszoo.tuning.storage import shown
from losszoo.tuning.study import THREADS, Counts, best_of, count, default_of, running_elsewhere
from losszoo.tuning.trial import DEFAULT, FAILED, ONE_CLASS, VALUES, folder_of
from losszoo.tuning.tuning_options import TuneOptions
from losszoo.tuning.tuning_plan import StudyPlan

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

# Fewer trials say nothing of what matters.
_FEWEST_FOR_IMPORTANCE = 10


@dataclass(frozen=True)
class Best:
    """The best trial.

    Args:
        number: in the study.
        value: mean validation metric over the trainings.
        values: of each training: split by split, and within a split seed by seed.
        params: what was searched, by key.
        loss: text of the loss.
        settings: the ``set`` of its runs, what was fixed included.
        command: the command line that repeats the first training; None for a loss that has no text.
        run_dir: folder of the first training, which :func:`losszoo.load_run` takes; None where it is not on this
            machine.
        notes: of what is unusual about its predictions, as one class for every row.
    """

    number: int
    value: float
    values: tuple[float, ...]
    params: Mapping[str, Any]
    loss: str
    settings: Mapping[str, Any]
    command: str | None
    run_dir: str | None = field(default=None, compare=False)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tuning:
    """The result of :func:`losszoo.tune`.

    Args:
        loss: text of the loss, as it was given.
        task: name of the task.
        metric: on the validation rows.
        direction: "max" or "min".
        counts: trials by how they ended.
        best: the best trial; None where none was completed.
        default: value of what task and loss propose; None where it has none.
        importance: share of each searched key in the spread of the values; empty for few trials.
        storage: URL, its password hidden.
        study: name.
        status: "completed"; "timeout"; "interrupted"; "waiting", where the rest runs in other processes; or "stalled",
            where process after process died and no trial came to its end.
        seconds: of this call.
        elsewhere: other machines that run trials of this study.
        failures: why trials failed, by number.
        trials: all that have ended, in order: number, state ("complete", "pruned" or "failed"), value, params.
    """

    loss: str
    task: str
    metric: str
    direction: str
    counts: Counts
    best: Best | None
    default: float | None
    importance: Mapping[str, float]
    storage: str
    study: str
    status: str
    seconds: float
    elsewhere: tuple[str, ...] = ()
    failures: Mapping[int, str] = field(default_factory=dict)
    trials: tuple[Mapping[str, Any], ...] = ()

    def to_frame(self) -> Any:
        """A pandas DataFrame with a row for each trial that has ended: number, state, value, and its params by key.

        ``value`` is the mean validation metric; of a trial that was pruned, the last that it has reported.

        Raises:
            UsageError: pandas is not installed.
        """
        rows = [{**trial, **trial["params"]} for trial in self.trials]
        kept = [{name: value for name, value in row.items() if name != "params"} for row in rows]
        return frame_of(kept, ("number", "state", "value"))

    def to_dict(self) -> dict[str, Any]:
        """The JSON record."""
        best = self.best
        values = {name: value for name, value in vars(self).items() if name not in ("counts", "failures", "trials")}
        values |= {"trials": {**self.counts._asdict(), "total": self.counts.ended}, "seconds": round(self.seconds, 3)}
        values["best"] = best and {entry.name: getattr(best, entry.name) for entry in fields(best)}
        document: dict[str, Any] = jsonable(values)
        return document


def tuning_of(study: Study, plan: StudyPlan, status: str, seconds: float) -> Tuning:
    """The study as it stands."""
    from optuna.trial import TrialState

    best = best_of(study)
    # A trial whose process died is in none of the numbers.
    ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    return Tuning(
        loss=plan.loss_text,
        task=plan.task,
        metric=plan.metric,
        direction=plan.direction,
        counts=count(study),
        best=None if best is None else _best(best, plan),
        default=default_of(study),
        importance=_importance(study),
        storage=shown(plan.storage),
        study=plan.study_name,
        status=status,
        seconds=seconds,
        elsewhere=running_elsewhere(study),
        trials=tuple(map(_told, ended)),
        failures={t.number: t.user_attrs[FAILED] for t in study.get_trials(deepcopy=False) if FAILED in t.user_attrs},
    )


def _told(trial: FrozenTrial) -> dict[str, Any]:
    """A trial in plain data. One that failed is like a pruned one for the sampler."""
    state = "failed" if FAILED in trial.user_attrs else trial.state.name.lower()
    value = math.nan if trial.value is None or state == "failed" else float(trial.value)
    return {"number": trial.number, "state": state, "value": value, "params": dict(trial.params)}


def _best(trial: FrozenTrial, plan: StudyPlan) -> Best:
    split, _ = plan.trainings[0]
    folder = folder_of(plan, trial.number) / "run-0"
    # From the values alone: what else a shared storage says of a trial is not for a shell to run.
    loss, settings = plan.filled({} if DEFAULT in trial.user_attrs else trial.params)
    text, settings = loss if isinstance(loss, str) else plan.loss_text, {**settings, **split}
    return Best(
        number=trial.number,
        value=float(trial.value or 0.0),
        values=tuple(trial.user_attrs[VALUES]),
        params=dict(trial.params),
        loss=text,
        settings=settings,
        command=command_line(plan, text, settings, trial.user_attrs[THREADS])
        if plan.expression and flags_of(plan.given) and not any(map(callable, several(plan.options.metric)))
        else None,
        run_dir=str(folder) if folder.is_dir() else None,
        notes=(told_of_one_class(trial.user_attrs[ONE_CLASS]),) if ONE_CLASS in trial.user_attrs else (),
    )


def command_line(plan: StudyPlan, loss: str, settings: Mapping[str, Any], threads: object) -> str:
    """What to paste into a shell. The number of threads is part of it: with another one sums are added up otherwise,
    and the last digits differ."""
    words = ["losszoo", "run", "--loss", loss, *flags_of(plan.given)]
    for key, value in settings.items():
        words += ["--set", f"{key}={written(value)}"]
    options, plain = plan.options, TuneOptions()
    for metric in several(options.metric):
        words += ["--metric", metric]
    for name in ("epochs", "class_weight", "model", *RESULT_OPTIONS):
        value, flag = getattr(options, name), f"--{name.replace('_', '-')}"
        if value != getattr(plain, name):
            words += [flag] if value is True else [flag, str(value)]
    return f"OMP_NUM_THREADS={shlex.quote(str(threads))} {shlex.join([*words, '--seed', '0'])}"


def written(value: Any) -> str:
    """A value as ``--set`` reads it, every digit of it.

    Example:
        >>> written(0.1), written(True), written([1, 2])
        ('0.1', 'true', '[1, 2]')
    """
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return f"[{', '.join(map(written, value))}]" if isinstance(value, list | tuple) else str(value)


def _importance(study: Study) -> dict[str, float]:
    """By the analysis of variance of where the good trials lie (PED-ANOVA); it takes milliseconds."""
    import optuna

    if count(study).complete < _FEWEST_FOR_IMPORTANCE:
        return {}
    with warnings.catch_warnings(), contextlib.suppress(RuntimeError, ValueError):
        warnings.simplefilter("ignore")
        return dict(optuna.importance.get_param_importances(study))
    return {}
