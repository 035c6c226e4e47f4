"""The process that works for another one: what it meets there takes nobody else down.

It reads requests from its stdin and writes answers to its stdout, both pickled; what a loss prints goes to stderr.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from losszoo.common.memory_limit import bound_data
from losszoo.common.text import in_one_line
from losszoo.doctor.effort import TimeUpError
from losszoo.doctor.examine import examine
from losszoo.doctor.report.examination import Examination, undecided
from losszoo.errors import LosszooError, UsageError
from losszoo.registry.import_target import resolve

# Bytes beyond the start. What is tried is chosen to hold half of it; this is for what cannot be foreseen.
MEMORY = 1_800_000_000
READY = "ready"
_PR_SET_PDEATHSIG = 1


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests until there are no more, or nobody waits for an answer."""
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    _send(answers, READY)
    while True:
        try:
            job, request = pickle.load(requests)
        except EOFError:
            return
        for answer in _answers(job, request):
            _send(answers, answer)


def _answers(job: str, request: Mapping[str, Any]) -> Iterator[Any]:
    """What the job yields; what it raises is the last answer."""
    module, _, name = job.partition(":")
    try:
        yield from getattr(importlib.import_module(module), name)(request)
    except Exception as error:
        import traceback

        error.add_note("".join(traceback.format_exception(error)))  # where it came from is known here alone
        yield error if _can_travel(error) else UsageError(_said(error))


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, LosszooError) else in_one_line(error)


def _send(answers: IO[bytes], value: Any) -> None:
    answers.write(pickle.dumps(value))
    answers.flush()


def _end_with(parent: int) -> None:
    """A loss that hangs must not outlive a parent that was killed, also where it hangs in C and no thread runs."""
    with contextlib.suppress(ImportError, OSError, AttributeError):  # not Linux
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def examination(request: Mapping[str, Any]) -> Iterator[Examination]:
    """The examination that was asked for.

    Args:
        request: "target", "example" (a target, or None) and "options" of :func:`losszoo.examine`.

    Raises:
        LosszooError: what ``losszoo.examine`` raises.
    """
    began = time.monotonic()
    target, options = request["target"], dict(request["options"])
    budget = options["budget"]
    bound_data(MEMORY)
    try:
        with alarm(budget):
            example = example_of(request["example"])
            options["budget"] = max(budget - (time.monotonic() - began), budget / 100)
            found = examine(target, example=example, **options)
    except TimeUpError:
        found = undecided(target, f"{late(budget)}, before one ordinary call had returned", budget)
    except LosszooError:
        raise
    except Exception as error:
        said = f"the doctor itself has failed: {_with_place(error)}"
        found = undecided(target, said, time.monotonic() - began, error=said)
    yield found


def late(budget: float) -> str:
    """Why nothing more is known."""
    return f"broken off after {budget:g} s, the time limit (--budget)"


def example_of(target: str | None) -> Callable[[], Any] | None:
    """The user's function that makes an ordinary input."""
    example = None if target is None else resolve(target)
    if not (example is None or callable(example)):
        kind = type(example).__name__
        raise UsageError(f"example must be a function without arguments, however: {target} is of type {kind}")
    return example


@contextlib.contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """Break off what runs in Python when the time is up; what runs in C is ended with the process.

    Raises:
        TimeUpError: it was broken off, also where a file was being imported, which would take that for its error.
    """
    if not hasattr(signal, "setitimer"):  # Windows
        yield
        return

    rung = False

    def ring(number: int, frame: Any) -> None:
        nonlocal rung
        rung = True
        raise TimeUpError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except Exception:
        if rung:
            raise TimeUpError from None
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _can_travel(error: Exception) -> bool:
    try:
        return type(pickle.loads(pickle.dumps(error))) is type(error)
    except Exception:  # an error class of a plugin may need more than its message
        return False


def _with_place(error: Exception) -> str:
    """The error with the innermost line of its traceback: here it is one of ours."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{in_one_line(error)}{place}"


def main() -> None:
    """Of the process: keep its stdin and stdout for itself, whatever the loss reads or prints."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.dup2(2, 1)
    serve(requests, answers)
    os._exit(0)
