"""The memory of this process: a bound on it, and its peak, as far as the operating system tells."""

from __future__ import annotations

import contextlib
import re
import sys
from pathlib import Path

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]

_STATUS = Path("/proc/self/status")
_MACHINE = Path("/proc/meminfo")
_CLEAR = Path("/proc/self/clear_refs")
_MB = 1e6


def bound_data(limit: int | None) -> bool:
    """Limit this process to so many bytes more than it holds; False where the system knows no such bound, or for None.

    Counted is what it may write into (Linux: VmData), not what it has only reserved: every thread reserves much that
    it never touches.
    """
    if limit is None or resource is None:
        return False
    try:
        allowed = status("VmData") + limit
        resource.setrlimit(resource.RLIMIT_DATA, (allowed, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    except (OSError, ValueError):
        return False
    return True


def free_memory() -> int | None:
    """Bytes that processes may still take without swapping, by Linux; None elsewhere."""
    try:
        return _size(_MACHINE, "MemAvailable")
    except OSError:
        return None


def status(key: str) -> int:
    """A size of this process, by Linux.

    Raises:
        OSError: the system does not tell it.
    """
    return _size(_STATUS, key)


def _size(path: Path, key: str) -> int:
    match = re.search(rf"{key}:\s+(\d+) kB", path.read_text())
    if match is None:
        raise OSError(f"{path} has no {key}")
    return int(match[1]) * 1024


class Peak:
    """Counts from its making on.

    On Linux the mark of the highest resident size is reset, so that a cell before it in the same process does not
    count. Elsewhere the mark is that of the whole life of the process. Memory that an earlier cell has left to the
    process is used again without growing it: the number is a lower bound.
    """

    def __init__(self) -> None:
        with contextlib.suppress(OSError):  # not Linux, or not allowed: the mark of the whole life stays
            _CLEAR.write_text("5")
        self.start = _resident("VmRSS")

    def megabytes(self) -> float | None:
        """Highest resident size since the start, above that at the start; None where the system does not tell."""
        highest = _resident("VmHWM")
        return round(max(0.0, highest - self.start) / _MB, 1) if highest else None


def _resident(key: str) -> float:
    """By Linux; elsewhere the peak of the whole process, in bytes on macOS and in kilobytes on others."""
    with contextlib.suppress(OSError):
        return status(key)
    if resource is None:
        return 0.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1.0 if sys.platform == "darwin" else 1024.0)
