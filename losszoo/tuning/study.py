"""The study in its storage: opened or refused, cleared of dead trials, counted."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import time
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from losszoo.common import processes
from losszoo.common.files import made_folder
from losszoo.common.text import in_one_line, some_of
from losszoo.errors import UsageError
from losszoo.training.run_folder.resume import differences
from losszoo.tuning.heartbeat import is_silent
from losszoo.tuning.seal import damaged
from losszoo.tuning.storage import check_storage, is_of_database, open_storage, origin_of, shown
from losszoo.tuning.trial import DEFAULT, FAILED, folder_of
from losszoo.tuning.tuning_plan import StudyPlan

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

_IDENTITY = "losszoo"
HOST, PROCESS, DRAWN, THREADS = "host", "process", "drawn", "threads"
# A process marks its trial within this time, or it died between the two writes.
_UNMARKED_SECONDS = 10.0
# A default that ends its process again and again is given up; one that a user stops a few times is not.
_MOST_DEATHS = 5


class Counts(NamedTuple):
    """Trials of a study. ``failed`` had no value; those whose process died are in none of the numbers."""

    complete: int
    pruned: int
    failed: int
    running: int

    @property
    def ended(self) -> int:
        """All that count."""
        return self.complete + self.pruned + self.failed


def open_study(plan: StudyPlan) -> Study:
    """The study of a plan, made where it does not exist.

    Raises:
        UsageError: the folder cannot be written, or the storage not opened, or it holds another study of that name.
    """
    import optuna

    check_storage(plan.storage)
    made_folder(plan.options.out)
    storage = open_storage(plan.storage)
    directions = optuna.study.StudyDirection
    direction = directions.MAXIMIZE if plan.direction == "max" else directions.MINIMIZE
    with database(plan):
        study = optuna.create_study(
            storage=storage, study_name=plan.study_name, direction=direction, load_if_exists=True
        )
    _check(study, plan)
    return study


def _check(study: Study, plan: StudyPlan) -> None:
    """Whether this is the study of the plan, as it was written."""
    try:
        _check_identity(study, plan)
        lost_ones = damaged(study.get_trials(deepcopy=False))
    except Exception as error:  # what a damaged database gives Optuna to read, it may stumble over in any way
        if isinstance(error, UsageError) or is_of_database(error):
            raise
        raise _damage(plan, f"the error {in_one_line(error)}") from error
    if lost_ones:
        raise _damage(plan, f"trial {some_of(lost_ones)} without a checksum that fits")


def _damage(plan: StudyPlan, what: str) -> UsageError:
    return UsageError(
        f"study {plan.study_name} in {shown(plan.storage)} must be as it was written, got {what}; restore the "
        "database from a copy, or choose another --study"
    )


def lost(plan: StudyPlan, error: BaseException) -> str:
    """What is said of a storage that answered once and then no more."""
    origin = origin_of(error)
    if getattr(origin, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        place = shown(plan.storage) if plan.options.storage else plan.options.out
        return f"the disk of {place} is full, and what was written is kept; make room, and repeat the command"
    said = str(origin).splitlines()[0]
    return (
        f"storage {shown(plan.storage)} does not answer any more: {said}; what was written is kept; repeat the "
        "command to continue"
    )


@contextlib.contextmanager
def database(plan: StudyPlan) -> Iterator[None]:
    """A storage that is lost on the way is said in one sentence."""
    try:
        yield
    except Exception as error:
        if not is_of_database(error):
            raise
        raise UsageError(lost(plan, error)) from None


def _check_identity(study: Study, plan: StudyPlan) -> None:
    identity = study.user_attrs.get(_IDENTITY)
    if identity is None and study.get_trials(deepcopy=False):
        raise UsageError(
            f"study {plan.study_name} in {shown(plan.storage)} must be one of losszoo, got trials of another program; "
            "choose another --study"
        )
    if identity is None:
        study.set_user_attr(_IDENTITY, dict(plan.identity))
        return
    differing = differences(identity, plan.identity)
    if differing:
        listed = "".join(f"\n  {line}" for line in differing)
        raise UsageError(
            f"study {plan.study_name} in {shown(plan.storage)} must keep its settings, got others; repeat those "
            f"of its start, or choose another --study:{listed}"
        )


def snapshot(study: Study) -> Study:
    """A copy of the trials as they are now, in memory: what other processes write later does not change it."""
    import optuna

    copy = optuna.create_study(storage=optuna.storages.InMemoryStorage(), direction=study.direction)
    copy.add_trials(study.get_trials(deepcopy=False))
    return copy


def count(study: Study) -> Counts:
    """The trials by how they ended."""
    from optuna.trial import TrialState

    trials = study.get_trials(deepcopy=False)
    states = [trial.state for trial in trials]
    failed = sum(trial.state == TrialState.PRUNED and FAILED in trial.user_attrs for trial in trials)
    pruned, complete = states.count(TrialState.PRUNED), states.count(TrialState.COMPLETE)
    return Counts(complete, pruned - failed, failed, states.count(TrialState.RUNNING))


def best_of(study: Study) -> FrozenTrial | None:
    """The complete trial with the best value, the first of equals; None where there is none."""
    from optuna.study import StudyDirection
    from optuna.trial import TrialState

    sign = -1 if study.direction == StudyDirection.MAXIMIZE else 1
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return min(complete, key=lambda trial: (sign * float(trial.value or 0), trial.number), default=None)


def default_of(study: Study) -> float | None:
    """The value of the defaults; None where they have none."""
    from optuna.trial import TrialState

    found = [t for t in study.get_trials(deepcopy=False) if DEFAULT in t.user_attrs and t.state == TrialState.COMPLETE]
    return found[0].value if found else None


def enqueue_default(study: Study, plan: StudyPlan) -> None:
    """The proposal of task and loss is the first trial, unless it is there, or has killed its process twice."""
    from optuna.trial import TrialState

    defaults = [trial for trial in study.get_trials(deepcopy=False) if DEFAULT in trial.user_attrs]
    deaths = sum(trial.state == TrialState.FAIL for trial in defaults)
    if deaths < len(defaults) or deaths >= _MOST_DEATHS:
        return
    told = {key: value for key, value in plan.defaults.items() if plan.space[key].holds(value)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study.enqueue_trial(told, user_attrs={DEFAULT: True})


def clear_dead(study: Study, plan: StudyPlan, ours: bool = False) -> int:
    """Give up the trials whose process has died; how many there were. ``ours``: this one's too."""
    dead = _never_marked(study)
    for trial in _running(study):
        marked = trial.user_attrs.get(PROCESS)
        if marked is not None and (_is_dead(trial) or (ours and marked == processes.mark())):
            dead.add(trial.number)
    for number in dead:
        give_up(study, plan, number)
    return len(dead)


