"""The run folder: config, history, steps, result, checkpoint, bundles."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from losszoo.common.files import (
    check_no_links,
    remove_stale,
    save_atomically,
    slug,
    write_json,
)
from losszoo.common.locks import LOCK, NoLocksError, locked
from losszoo.errors import UsageError
from losszoo.training.guard.crash_bundle import Bundles

CHECKPOINT = "checkpoint.pt"
# What predicts: weights and the like, and plain data.
TRAINED_TENSORS, TRAINED = "trained.pt", "trained.json"
# Of a folder that took files before; a run that is resumed stays in it.
_MAKE_ROOM = "make room on its disk"


class UnwritableError(UsageError):
    """A run folder that takes no more: the disk is full, or may not be written."""


class Record:
    """The folder of one run: config, history, steps and result as JSON, ``checkpoint.pt``, ``trained.pt``,
    ``bundles/``.

    Args:
        folder: made where it does not exist.

    Raises:
        UsageError: the folder cannot be made or written, or a part of it is a link to elsewhere.
    """

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            remove_stale(folder)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise _unwritable(error, folder) from error
        check_no_links(folder / "bundles", folder / "tensorboard")
        self.folder = folder
        self.bundles: Bundles | None = Bundles(folder / "bundles")

    @classmethod
    def fresh(cls, out: Path, task: str, loss: str, seed: int) -> Record:
        """A new folder in ``out``, named after task, loss, time and seed."""
        now = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        parent = out / slug(task) / slug(loss)
        try:
            parent.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=f"{now}-seed{seed}-", dir=parent))
            folder.chmod(0o755)
        except OSError as error:
            raise _unwritable(error, parent) from error
        return cls(folder)

    @contextmanager
    def claimed(self) -> Iterator[Record]:
        """A block in which no other process works in this folder; a process that dies gives it back.

        On a file system without locks two processes are not kept apart.

        Raises:
            UsageError: another one does.
        """
        try:
            lock = locked(self.folder / LOCK)
        except (OSError, NoLocksError):
            yield self
            return
        if lock is None:
            raise UsageError(
                f"a run must be trained by one process, got a second one: another is at work in {self.folder}; "
                "wait for it, or end it first"
            )
        try:
            yield self
        finally:
            with suppress(OSError):  # Windows removes no file that is open
                (self.folder / LOCK).unlink(missing_ok=True)
            lock.release()

    def write_json(self, name: str, content: Any) -> None:
        """A JSON file; numbers that are not finite become null."""
        with self._written():
            write_json(self.folder / name, content)

    def write_checkpoint(self, state: Mapping[str, Any]) -> None:
        """The state to go on from."""
        with self._written():
            save_atomically(self.folder / CHECKPOINT, dict(state))

    def write_trained(self, tensors: Mapping[str, Any], told: Mapping[str, Any]) -> None:
        """What predicts: tensors, and the plain data that say what they are."""
        with self._written():
            save_atomically(self.folder / TRAINED_TENSORS, dict(tensors))
            write_json(self.folder / TRAINED, told)

    @contextmanager
    def _written(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise _unwritable(error, self.folder, _MAKE_ROOM) from error
        except RuntimeError as error:  # of torch's writer, which tells the position at which it could not go on
            full = OSError(0, "a file could not be written whole (is the disk full?)")
            raise _unwritable(full, self.folder, _MAKE_ROOM) from error


class NoRecord(Record):
    """Of a run that leaves nothing behind: of an estimator, or of a rank that is not the first.

    Args:
        folder: where another process writes, for the result; "" for nowhere.
    """

    def __init__(self, folder: str = "") -> None:
        self.folder = Path(folder)
        self.bundles = None

    @contextmanager
    def claimed(self) -> Iterator[Record]:
        yield self

    def write_json(self, name: str, content: Any) -> None:
        pass

    def write_checkpoint(self, state: Mapping[str, Any]) -> None:
        pass

    def write_trained(self, tensors: Mapping[str, Any], told: Mapping[str, Any]) -> None:
        pass


def _unwritable(error: OSError, folder: Path, next_step: str = "choose another --out") -> UnwritableError:
    return UnwritableError(
        f"the run folder must be writable, got {error.filename or folder} ({error.strerror or error}); {next_step}"
    )
