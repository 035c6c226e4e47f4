"""Starting ``losszoo compare`` as a real process, and what is the same about two of its answers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import forking
from waiting import PATIENCE

BAD = Path(__file__).with_name("bad_losses.py")
# Of a cell or a row, what a clock or the memory decides.
MEASURED = ("seconds", "peak_memory_mb", "started", "ended", "folder")

SMALL = ("--task", "digits", "--epochs", "2", "--seeds", "1", "--out", "out")


def environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key != "COLUMNS"} | {"OMP_NUM_THREADS": "1"}


def start(*arguments: str, cwd: Path, **more: str) -> subprocess.Popen[str]:
    """In a process group of its own, as a shell does it; with ``more`` in its environment."""
    return forking.Popen(
        [sys.executable, "-m", "losszoo", "compare", *arguments, "--json"],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment() | more,
        start_new_session=True,
    )


def compare(*arguments: str, cwd: Path, timeout: float = PATIENCE, **more: str) -> tuple[int, Any, str]:
    """Exit code, document and what is said to people."""
    process = start(*arguments, cwd=cwd, **more)
    out, err = process.communicate(timeout=timeout)
    return process.returncode, json.loads(out) if out else None, err


def losses(*names: str) -> list[str]:
    return [word for name in names for word in ("--loss", name)]


def with_bad_losses(folder: Path) -> Path:
    shutil.copy(BAD, folder / "bad.py")
    return folder


def by_loss(document: Any) -> dict[str, Any]:
    """The cells of one seed by the name of their loss."""
    return {cell["loss"].removeprefix("bad.py:"): cell for cell in document["cells"]}


def table_of(document: Any) -> Any:
    """What must be the same however often it was killed."""
    return {
        task: [{key: value for key, value in row.items() if key not in MEASURED} for row in rows]
        for task, rows in document["tables"].items()
    }
