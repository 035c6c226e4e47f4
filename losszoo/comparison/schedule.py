"""Rounds of cells until each has an answer, whatever becomes of the processes that compute them."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from losszoo.common.child_process import EndedError
from losszoo.common.locks import claim, is_held, is_over, is_running
from losszoo.common.timeouts import where_it_hung
from losszoo.comparison.cell import HUNG, Cell, now
from losszoo.comparison.pool import Pool
from losszoo.comparison.worker import WorkerSettings, timeout_error
from losszoo.errors import LosszooError

# A cell whose worker died while it was the only one that ran, so often, is given up.
_MOST_DEATHS = 2
_MOST_IDLE = 2
_PAUSE = 0.5
_FINAL = ("done", "failed", "timeout")
_KILLED = "its worker process was killed, perhaps by the system for lack of memory"


class Schedule:
    """Computes cells through a pool, in rounds.

    A cell whose worker dies may be the victim of another one, as where memory runs out: it is computed again alone,
    after the others. One whose worker dies twice while it is alone has killed it.

    Args:
        pool: the workers.
        settings: what holds for all cells.
    """

    def __init__(self, pool: Pool, settings: WorkerSettings) -> None:
        self.pool, self.settings = pool, settings
        self.records: dict[Cell, dict[str, Any]] = {}
        # How often the worker of a cell has died while no other cell ran.
        self.deaths: Counter[Cell] = Counter()

    def run(self, cells: Sequence[Cell]) -> dict[Cell, dict[str, Any]]:
        """Every cell's record.

        Raises:
            LosszooError: the workers die before they begin with any cell.
        """
        pending, idle = list(cells), 0
        elsewhere: list[Cell] = []
        while pending or elsewhere:
            if not pending:
                pending, elsewhere = self._returned(elsewhere)
                continue
            batch = [cell for cell in pending if cell not in self.deaths] or pending[:1]
            before = len(self.records), len(self.deaths), self.deaths.total()
            busy = self._round(batch)
            after = len(self.records), len(self.deaths), self.deaths.total()
            idle = idle + 1 if before == after and not busy else 0
            if idle > _MOST_IDLE:
                raise LosszooError("the worker processes end before their first cell; is there enough memory?")
            elsewhere += busy
            pending = [cell for cell in pending if cell not in self.records and cell not in busy]
        return self.records

    def _round(self, batch: Sequence[Cell]) -> list[Cell]:
        """One call of the pool; gives the cells that another command computes."""
        alone = self.pool.jobs == 1 or len(batch) == 1
        busy = []
        for cell, answer in zip(batch, self.pool.map(batch, self.settings), strict=True):
            if isinstance(answer, EndedError):
                self._after_death(cell, alone)
            elif answer is None:
                busy.append(cell)
            elif answer["status"] in _FINAL:
                self.records[cell] = answer
            else:  # its process was asked to end, and did so in order
                self._count_death(cell, alone=True)
        return busy

    def _after_death(self, cell: Cell, alone: bool) -> None:
        """The answer is lost with the worker; what the worker has written is not."""
        if is_over(cell.folder, self.settings.command):
            record = cell.peek()
            if record is not None and record["status"] in _FINAL:
                self.records[cell] = record
        elif not is_running(cell.folder, self.settings.command) or is_held(cell.folder):
            return  # not begun, or alive on another machine
        elif place := where_it_hung(cell.folder / HUNG):
            self._settle(cell, "timeout", timeout_error(self.settings.timeout, place))
        else:
            self._count_death(cell, alone)

    def _count_death(self, cell: Cell, alone: bool) -> None:
        self.deaths[cell] += alone
        final = self.deaths[cell] >= _MOST_DEATHS
        self._settle(cell, "killed", {"type": "Killed", "message": _KILLED}, final)

    def _settle(self, cell: Cell, status: str, error: dict[str, str], final: bool = True) -> None:
        """Write for a process that cannot any more."""
        begun = cell.peek() or {}
        record = cell.new_record(status, error=error, started=begun.get("started"), ended=now())
        with contextlib.suppress(OSError), claim(cell.folder, self.settings.command) as ours:
            if ours:
                cell.write(record)
                (cell.folder / HUNG).unlink(missing_ok=True)
        if final:
            self.records[cell] = record

    def _returned(self, elsewhere: list[Cell]) -> tuple[list[Cell], list[Cell]]:
        """Of the cells that others compute: those that they left without an answer, and those they still have."""
        time.sleep(_PAUSE)
        left, held = [], []
        for cell in elsewhere:
            if is_held(cell.folder):
                held.append(cell)
                continue
            record = cell.peek()
            if record is not None and record["status"] in _FINAL and not cell.differences(record):
                self.records[cell] = record
            else:
                left.append(cell)
        return left, held
