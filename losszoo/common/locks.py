"""Which process works in a folder: a lock of the operating system, which is released when the process ends."""

from __future__ import annotations

import errno
import json
import os
import socket
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from losszoo.common.files import DamagedError, read_json, temporary_name, write_atomically
from losszoo.errors import UsageError

if TYPE_CHECKING:
    from filelock import BaseFileLock

LOCK = "lock"
# Beside the lock, because on Windows no process can read a locked file.
HOLDER = "holder.json"
# A process that checks whether the lock is free holds it for a moment.
_TRIES = 5
_PAUSE = 0.02
_NONE = "it has none of the system's"
# What the system says where a file system has no locks.
_WITHOUT = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


class NoLocksError(UsageError):
    """Processes cannot be kept apart in a folder."""


def check_locks(folder: Path) -> None:
    """Refuse a folder in which processes cannot be kept apart.

    Raises:
        NoLocksError: its file system has no locks, or the system has none.
        OSError: it cannot be written.
    """
    path = temporary_name(folder / LOCK)
    path.touch()  # what cannot be written is told as it is
    try:
        lock = locked(path)
        if lock is not None:
            lock.release()
    finally:
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
    lock = locked(folder / LOCK)
    if lock is None:
        yield False
        return
    about = {"command": command, "pid": os.getpid(), "host": socket.gethostname()}
    _write(folder, {**about, "state": "running"})
    try:
        yield True
    finally:
        _write(folder, {**about, "state": "over"})
        lock.release()


def locked(path: Path, tries: int = _TRIES) -> BaseFileLock | None:
    """The lock on a file, which is ours now; None where another process has it.

    Raises:
        OSError: the file cannot be opened, or is a link.
        NoLocksError: the file system has no locks that end with their process.
    """
    from filelock import FileLock, SoftFileLock, Timeout  # here, since most commands lock nothing

    if path.is_symlink():  # what is written into a link would be written elsewhere
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    for attempt in range(tries):
        lock = FileLock(path, timeout=0)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of the soft lock, which is refused below
                lock.acquire()
        except Timeout:
            if isinstance(lock, SoftFileLock):
                raise _no_locks(path, _NONE) from None
            time.sleep(_PAUSE * (attempt + 1))
        except NotImplementedError as error:
            raise _no_locks(path, str(error)) from error
        except OSError as error:
            if error.errno not in _WITHOUT:
                raise
            raise _no_locks(path, error.strerror or str(error)) from error
        else:
            if isinstance(lock, SoftFileLock):  # a mere file in its place, which would outlive a process that dies
                lock.release()
                raise _no_locks(path, _NONE)
            return lock
    return None


def _no_locks(path: Path, reason: str) -> NoLocksError:
    return NoLocksError(
        f"a comparison must lie on a file system with locks, got {path.parent} ({reason}); "
        "choose another --out, or mount it with locks"
    )


def _write(folder: Path, about: dict[str, Any]) -> None:
    """Best effort: on a full disk the lock still holds, and only its description is lost."""
    try:
        write_atomically(folder / HOLDER, json.dumps(about).encode())
    except OSError:
        with suppress(OSError):
            (folder / HOLDER).unlink(missing_ok=True)


def holder_of(folder: Path) -> dict[str, Any]:
    """The text that the last holder of the lock has written."""
    try:
        about = read_json(folder / HOLDER, checked=False)
    except (OSError, DamagedError):
        return {}
    return about if isinstance(about, dict) else {}


def is_running(folder: Path, command: str) -> bool:
    """Whether that comparison began the cell, and has not ended it: it is being computed, or its process is dead."""
    about = holder_of(folder)
    return about.get("command") == command and about.get("state") == "running"


def is_over(folder: Path, command: str) -> bool:
    """Whether that comparison began the cell, and ended it."""
    about = holder_of(folder)
    return about.get("command") == command and about.get("state") == "over"


def is_held(folder: Path) -> bool:
    """Whether a living process computes the cell."""
    if not (folder / LOCK).is_file() or (folder / LOCK).is_symlink():
        return False
    lock = locked(folder / LOCK, tries=1)
    if lock is None:
        return True
    lock.release()
    return False
