"""Rounds of cells until each has an answer, whatever becomes of the processes that compute them."""

from __future__ import annotations

import contextlib
import functools
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from losszoo.common.locks import claim, is_held, is_over, is_running
from losszoo.common.timeouts import where_it_hung
from losszoo.comparison.cell import HUNG, Cell, now
from losszoo.comparison.pool import Pool, WorkersDiedError
from losszoo.comparison.worker import Orders, timeout_error, work
from losszoo.errors import LosszooError

# A death counts twice where only this cell can have caused it: two of those end it, whatever came before.
_MOST_STRIKES = 4
_SURE, _SUSPECT = 2, 1
_MOST_IDLE = 2
_PAUSE = 0.5
_FINAL = ("done", "failed", "timeout")
_KILLED = "its worker process was killed, perhaps by the system for lack of memory"


class Schedule:
    """Computes cells through a pool.

    A round is one call of the pool. When a worker dies, all that were running are suspects, for the pool dies with
    it; the others go on in a new pool, and the suspects then alone, one by one. Who dies alone twice is killed.

    Args:
        pool: the workers.
        orders: what holds for all cells.
    """

    def __init__(self, pool: Pool, orders: Orders) -> None:
        self.pool, self.orders = pool, orders
        self.records: dict[Cell, dict[str, Any]] = {}
        self.strikes: Counter[Cell] = Counter()

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
            batch = [cell for cell in pending if not self.strikes[cell]] or pending[:1]
            before = len(self.records), self.strikes.total()
            busy = self._round(batch)
            idle = idle + 1 if before == (len(self.records), self.strikes.total()) and not busy else 0
            if idle > _MOST_IDLE:
                raise LosszooError("the worker processes end before their first cell; is there enough memory?")
            elsewhere += busy
            pending = [cell for cell in pending if cell not in self.records and cell not in busy]
        return self.records

    def _round(self, batch: Sequence[Cell]) -> list[Cell]:
        """One call of the pool; gives the cells that another command computes."""
        try:
            answers = self.pool.map(functools.partial(work, orders=self.orders), batch)
        except WorkersDiedError:
            self._after_a_death(batch)
            return []
        busy = []
        for cell, answer in zip(batch, answers, strict=True):
            if answer is None:
                busy.append(cell)
            elif answer["status"] in _FINAL:
                self.records[cell] = answer
            else:  # its process was asked to end, and did so in order
                self._strike(cell, _SURE)
        return busy

    def _after_a_death(self, batch: Iterable[Cell]) -> None:
        """The answers are lost with the pool; what the workers have written is not."""
        suspects, hung = [], False
        for cell in batch:
            if is_over(cell.folder, self.orders.command):
                record = cell.peek()
                if record is not None and record["status"] in _FINAL:
                    self.records[cell] = record
                    hung = hung or record["status"] == "timeout"
            elif not is_running(cell.folder, self.orders.command) or is_held(cell.folder):
                continue  # not begun, or alive on another machine
            elif place := where_it_hung(cell.folder / HUNG):
                hung = True
                self._settle(cell, "timeout", timeout_error(self.orders.timeout, place))
            else:
                suspects.append(cell)
        for cell in suspects if not hung else ():  # where one was ended by its alarm, the others died of it
            self._strike(cell, _SURE if len(suspects) == 1 else _SUSPECT)

    def _strike(self, cell: Cell, weight: int) -> None:
        self.strikes[cell] += weight
        final = self.strikes[cell] >= _MOST_STRIKES
        self._settle(cell, "killed", {"type": "Killed", "message": _KILLED}, final)

    def _settle(self, cell: Cell, status: str, error: dict[str, str], final: bool = True) -> None:
        """Write for a process that cannot any more."""
        begun = cell.peek() or {}
        record = cell.new_record(status, error=error, started=begun.get("started"), ended=now())
        with contextlib.suppress(OSError), claim(cell.folder, self.orders.command) as ours:
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
