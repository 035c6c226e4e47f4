"""How much memory a cell took at its peak, as far as the operating system tells."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_MB = 1e6


class Peak:
    """Counts from its making on.

    On Linux the mark of the highest resident size is reset, so that a cell before it in the same process does not
    count. Elsewhere the mark is that of the whole life of the process. Memory that an earlier cell has left to the
    process is used again without growing it: the number is a lower bound.
    """

    def __init__(self) -> None:
        with contextlib.suppress(OSError):  # not Linux, or not allowed: the mark of the whole life stays
            _CLEAR.write_text("5")
        self.start = _resident()

    def megabytes(self) -> float | None:
        """Highest resident size since the start, above that at the start; None where the system does not tell."""
        highest = _highest()
        return round(max(0.0, highest - self.start) / _MB, 1) if highest else None


def _resident() -> float:
    return _field("VmRSS") or _life()


def _highest() -> float:
    return _field("VmHWM") or _life()


def _field(name: str) -> float:
    with contextlib.suppress(OSError, ValueError, IndexError):
        lines = [line for line in _STATUS.read_text().splitlines() if line.startswith(f"{name}:")]
        return float(lines[0].split()[1]) * 1024
    return 0.0


def _life() -> float:
    """Told in bytes on macOS, in kilobytes elsewhere."""
    if resource is None:
        return 0.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1.0 if sys.platform == "darwin" else 1024.0)
