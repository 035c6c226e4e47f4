"""Loss and gradient norm of every step, for plots: thinned once they are many, bad steps always kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from losszoo.training.guard.events import StepReport

NAMES = ("step", "epoch", "loss", "grad_norm", "clipped", "bad")
# More points than any screen has columns.
MOST = 10_000


class Steps:
    """Columns of equal length, a row for each step that is kept: every one at first, then every second, ...

    Example:
        >>> steps = Steps(most=4)
        >>> for number in range(1, 8):
        ...     steps.add(number, 0, StepReport(1.0, 2.0, applied=True, clipped=False))
        >>> steps.columns()["step"]
        [2, 4, 6]
    """

    def __init__(self, most: int = MOST) -> None:
        self.most, self.every = most, 1
        self._ordinary = 0
        self._columns: dict[str, list[Any]] = {name: [] for name in NAMES}

    def add(self, step: int, epoch: int, report: StepReport) -> None:
        """One step, numbered from 1."""
        bad = report.event is not None
        if step % self.every and not bad:
            return
        row = step, epoch, report.loss, report.norm, int(report.clipped), int(bad)
        for name, value in zip(NAMES, row, strict=True):
            self._columns[name].append(value)
        self._ordinary += not bad
        if self._ordinary > self.most:
            self.every *= 2
            steps, bads = self._columns["step"], self._columns["bad"]
            kept = [i for i, step in enumerate(steps) if bads[i] or step % self.every == 0]
            self._columns = {name: [column[i] for i in kept] for name, column in self._columns.items()}
            self._ordinary = len(kept) - sum(self._columns["bad"])

    def columns(self) -> dict[str, list[Any]]:
        """By name."""
        return self._columns

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"every": self.every, "columns": self._columns}

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Steps:
        """From :meth:`state_dict`."""
        made = cls()
        made.every, made._columns = state["every"], {name: list(state["columns"][name]) for name in NAMES}
        made._ordinary = len(made._columns["bad"]) - sum(made._columns["bad"])
        return made
