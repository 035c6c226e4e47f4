"""How far a comparison has come, read from the files of its cells: no backend has to tell."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from losszoo.common.locks import is_over, is_running
from losszoo.comparison.cell import Cell

_EVERY = 0.25  # seconds


@dataclass(frozen=True)
class Standing:
    """How many cells there are, how many have ended, and what is being computed."""

    total: int
    ended: int
    running: tuple[str, ...] = ()


class Watch:
    """Inside its block a thread looks at the cells and tells.

    Args:
        cells: that are to be computed.
        done: how many others are done already.
        command: whose cells they are.
        tell: called from the thread whenever something has changed; None for no call.
    """

    def __init__(self, cells: Iterable[Cell], done: int, command: str, tell: Callable[[Standing], None] | None) -> None:
        self.open = list(cells)
        self.total = done + len(self.open)
        self.command, self.tell = command, tell
        self._last: Standing | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look_on, daemon=True)

    def __enter__(self) -> Watch:
        if self.tell is not None:
            self.look()
            self._thread.start()
        return self

    def _look_on(self) -> None:
        while not self._stop.wait(_EVERY):
            self.look()

    def look(self) -> None:
        """Once."""
        still = [cell for cell in self.open if not is_over(cell.folder, self.command)]
        running = tuple(str(cell) for cell in still if is_running(cell.folder, self.command))
        standing = Standing(self.total, self.total - len(still), running)
        if self.tell is not None and standing != self._last:
            self._last = standing
            self.tell(standing)

    def __exit__(self, *exception: object) -> None:
        if self.tell is not None:
            self._stop.set()
            self._thread.join()
            self.look()
