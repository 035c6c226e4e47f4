"""A bound on the memory that this process may take."""

from __future__ import annotations

import re
from pathlib import Path


def bound_data(limit: int) -> bool:
    """Let this process hold so many bytes more than it does; False where the system knows no such bound.

    Counted is what it may write into (Linux: VmData), not what it has only reserved: every thread reserves much that
    it never touches.
    """
    try:
        import resource

        allowed = status("VmData") + limit
        resource.setrlimit(resource.RLIMIT_DATA, (allowed, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    except (ImportError, OSError, ValueError):
        return False
    return True


def status(key: str) -> int:
    """A size of this process, by Linux.

    Raises:
        OSError: the system does not tell it.
    """
    match = re.search(rf"{key}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    if match is None:
        raise OSError(f"/proc/self/status has no {key}")
    return int(match[1]) * 1024
