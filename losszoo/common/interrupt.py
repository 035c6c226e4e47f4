"""Ctrl-C and SIGTERM as a request: the running step is finished, so the saved state is whole."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

_RAISED: list[int] = []


def remember_interrupts() -> None:
    """From now on :func:`was_interrupted` knows of Ctrl-C.

    Code that is written in C, and the making of a class, turn a KeyboardInterrupt into an error of another kind, as
    "ImportError: initialization failed": Ctrl-C during an import would look like a package that is broken.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _raise)


def forget_interrupts() -> None:
    """Begin a new command: Ctrl-C of one before it, in the same process, is no reason for its errors."""
    _RAISED.clear()


def was_interrupted() -> bool:
    """Whether Ctrl-C has raised a KeyboardInterrupt since the command began, whatever has become of it."""
    return bool(_RAISED)


def _raise(number: int, frame: FrameType | None) -> None:
    _RAISED.append(number)
    raise KeyboardInterrupt


class Interrupt:
    """Inside its block the first signal sets :attr:`asked`; a second Ctrl-C interrupts at once.

    Code that ends because of it sets :attr:`heeded`. A request that nobody has heeded raises KeyboardInterrupt at the
    end of the block, so none is lost: the signal may come after the last step. A block inside another one begins with
    the request of the outer block.
    """

    def __init__(self) -> None:
        self.asked = False
        self.heeded = False
        self._old: dict[int, Any] = {}

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._old[number] = signal.signal(number, self._ask)
                outer = getattr(self._old[number], "__self__", None)
                self.asked |= isinstance(outer, Interrupt) and outer.asked
        return self

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked and number == signal.SIGINT:
            _raise(number, frame)
        self.asked = True

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        for number, handler in self._old.items():
            # None: the handler was set outside Python, and cannot be restored from here.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        if kind is None and self.asked and not self.heeded:
            raise KeyboardInterrupt
