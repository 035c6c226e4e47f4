"""The run folder: config, history, result, checkpoint, bundles. A file is written whole or not at all."""

from __future__ import annotations

import json
import math
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from losszoo.errors import UsageError

# A few bundles tell all there is to tell, and a broken loss can fail at every step.
MOST_BUNDLES = 3


class Record:
    """The folder of one run: config, history and result as JSON, ``checkpoint.pt``, ``bundles/``.

    Args:
        out: folder that holds all runs.
        task: name of the task.
        loss: text of the loss.
        seed: of the run.

    Raises:
        UsageError: the folder cannot be made or written.
    """

    def __init__(self, out: Path, task: str, loss: str, seed: int) -> None:
        now = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        parent = out / slug(task) / slug(loss)
        try:
            parent.mkdir(parents=True, exist_ok=True)
            self.folder = Path(tempfile.mkdtemp(prefix=f"{now}-seed{seed}-", dir=parent))
            self.folder.chmod(0o755)
        except OSError as error:
            raise UsageError(
                f"the run folder must be writable, however: {error.strerror or error}: "
                f"{error.filename or parent}; choose another --out"
            ) from error
        self._bundles = 0

    def write_json(self, name: str, content: Any) -> None:
        """A JSON file; numbers that are not finite become null."""
        text = json.dumps(jsonable(content), indent=1, allow_nan=False)
        write_atomically(self.folder / name, text.encode())

    def write_checkpoint(self, state: Mapping[str, Any]) -> Path:
        """The state to go on from."""
        path = self.folder / "checkpoint.pt"
        save_atomically(path, dict(state))
        return path

    def write_bundle(self, content: Mapping[str, Any], step: int) -> Path | None:
        """A crash bundle; None once the run has enough of them."""
        if self._bundles >= MOST_BUNDLES:
            return None
        self._bundles += 1
        folder = self.folder / "bundles"
        folder.mkdir(exist_ok=True)
        path = folder / f"step-{step}.pt"
        save_atomically(path, dict(content))
        return path


def slug(text: str) -> str:
    """A folder name that says what the text says, and nothing that a path could mean.

    Example:
        >>> slug("0.7*bce + 0.3*../evil:X")
        '0.7-bce-0.3-evil-X'
        >>> slug("/home/me/losses/my_loss.py:MyLoss")
        'my-loss.py-MyLoss'
    """
    without_folders = re.sub(r"[^\s*+(,]*[/\\]", "", text)
    safe = re.sub(r"\.{2,}", "", re.sub(r"[^A-Za-z0-9.]+", "-", without_folders))
    return re.sub(r"-{2,}", "-", safe).strip("-.")[:80].strip("-.") or "loss"


def write_atomically(path: Path, content: bytes) -> None:
    """Under a temporary name, then renamed: a reader sees the old file or the new one."""
    with _under_temporary_name(path) as temporary:
        temporary.write_bytes(content)


def save_atomically(path: Path, content: Any) -> None:
    """``torch.save`` of plain data and tensors, readable with ``weights_only=True``."""
    with _under_temporary_name(path) as temporary:
        torch.save(content, temporary)


@contextmanager
def _under_temporary_name(path: Path) -> Iterator[Path]:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def jsonable(value: Any) -> Any:
    """Plain data that JSON can say."""
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int | bool):
        return value
    return str(value)
