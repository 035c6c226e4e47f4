"""The main function of a child process: its failure does not end the parent.

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
from collections.abc import Iterator, Mapping
from typing import IO, Any

from losszoo.common.text import in_one_line
from losszoo.errors import LosszooError, UsageError

_READY = "ready"
_PR_SET_PDEATHSIG = 1


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests until there are no more, or the parent has ended."""
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    _send(answers, _READY)
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


def _can_travel(error: Exception) -> bool:
    try:
        return type(pickle.loads(pickle.dumps(error))) is type(error)
    except Exception:  # an error class of a plugin may need more than its message
        return False


def main(module: str) -> None:
    """Of the process: keep its stdin and stdout for itself, whatever the loss reads or prints.

    Args:
        module: of the first job, imported before the process says that it is ready, so that no job's time goes by.
    """
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, 0)
    os.dup2(2, 1)
    try:
        with contextlib.suppress(Exception):  # the job meets it again, and tells it
            importlib.import_module(module)
        serve(requests, answers)
    except KeyboardInterrupt:  # the parent has been told too: no traceback, the exit code says it
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.raise_signal(signal.SIGINT)
    os._exit(0)
