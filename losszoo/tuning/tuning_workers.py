"""The processes of a tuning: this one, or several that share the study through its storage."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from optuna import Study

from losszoo.common.child_process import EndedError, ask_in_parallel
from losszoo.common.seeding import with_threads
from losszoo.common.text import in_one_line
from losszoo.errors import LosszooError
from losszoo.tuning.study import count, database, open_study
from losszoo.tuning.trial_work import work
from losszoo.tuning.tuning_plan import StudyPlan, make_study_plan

_JOB = "losszoo.tuning.tuning_workers:work_on_request"
# A step that runs is finished; a longer one is not waited for.
_PATIENCE_SECONDS = 20.0


def work_here(study: Study, plan: StudyPlan, until: float, on_trial: Callable[[], None]) -> None:
    """In this process."""
    with with_threads(plan.options.threads):
        work(study, plan, until, on_trial=on_trial)


def work_in_processes(study: Study, plan: StudyPlan, until: float, on_trial: Callable[[], None]) -> None:
    """In several processes of their own.

    Raises:
        UsageError: the defaults cannot be run, as one of them has found.
        LosszooError: one of them failed for another reason.
        KeyboardInterrupt: passed on to them, after they have ended.
    """
    ended = count(study).ended
    jobs = min(plan.options.jobs, max(1, plan.options.trials - ended))
    options = replace(
        plan.options, set=dict(plan.fixed), search=dict(plan.searched), threads=plan.options.threads or 1, jobs=1
    )
    request = {"loss": plan.loss, "task": plan.given, "options": options, "until": until}

    def tell_new_trials() -> None:
        nonlocal ended
        now = count(study).ended
        if now != ended:
            ended = now
            on_trial()

    answers = ask_in_parallel(
        _JOB,
        [{**request, "worker": worker} for worker in range(jobs)],
        jobs,
        "tuning",
        keep_stderr=True,
        patience=_PATIENCE_SECONDS,
        meanwhile=tell_new_trials,
    )
    for answer in answers:
        if isinstance(answer, LosszooError):
            raise answer
        if isinstance(answer, EndedError):
            if answer.code is None or answer.code >= 0:  # what a signal has killed leaves a trial behind, which says so
                raise LosszooError(
                    f"a process of the tuning failed: {answer}; {answer.last_line or 'it printed nothing'}"
                )
        elif isinstance(answer, Exception):
            raise LosszooError(f"a process of the tuning failed: {in_one_line(answer)}") from answer


def work_on_request(request: Mapping[str, Any]) -> Iterator[str]:
    """The job of one process, from options to the last trial."""
    options = request["options"]
    plan = make_study_plan(request["loss"], request["task"], options)
    with contextlib.suppress(KeyboardInterrupt), database(plan), with_threads(options.threads):
        work(open_study(plan), plan, request["until"], request["worker"])
    yield "ended"
