"""A cell of the grid, one loss or baseline on one task with one seed, and its record: a file, whole or not there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from losszoo.common.files import DamagedError, flattened, read_json, write_json

FORMAT = 2
RECORD = "cell.json"
RUN = "run"
# Written by the system's own thread when a cell does not end: where it hangs.
HUNG = "hung.txt"

STATUSES = ("done", "failed", "timeout", "killed", "missing")
# There is an answer, even if it is that none can be had; of "missing" there is only a beginning.
_KEYS = ("task", "loss", "seed", "kind", "status", "config", "result", "error", "seconds")


@dataclass(frozen=True, eq=False)
class Cell:
    """What is computed, and where.

    Args:
        task: name.
        loss: text of the loss; of a baseline its name.
        seed: of the run.
        kind: "loss" or "baseline".
        config: everything that decides the result, in plain data.
        options: of :func:`losszoo.run`.
        folder: of the record; the run folder is inside.
        given: the task as it was given: its name, a target, or a task that is made.
    """

    task: str
    loss: str
    seed: int
    kind: str
    config: Mapping[str, Any]
    options: Mapping[str, Any]
    folder: Path
    given: Any = None

    def __str__(self) -> str:
        return f"{self.loss} on {self.task}, seed {self.seed}"

    @property
    def run_dir(self) -> Path:
        """The folder of its run."""
        return self.folder / RUN

    def read(self) -> dict[str, Any] | None:
        """The record on disk; None where there is none.

        Raises:
            DamagedError: a file that is cut off, or of another format.
        """
        try:
            record = read_json(self.folder / RECORD)
        except FileNotFoundError:
            return None
        except (OSError, DamagedError) as error:
            raise DamagedError(f"{self.folder / RECORD} cannot be read ({error})") from error
        if not isinstance(record, dict) or record.get("format") != FORMAT:
            told = record.get("format") if isinstance(record, dict) else None
            raise DamagedError(f"{self.folder / RECORD} has format {told!r} instead of {FORMAT}")
        missing = [key for key in _KEYS if key not in record]
        if missing or record["status"] not in STATUSES or not isinstance(record["config"], dict):
            raise DamagedError(f"{self.folder / RECORD} is not a record of a cell")
        return record

    def peek(self) -> dict[str, Any] | None:
        """The record where there is one that can be read."""
        try:
            return self.read()
        except DamagedError:
            return None

    def new_record(self, status: str, **more: Any) -> dict[str, Any]:
        """A record with everything in it."""
        return {
            "format": FORMAT,
            "task": self.task,
            "loss": self.loss,
            "seed": self.seed,
            "kind": self.kind,
            "status": status,
            "config": dict(self.config),
            "result": None,
            "error": None,
            "seconds": None,
            "peak_memory_mb": None,
            "started": None,
            "ended": None,
            **more,
        }

    def write(self, record: Mapping[str, Any]) -> None:
        """Replace the record on disk."""
        write_json(self.folder / RECORD, record)

    def differences(self, record: Mapping[str, Any]) -> list[str]:
        """What the record was made with that this cell is not, as ``key: there -> here``.

        Example:
            >>> cell = Cell("digits", "nca", 0, "loss", {"torch": "2.9", "set": {"recipe.lr": 0.1}}, {}, Path("x"))
            >>> cell.differences({"config": {"torch": "2.8", "set": {}}})
            ['torch: 2.8 -> 2.9', 'set.recipe.lr: not set -> 0.1']
        """
        # As it comes back from the file: tuples are lists there.
        there, here = flattened(record["config"]), flattened(json.loads(json.dumps(self.config)))
        keys = dict.fromkeys([*there, *here])
        return [f"{key}: {_said(there, key)} -> {_said(here, key)}" for key in keys if there.get(key) != here.get(key)]


def _said(config: Mapping[str, Any], key: str) -> str:
    value = config.get(key)
    if value is None:
        return "not set"
    text = str(value)
    return f"{text[:10]}..." if key.startswith("code.") else text  # a hash is told by its first letters


def named(loss: str, kind: str) -> str:
    """What a loss or a baseline is called in tables; a plugin may name its loss like a baseline.

    Example:
        >>> named("knn", "baseline"), named("nca", "loss")
        ('knn (baseline)', 'nca')
    """
    return f"{loss} (baseline)" if kind == "baseline" else loss


def now() -> str:
    """UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
