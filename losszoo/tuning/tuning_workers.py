"""The processes of a tuning: this one, or several that share the study through its storage."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from typing import IO, TYPE_CHECKING, Any

import torch

from losszoo.errors import LosszooError, UsageError
from losszoo.tuning.study import count, database, open_study
from losszoo.tuning.trial_work import work
from losszoo.tuning.tuning_options import TuneOptions
from losszoo.tuning.tuning_plan import StudyPlan, make_study_plan

if TYPE_CHECKING:
    from optuna import Study

_POLL_SECONDS = 0.3
# The exit code of wrong usage, here as on the command line.
USAGE = 2
# A step that runs is finished; a longer one is not waited for.
_PATIENCE_SECONDS = 20.0


def work_here(study: Study, plan: StudyPlan, until: float, on_trial: Callable[[], None]) -> None:
    """In this process."""
    with _threads(plan.options.threads):
        work(study, plan, until, on_trial=on_trial)


@contextlib.contextmanager
def _threads(wanted: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(wanted or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def work_in_processes(study: Study, plan: StudyPlan, until: float, on_trial: Callable[[], None]) -> None:
    """In several processes of their own.

    Raises:
        UsageError: the defaults cannot be run, as one of them has found.
        LosszooError: one of them failed for another reason.
        KeyboardInterrupt: passed on to them, after they have ended.
    """
    jobs = min(plan.options.jobs, max(1, plan.options.trials - count(study).ended))
    with contextlib.ExitStack() as files:
        logs = [files.enter_context(tempfile.TemporaryFile("w+")) for _ in range(jobs)]
        workers = [_start(plan, until, worker, log) for worker, log in enumerate(logs)]
        try:
            _watch(study, workers, on_trial)
        except KeyboardInterrupt:
            _stop(workers, signal.SIGINT)
            raise
        except BaseException:
            _stop(workers, signal.SIGTERM)
            raise
        _check(workers, logs)


def _start(plan: StudyPlan, until: float, worker: int, log: IO[str]) -> subprocess.Popen[str]:
    """One process; in a session of its own, so that Ctrl-C reaches it once, through this one."""
    options = {
        **{entry.name: getattr(plan.options, entry.name) for entry in fields(plan.options)},
        "set": dict(plan.fixed),
        "search": dict(plan.searched),
        "threads": plan.options.threads or 1,
        "out": str(plan.options.out),
    }
    order = {"loss": plan.loss, "task": plan.task, "options": options, "until": until, "worker": worker}
    started = subprocess.Popen(
        [sys.executable, "-m", "losszoo.tuning.tuning_workers", str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        text=True,
        start_new_session=True,
    )
    if started.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            started.stdin.write(json.dumps(order))
            started.stdin.close()
    return started


def _watch(study: Study, workers: list[subprocess.Popen[str]], on_trial: Callable[[], None]) -> None:
    ended = count(study).ended
    while any(worker.poll() is None for worker in workers):
        time.sleep(_POLL_SECONDS)
        now = count(study).ended
        if now != ended:
            ended = now
            on_trial()


def _stop(workers: list[subprocess.Popen[str]], number: signal.Signals) -> None:
    for worker in workers:
        worker.send_signal(number)
    limit = time.monotonic() + _PATIENCE_SECONDS
    for worker in workers:
        try:
            worker.wait(max(0.0, limit - time.monotonic()))
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            worker.kill()
            worker.wait()


def _check(workers: Sequence[subprocess.Popen[str]], logs: Sequence[IO[str]]) -> None:
    """Why one has ended; that a signal has killed it is seen by the trial that it left behind."""
    for worker, log in zip(workers, logs, strict=True):
        log.seek(0)
        text = log.read()
        if worker.returncode == USAGE:
            raise UsageError(text.strip())
        if worker.returncode > 0:
            raise LosszooError(f"a process of the tuning ended with code {worker.returncode}: {_last_line(text)}")


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it printed nothing"


def main() -> int:
    """One of several processes: the order comes on stdin, what went wrong goes to stderr."""
    parent = int(sys.argv[1])
    order: dict[str, Any] = json.load(sys.stdin)
    options = TuneOptions(**order["options"])
    try:
        plan = make_study_plan(order["loss"], order["task"], replace(options, jobs=1))
        with database(plan), _threads(options.threads):
            work(open_study(plan), plan, order["until"], order["worker"], alive=lambda: _with(parent))
    except LosszooError as error:
        print(error, file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        return 0
    return 0


def _with(parent: int) -> None:
    """Whoever asked for the work is gone: nobody else would end it."""
    if os.getppid() != parent:
        raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
