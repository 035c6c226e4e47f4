"""Jobs of a child process that come to a bad end."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from typing import Any


def killed(request: Any) -> Iterator[dict[str, str]]:
    os.kill(os.getpid(), signal.SIGKILL)
    yield {}


def leaves(request: Any) -> Iterator[dict[str, str]]:
    print("some last words", file=sys.stderr, flush=True)
    os._exit(3)
    yield {}


def starved(request: Any) -> Iterator[dict[str, str]]:
    raise MemoryError
    yield {}


def hangs(request: Any) -> Iterator[dict[str, str]]:
    sum(range(10**15))
    yield {}


def prints(request: Any) -> Iterator[dict[str, str]]:
    """More than a pipe holds."""
    print("noise\n" * 100_000)
    yield {"status": "ok", "said": "much"}


def writes_between(request: Any) -> Iterator[dict[str, str]]:
    """Into every pipe that it finds, as code does that guesses the number of a file."""
    for number in range(3, 20):
        try:
            os.write(number, b"\x80\x04cno_such_module\nno_such_name\n.")
        except OSError:
            continue
    sum(range(10**15))
    yield {}


def interrupted(request: Any) -> Iterator[dict[str, str]]:
    os.kill(os.getpid(), signal.SIGINT)
    sum(range(10**6))
    yield {}
