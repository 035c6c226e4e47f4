"""Which process runs a trial or writes a file, so that others can tell whether it still does."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def host() -> str:
    """This machine."""
    return socket.gethostname()


def mark() -> str:
    """This process: its number, its start time, as numbers are reused, and the namespace of the number.

    Example:
        >>> is_alive(mark())
        True
    """
    return _mark(os.getpid())


def is_near(marked: str) -> bool:
    """Whether the process of a mark of this machine can be seen from here: a container sees its own alone."""
    return marked.rpartition(":")[2] == _namespace()


def is_alive(marked: str) -> bool:
    """Whether the process of a mark, one that can be seen from here, still runs."""
    number = int(marked.partition(":")[0])
    return _exists(number) and _mark(number) == marked


def is_gone(marked: str) -> bool:
    """Whether the process of a mark of any machine is known to have ended: it would be seen from here."""
    here = mark().split(":")[2:]
    return len(here) == 2 and marked.split(":")[2:] == here and not is_alive(marked)


def _mark(number: int) -> str:
    return f"{number}:{_started(number)}:{_namespace()}"


def _namespace() -> str:
    """Within which the numbers of processes count; empty where the system does not say."""
    try:
        return os.readlink("/proc/self/ns/pid").partition("[")[2].rstrip("]")
    except OSError:
        return ""


def _exists(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except OSError:  # a process of another user
        return True
    return not _is_zombie(number)


def _stat(number: int) -> list[str]:
    """The fields of Linux's record of a process from its state on; its name before them may hold anything."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _is_zombie(number: int) -> bool:
    return _stat(number)[:1] == ["Z"]


def _started(number: int) -> str:
    """The clock ticks since this boot, and the boot; empty where the system does not say."""
    fields = _stat(number)
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
    except OSError:
        boot = ""
    return f"{fields[19]}:{boot}" if len(fields) > 19 else ""
