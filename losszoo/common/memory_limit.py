"""A bound on the memory that this process may take."""

from __future__ import annotations

import re
from pathlib import Path


def bound_data(limit: int | None) -> bool:
    """Let this process hold so many bytes more than it does; False where the system knows no such bound, or for None.

    Counted is what it may write into (Linux: VmData), not what it has only reserved: every thread reserves much that
    it never touches.
    """
    if limit is None:
        return False
    try:
        import resource

        allowed = status("VmData") + limit
        resource.setrlimit(resource.RLIMIT_DATA, (allowed, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    except (ImportError, OSError, ValueError):
        return False
    return True


def free_memory() -> int | None:
    """Bytes that processes may still take without swapping, by Linux; None elsewhere."""
    try:
        return _size("/proc/meminfo", "MemAvailable")
    except OSError:
        return None


def status(key: str) -> int:
    """A size of this process, by Linux.

    Raises:
        OSError: the system does not tell it.
    """
    return _size("/proc/self/status", key)


def _size(path: str, key: str) -> int:
    match = re.search(rf"{key}:\s+(\d+) kB", Path(path).read_text())
    if match is None:
        raise OSError(f"{path} has no {key}")
    return int(match[1]) * 1024
