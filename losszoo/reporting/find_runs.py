"""What lies in a folder: cells and run folders."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from losszoo.errors import UsageError
from losszoo.reporting.load_runs import RUN_FILES, Run, read_cell, read_run
from losszoo.reporting.read_json import Reader

# A cell stands three folders deep, and a team may keep its comparisons in folders of their own.
DEEPEST = 8
MOST_FOLDERS = 20_000


@dataclass(frozen=True)
class RunsInFolder:
    """All that a report can tell.

    Args:
        root: the folder.
        runs: in the order of their paths.
        notes: what was damaged or left out.
    """

    root: Path
    runs: list[Run]
    notes: list[str] = field(default_factory=list)


def search(root: Path) -> RunsInFolder:
    """Read everything below a folder; links are not followed.

    Raises:
        UsageError: it is no folder, or holds no run.
    """
    if not root.is_dir():
        raise UsageError(f"DIR must be a folder, got {root} ({'a file' if root.exists() else 'no such folder'})")
    reader = Reader(root)
    found = [run for read, folder in _walk(root, reader) if (run := read(folder, reader)) is not None]
    if not found:
        also = "".join(f"\n  {note}" for note in reader.notes[:5])
        raise UsageError(
            "DIR must be a comparison folder (losszoo compare), a run folder (losszoo run) or a folder of them, "
            f"got {root}, which holds no cell.json and no config.json or result.json of a run{also}"
        )
    return RunsInFolder(root, found, reader.notes)


def _walk(root: Path, reader: Reader) -> Iterator[tuple[Callable[[Path, Reader], Run | None], Path]]:
    """Folders that hold a cell or a run, each with what reads it; nothing below them is looked at."""
    waiting, seen = [(root, 0)], 0
    while waiting:
        folder, depth = waiting.pop()
        seen += 1
        if seen > MOST_FOLDERS:
            reader.note(root, f"more than {MOST_FOLDERS} folders; the others were not read")
            return
        try:
            with os.scandir(folder) as entries:
                listed = sorted(entries, key=lambda entry: entry.name, reverse=True)
        except OSError as error:
            reader.note(folder, error.strerror or type(error).__name__)
            continue
        names = {entry.name for entry in listed if not entry.is_symlink()}
        if "cell.json" in names:
            yield read_cell, folder
        elif names & RUN_FILES and not _of_another_program(folder, names):
            yield read_run, folder
        elif depth < DEEPEST:
            inner = (e for e in listed if e.is_dir(follow_symlinks=False) and not e.name.startswith("."))
            waiting += [(Path(entry.path), depth + 1) for entry in inner]


def _of_another_program(folder: Path, names: set[str]) -> bool:
    """A config.json alone, as many programs have one; a run that has just begun names its loss and task in it."""
    if names & {"history.json", "result.json"}:
        return False
    config = Reader(folder).json(folder / "config.json", dict)
    return not ("loss" in config and "task" in config)
