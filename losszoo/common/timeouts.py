"""A time limit: first an exception where Python runs, then the end of the process."""

from __future__ import annotations

import contextlib
import faulthandler
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO, Any

# A loop in C does not see the exception; so long after it the process is ended.
GRACE = 3.0
# Code that swallows the exception is rung at again.
_AGAIN = 1.0


class TimeUpError(BaseException):
    """The time limit is over; no ``except Exception`` of a loss or of a trial catches it."""


# Of the time that passes a thread computes more than this, however many others share the machine.
BUSY = 0.1
# Seconds between two looks at what was computed.
_LOOK = 0.2


def is_over(passed: float, computed: float, seconds: float) -> bool:
    """Whether so many seconds were computed; where next to nothing is, as in a call that sleeps, whether they passed.

    On a machine with much else to do computing takes up to ten times as long, and not longer.
    """
    return computed > seconds or (passed > seconds and computed < BUSY * passed)


@dataclass
class Allowance:
    """Seconds that this thread may compute, from now on.

    Args:
        seconds: as of :func:`is_over`.
    """

    seconds: float
    _started: float = field(default_factory=lambda: time.monotonic())
    _computed: float = field(default_factory=lambda: time.thread_time())

    @property
    def is_over(self) -> bool:
        """Whether none are left."""
        return is_over(time.monotonic() - self._started, self.computed, self.seconds)

    @property
    def computed(self) -> float:
        """Seconds that were computed."""
        return time.thread_time() - self._computed


@contextlib.contextmanager
def alarm(seconds: float, computed: bool = False) -> Iterator[None]:
    """Raise in running Python code when the time is up; code in C ends with the process.

    Args:
        seconds: that may pass.
        computed: they are counted as by :class:`Allowance`.

    Raises:
        TimeUpError: it was broken off, also where a file was being imported, which would take that for its error.
    """
    if not hasattr(signal, "setitimer"):  # Windows
        yield
        return

    rung, allowance = False, Allowance(seconds)

    def ring(number: int, frame: Any) -> None:
        nonlocal rung
        if computed and not allowance.is_over:
            return
        rung = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        raise TimeUpError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, *((min(_LOOK, seconds), _LOOK) if computed else (seconds,)))
    try:
        yield
    except Exception:
        if rung:
            raise TimeUpError from None
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Alarm:
    """Inside its block at most so many seconds.

    In the main thread :class:`TimeUpError` is raised when they have passed; what it breaks off may be left half done,
    so the process is of no more use. After :data:`GRACE` more the process ends, by a thread that needs no Python to
    run: a loop in C that keeps the interpreter's lock ends too. Before, the thread writes the lines where every
    thread stood.

    Args:
        seconds: None never rings.
        path: where the lines are written.
    """

    def __init__(self, seconds: float | None, path: Path) -> None:
        self.seconds, self.path = seconds, path
        self.rang = False
        self._file: IO[str] | None = None
        self._before: Any = None

    def __enter__(self) -> Alarm:
        if self.seconds is None:
            return self
        self.path.unlink(missing_ok=True)
        self._file = self.path.open("x")  # never through a link
        faulthandler.dump_traceback_later(self.seconds + GRACE, exit=True, file=self._file)
        # Windows has no such signal: there the thread alone ends it.
        if hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGALRM, self._ring)
            signal.setitimer(signal.ITIMER_REAL, self.seconds, _AGAIN)
        return self

    def _ring(self, number: int, frame: FrameType | None) -> None:
        self.rang = True
        raise TimeUpError

    def __exit__(self, *exception: object) -> None:
        if self._file is None:
            return
        if self._before is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._before)
        faulthandler.cancel_dump_traceback_later()
        self._file.close()
        self.path.unlink(missing_ok=True)


def where_it_hung(path: Path) -> str | None:
    """The line at which the process was ended, from what the alarm has written; None where it was not."""
    text = ""
    with contextlib.suppress(OSError):
        text = path.read_text(errors="replace")
    if not text.startswith("Timeout"):
        return None
    # The main thread comes last, its innermost frame first.
    frames = [line.strip() for line in text.rpartition("Thread 0x")[2].splitlines() if line.startswith("  File")]
    return frames[0].removeprefix("File ").replace('"', "") if frames else "an unknown line"
