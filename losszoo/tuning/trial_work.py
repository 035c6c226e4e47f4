"""What each process does: asks for trials and trains them until the study has enough."""

from __future__ import annotations

import shutil
import time
import warnings
from collections.abc import Callable

import numpy as np
import optuna
import torch
from optuna import Study
from optuna.exceptions import UpdateFinishedTrialError
from optuna.samplers import BaseSampler
from optuna.trial import Trial, TrialState

from losszoo.common import processes
from losszoo.common.interrupt import Interrupt
from losszoo.tuning.heartbeat import BEAT, beating
from losszoo.tuning.seal import seal
from losszoo.tuning.storage import one_by_one
from losszoo.tuning.study import DRAWN, HOST, PROCESS, THREADS, best_of, count, give_up
from losszoo.tuning.trial import FAILED, Running, TrialFailedError, folder_of
from losszoo.tuning.tuning_plan import StudyPlan


def work(
    study: Study,
    plan: StudyPlan,
    until: float,
    worker: int = 0,
    *,
    on_trial: Callable[[], None] = lambda: None,
) -> None:
    """Train trials until the study has all of them.

    Args:
        study: shared with other processes.
        plan: of the study.
        until: moment (``time.time``) after which no trial is started.
        worker: number of this process among those of one call.
        on_trial: called after every trial.

    Raises:
        KeyboardInterrupt: after the step that ran; its trial does not count.
    """
    # Ctrl-C waits for the storage: an exception amid its code may be swallowed there. A run has its own answer to it.
    with Interrupt() as interrupt:
        while not interrupt.asked and time.time() < until and is_missing(study, plan):
            trial = _ask(study, plan, worker)
            if interrupt.asked or not _is_wanted(study, plan, trial.number):
                give_up(study, plan, trial.number)
                return
            _train(study, plan, trial)
            on_trial()


def is_missing(study: Study, plan: StudyPlan) -> bool:
    """Whether the study lacks trials, beside those that run."""
    counts = count(study)
    return counts.ended + counts.running < plan.options.trials


def _is_wanted(study: Study, plan: StudyPlan, number: int) -> bool:
    """Whether the trial is within the number asked for: two processes may have asked for the last one."""
    before = [trial.state for trial in study.get_trials(deepcopy=False) if trial.number < number]
    return sum(state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING) for state in before) < (
        plan.options.trials
    )


def _ask(study: Study, plan: StudyPlan, worker: int) -> Trial:
    drawn = count(study).ended
    study.sampler = sampler_for(study, plan, drawn, worker)
    with one_by_one(plan.storage):
        trial = study.ask()
    # The process comes last: who sees it sees the others too.
    marks = {
        HOST: processes.host(),
        DRAWN: drawn,
        THREADS: torch.get_num_threads(),
        BEAT: time.time(),
        PROCESS: processes.mark(),
    }
    for name, value in marks.items():
        trial.set_user_attr(name, value)
    return trial


def sampler_for(study: Study, plan: StudyPlan, drawn: int, worker: int) -> BaseSampler:
    """A sampler for one trial, its random state made from what the study has: a killed study that resumes draws
    the same trials as one that was never killed. A trial that has killed its process twice is not drawn again."""
    dead = study.get_trials(deepcopy=False, states=(TrialState.FAIL,))
    deaths = sum(trial.user_attrs.get(DRAWN) == drawn for trial in dead)
    state = np.random.SeedSequence([plan.options.seed, drawn, worker, deaths // 2]).generate_state(1)
    told_all = all(key in plan.defaults and plan.space[key].holds(plan.defaults[key]) for key in plan.space)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return optuna.samplers.TPESampler(seed=int(state[0]), multivariate=True, group=not told_all)


def _train(study: Study, plan: StudyPlan, trial: Trial) -> None:
    """Run a trial and tell the study how it ended; one that another process has given up meanwhile is left."""
    try:
        _run(study, plan, trial)
    except UpdateFinishedTrialError:
        # This machine has slept, or was away from the storage, for longer than the others wait.
        _remove(plan, trial.number)
    except BaseException:
        give_up(study, plan, trial.number)
        raise


def _run(study: Study, plan: StudyPlan, trial: Trial) -> None:
    """For the sampler a trial that has failed is like the worst."""
    try:
        with beating(trial):
            value = Running(plan, trial).value()
    except optuna.TrialPruned:
        seal(trial, TrialState.PRUNED)
        study.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)
        _remove(plan, trial.number)
    except TrialFailedError as error:
        # Its folder is kept: it may hold a crash bundle.
        trial.set_user_attr(FAILED, str(error))
        seal(trial, TrialState.PRUNED)
        study.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)
    else:
        seal(trial, TrialState.COMPLETE, value)
        study.tell(trial, value, skip_if_finished=True)
        best = best_of(study)
        if best is not None and best.number != trial.number:
            _remove(plan, trial.number)


def _remove(plan: StudyPlan, number: int) -> None:
    if not plan.options.keep:
        shutil.rmtree(folder_of(plan, number), ignore_errors=True)
