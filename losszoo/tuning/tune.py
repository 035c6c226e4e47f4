"""``losszoo.tune``: from a loss and a task to the settings that are best on the validation rows."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from losszoo.errors import UsageError, suggest
from losszoo.tasks.tables.read_table import TABLE_OPTIONS
from losszoo.tuning.storage import require_optuna
from losszoo.tuning.study import Counts, best_of, clear_dead, count, database, enqueue_default, open_study, snapshot
from losszoo.tuning.trial import FAILED, folder_of
from losszoo.tuning.tuning_options import TuneOptions
from losszoo.tuning.tuning_plan import StudyPlan, make_study_plan
from losszoo.tuning.tuning_result import Tuning, tuning_of

if TYPE_CHECKING:
    from optuna import Study

    from losszoo.tasks.task import Task

# Rounds in which every process died; a loss that always kills its process would be tried for ever.
_MOST_STALLED = 5

OnTrial = Callable[[Counts, float | None], None]


def tune(
    loss: str | Callable[..., Any],
    task: str | Task | type[Task],
    *,
    trials: int = 50,
    on_trial: OnTrial | None = None,
    raise_interrupt: bool = True,
    **options: Any,
) -> Tuning:
    """Search the settings of a loss, its recipe and its trunk that are best on the validation rows of a task.

    The first trial is what task and loss propose, so the best is never worse than that on validation. The test rows
    are never scored. Quiet; the options of the command line are keywords.

    Args:
        loss: a name, expression or target, or (with one job) a loss, module or function of your own.
        task: name of a task, a target, or a task.
        trials: in all; a study that has some of them trains the rest.
        on_trial: called after every trial with the counts and the best value.
        raise_interrupt: raise KeyboardInterrupt after Ctrl-C; False returns what there is, status "interrupted".
        options: see :class:`losszoo.tuning.tuning_options.TuneOptions`.

    Raises:
        UsageError: anything that cannot be, before training starts; a storage that cannot be reached.
        DataError: data that are missing.
        KeyboardInterrupt: it was interrupted; the study is kept.

    Example:
        >>> import tempfile
        >>> tuning = tune("focal", "breast-cancer", trials=2, epochs=1, out=tempfile.mkdtemp())
        >>> tuning.counts.ended, tuning.best.value >= tuning.default
        (2, True)
    """
    known = TuneOptions.__dataclass_fields__
    for key in options:
        if key in TABLE_OPTIONS:
            raise UsageError(
                f"tune has no option {key!r}: it is of the task, losszoo.Task.from_table(table, {key}=...)"
            )
        if key not in known:
            raise UsageError(f"tune has no option {key!r}: {suggest(key, list(known))}")
    chosen = TuneOptions(trials=trials, **options)
    require_optuna()
    if chosen.jobs > 1 and not isinstance(loss, str):
        raise UsageError(f"jobs must be 1 for a loss without a name, got {chosen.jobs}; say file.py:NAME")
    tuning = search(make_study_plan(loss, task, chosen), on_trial)
    if tuning.status == "interrupted" and raise_interrupt:
        raise KeyboardInterrupt(f"interrupted; study {tuning.study} in {tuning.storage} is kept")
    return tuning


def search(plan: StudyPlan, on_trial: OnTrial | None = None) -> Tuning:
    """Run what a study lacks; an interrupt ends it with what there is."""
    started = time.perf_counter()
    until = time.time() + (plan.options.timeout or math.inf)
    with database(plan):
        study = open_study(plan)
        try:
            _until_enough(study, plan, until, on_trial)
            interrupted = False
        except KeyboardInterrupt:
            interrupted = True
            clear_dead(study, plan, ours=True)
        # Other processes may go on: status, counts, best and the folder that is kept are of one moment.
        now = snapshot(study)
        _remove_folders(now, plan)
        counts = count(now)
        if interrupted:
            status = "interrupted"
        elif counts.ended >= plan.options.trials:
            status = "completed"
        elif time.time() >= until:
            status = "timeout"
        else:
            status = "waiting" if counts.running else "stalled"
        return tuning_of(now, plan, status, time.perf_counter() - started)


def _remove_folders(now: Study, plan: StudyPlan) -> None:
    """Only the best trial keeps its folder, and those that failed, which may hold a crash bundle.

    A process that is killed between its word to the study and the removal leaves the folder of a trial of any state.
    """
    from optuna.trial import TrialState

    best = best_of(now)
    kept = set() if best is None else {best.number}
    for trial in now.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)):
        if trial.number not in kept and FAILED not in trial.user_attrs and not plan.options.keep:
            shutil.rmtree(folder_of(plan, trial.number), ignore_errors=True)


def _until_enough(study: Study, plan: StudyPlan, until: float, on_trial: OnTrial | None) -> None:
    """Rounds of work: a process that dies leaves a trial to be done again."""
    from losszoo.tuning.trial_work import is_missing
    from losszoo.tuning.tuning_workers import work_here, work_in_processes

    def told() -> None:
        if on_trial is not None:
            best = best_of(study)
            on_trial(count(study), None if best is None else best.value)

    round_of_work = work_here if plan.options.jobs == 1 else work_in_processes
    clear_dead(study, plan)
    told()
    stalled = 0
    while time.time() < until and is_missing(study, plan) and stalled < _MOST_STALLED:
        enqueue_default(study, plan)
        before = count(study).ended
        round_of_work(study, plan, until, told)
        # Nothing dead and nothing new: what is missing runs elsewhere.
        if not clear_dead(study, plan) and count(study).ended == before:
            return
        stalled = stalled + 1 if count(study).ended == before else 0
