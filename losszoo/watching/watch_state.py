"""What all parts of a watch share: its log, its settings, its counts, and where the script is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from losszoo.common.text import in_one_line
from losszoo.watching.faults import Log
from losszoo.watching.first_steps import FirstSteps
from losszoo.watching.optimizer_watch import OptimizerWatch
from losszoo.watching.reached import Reached


class StoppedError(BaseException):
    """A loss or gradient is not finite, and the script is to stop. No ``except Exception`` swallows it."""


@dataclass
class Settings:
    """How to watch.

    Args:
        on_nonfinite: "raise", "skip" or "note".
        out: folder of the bundles.
    """

    on_nonfinite: str = "raise"
    out: Path = Path("losszoo-watch")


@dataclass
class WatchState:
    """The state of one watch.

    Args:
        log: of what is found.
        settings: how to watch.
        active: whether it looks at what happens now.
        backwards: how often backward was called.
        graph_calls: how often ``torch.autograd.grad`` was called.
        steps: of all optimizers.
        last: frame and line of the user's code that has called backward in this step.
        undo: takes back what was put in place of the user's functions.
    """

    log: Log
    settings: Settings
    active: bool = True
    backwards: int = 0
    graph_calls: int = 0
    steps: int = 0
    first: FirstSteps = field(default_factory=FirstSteps)
    reached: Reached = field(default_factory=Reached)
    optimizers: dict[int, OptimizerWatch] = field(default_factory=dict)
    last: tuple[FrameType | None, int] = (None, 0)
    undo: list[Callable[[], None]] = field(default_factory=list)
    _inside: bool = False

    def quietly(self, work: Callable[..., None], *args: Any) -> None:
        """A check that fails by itself is told once, and never stops the script."""
        if self._inside:
            return
        self._inside, active, self.active = True, self.active, False
        try:
            work(*args)
        except Exception as error:  # of whatever kind the script's objects may be
            self.log.note(f"a check could not be made: {in_one_line(error)}")
        finally:
            self._inside, self.active = False, active