def give_up(study: Study, plan: StudyPlan, number: int) -> None:
    """A trial that did not come to its end does not count, and leaves nothing behind."""
    from optuna.exceptions import UpdateFinishedTrialError
    from optuna.trial import TrialState

    with contextlib.suppress(UpdateFinishedTrialError):  # by another process, at the same moment
        study.tell(number, state=TrialState.FAIL, skip_if_finished=True)
    shutil.rmtree(folder_of(plan, number), ignore_errors=True)


def _running(study: Study) -> list[FrozenTrial]:
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))


def _never_marked(study: Study) -> set[int]:
    """Trials that stay without a mark. When they started is no measure: Optuna writes the local time of a machine that
    may stand in another zone."""

    def unmarked() -> set[int]:
        return {trial.number for trial in _running(study) if PROCESS not in trial.user_attrs}

    found, limit = unmarked(), time.monotonic() + _UNMARKED_SECONDS
    while found and time.monotonic() < limit:
        time.sleep(0.2)
        found &= unmarked()
    return found


def _is_dead(trial: FrozenTrial) -> bool:
    """Of a process that can be seen from here this is known at once, of any other by its silence."""
    marked = trial.user_attrs[PROCESS]
    if trial.user_attrs[HOST] == processes.host() and processes.is_near(marked):
        return not processes.is_alive(marked)
    return is_silent(trial)


def running_elsewhere(study: Study) -> tuple[str, ...]:
    """The other machines that run trials."""
    hosts = {str(trial.user_attrs.get(HOST)) for trial in _running(study)}
    return tuple(sorted(hosts - {processes.host(), "None"}))
