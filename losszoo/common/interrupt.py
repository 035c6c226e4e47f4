"""Ctrl-C and SIGTERM as a request: the running step is finished, so the saved state is whole."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any


class Interrupt:
    """Inside its block the first signal sets :attr:`asked`; a second Ctrl-C interrupts at once."""

    def __init__(self) -> None:
        self.asked = False
        self._old: dict[int, Any] = {}

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._old[number] = signal.signal(number, self._ask)
        return self

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._old.items():
            # None: the handler was set outside Python, and cannot be restored from here.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
