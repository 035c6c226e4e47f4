"""Who computes a cell: a lock of the operating system, which it lets go of however the process ends."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from losszoo.common.files import DamagedError, read_json, temporary_name
from losszoo.errors import UsageError

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

LOCK = "lock"
# What is written into a link would be written elsewhere. Windows has no such flag, and no locks either.
_OPEN = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0)
# Somebody who looks whether the lock is free holds it for a moment.
_TRIES = 5
_PAUSE = 0.02


class NoLocksError(UsageError):
    """Processes cannot be kept apart in a folder."""


def check_locks(folder: Path) -> None:
    """Refuse a folder in which processes cannot be kept apart.

    Raises:
        NoLocksError: its file system has no locks, or the system has none.
        OSError: it cannot be written.
    """
    path = temporary_name(folder / LOCK)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _lock(descriptor, folder)
    finally:
        os.close(descriptor)
        path.unlink(missing_ok=True)


@contextmanager
def claim(folder: Path, command: str) -> Iterator[bool]:
    """Inside, whether the cell is ours; False where another process computes it.

    Args:
        folder: of the cell.
        command: identifies the comparison that wants it.

    Raises:
        NoLocksError: that cannot be told.
    """
    descriptor = os.open(folder / LOCK, _OPEN | os.O_CREAT, 0o644)
    try:
        if not _lock(descriptor, folder):
            yield False
            return
        about = {"command": command, "pid": os.getpid(), "host": socket.gethostname()}
        _write(descriptor, {**about, "state": "running"})
        try:
            yield True
        finally:
            _write(descriptor, {**about, "state": "over"})
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path, tries: int = _TRIES) -> bool:
    """Whether the lock is ours now; the system lets go of it with the descriptor."""
    if fcntl is None:
        raise NoLocksError(f"compare must run where files can be locked (on Windows: WSL), however: {sys.platform}")
    for attempt in range(tries):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSE * (attempt + 1))
        except OSError as error:
            raise NoLocksError(
                f"a comparison must lie on a file system with locks, however: {error.strerror or error}: {folder}; "
                "choose another --out, or mount it with locks"
            ) from error
        else:
            return True
    return False


def _write(descriptor: int, about: dict[str, Any]) -> None:
    """Best effort: on a full disk the lock still holds, and only what is shown of it is lost."""
    try:
        os.pwrite(descriptor, json.dumps(about).encode().ljust(200), 0)
    except OSError:
        os.ftruncate(descriptor, 0)


def told(folder: Path) -> dict[str, Any]:
    """What the last who held the lock has written there."""
    try:
        about = read_json(folder / LOCK, checked=False)
    except (OSError, DamagedError):
        return {}
    return about if isinstance(about, dict) else {}


def is_running(folder: Path, command: str) -> bool:
    """Whether that comparison began the cell, and has not ended it: it is being computed, or its process is dead."""
    about = told(folder)
    return about.get("command") == command and about.get("state") == "running"


def is_over(folder: Path, command: str) -> bool:
    """Whether that comparison began the cell, and ended it."""
    about = told(folder)
    return about.get("command") == command and about.get("state") == "over"


def is_held(folder: Path) -> bool:
    """Whether a living process computes the cell."""
    try:
        descriptor = os.open(folder / LOCK, _OPEN)
    except OSError:
        return False
    try:
        return not _lock(descriptor, folder, tries=1)
    finally:
        os.close(descriptor)
