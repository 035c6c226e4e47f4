"""The run folder: config, history, result, checkpoint, bundles."""

from __future__ import annotations

import json
import math
import re
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from losszoo.errors import UsageError
from losszoo.harness.bundle import Bundles
from losszoo.harness.files import save_atomically as save_atomically
from losszoo.harness.files import write_atomically as write_atomically


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
        self.bundles = Bundles(self.folder / "bundles")

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
        """A crash bundle; None once the run has enough of them, or where it cannot be written."""
        return self.bundles.write(content, step)


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
