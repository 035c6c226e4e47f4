"""Code of a plugin or of the user: what it prints goes to stderr, Ctrl-C differs from what it raises, and a warning
names its line."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any, TextIO

STDOUT, STDERR = 1, 2
# Whose lines tell a user nothing.
_NOT_THE_USERS = ("losszoo", "torch")


def level_of_user() -> int:
    """For ``warnings.warn(..., stacklevel=level_of_user())``: so that it names the line that has called losszoo."""
    frame: FrameType | None = sys._getframe(1)
    level = 1
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _NOT_THE_USERS:
        frame, level = frame.f_back, level + 1
    return level


@contextlib.contextmanager
def foreign_code() -> Iterator[list[int]]:
    """Where code of a plugin or of the user runs: what it prints goes to stderr, for stdout may be a JSON document.

    That is Python's stdout and the file descriptor under it, to which C code and subprocesses write. Gives a list that
    is filled when SIGINT comes, so that Ctrl-C can be told from a KeyboardInterrupt that the code raises itself. What
    handled the signal before still does.
    """
    with _to_stderr(), _sigint() as pressed:
        yield pressed


@contextlib.contextmanager
def _to_stderr() -> Iterator[None]:
    _OUTPUT.enter()
    try:
        yield
    finally:
        _OUTPUT.leave()


class _Output:
    """Stdout of this process, led to stderr while any thread asks for it: the first one leads, the last one ends it."""

    def __init__(self) -> None:
        self.lock, self.depth = threading.RLock(), 0
        self.stream: TextIO | None = None
        self.descriptor: int | None = None

    def enter(self) -> None:
        with self.lock:
            self.depth += 1
            if self.depth == 1:
                flush()
                self.stream, self.descriptor = sys.stdout, lead_to_stderr()
                sys.stdout = sys.stderr

    def leave(self) -> None:
        with self.lock:
            self.depth -= 1
            if self.depth == 0:
                flush()
                sys.stdout = self.stream
                put_back(self.descriptor)


_OUTPUT = _Output()


def flush() -> None:
    """What is written so far goes where it was written to; a stream that is closed or full says so later."""
    for stream in {id(stream): stream for stream in (sys.stdout, sys.__stdout__)}.values():
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):
                stream.flush()


def lead_to_stderr() -> int | None:
    """Let file descriptor 1 be stderr, or nothing where that is closed; gives a copy of what it was, if it was open."""
    try:
        before = os.dup(STDOUT)
    except OSError:
        return None
    try:
        os.dup2(STDERR, STDOUT)
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, STDOUT)
        os.close(nowhere)
    return before


def put_back(before: int | None) -> None:
    """File descriptor 1 as :func:`lead_to_stderr` has found it."""
    if before is not None:
        os.dup2(before, STDOUT)
        os.close(before)


@contextlib.contextmanager
def _sigint() -> Iterator[list[int]]:
    pressed: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    # Python runs handlers in the main thread alone, and only there they can be set.
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield pressed
        return

    def note(number: int, frame: Any) -> Any:
        pressed.append(number)
        return before(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield pressed
    finally:
        if signal.getsignal(signal.SIGINT) is note:  # the code may have set a handler of its own
            signal.signal(signal.SIGINT, before)
