"""What the doctor finds in the crash bundles: asked once, in a process of its own, and remembered beside the runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from losszoo.common.child_process import ChildProcess
from losszoo.common.files import write_json
from losszoo.common.text import in_one_line
from losszoo.crash_replay.replayed import replay_apart
from losszoo.errors import LosszooError
from losszoo.reporting.leaderboard_data import Board, Entry
from losszoo.reporting.load_runs import Run
from losszoo.reporting.read_json import Reader, mapping, sequence, text

CACHE = ".losszoo-report.json"
_FORMAT = 1
# A replay takes some seconds. One that takes this long hangs, and a page is not to wait for it.
SECONDS = 60.0
# Of the losses with the most events; of the others the page says how to ask.
MOST = 12
_AT_ONCE = 2
# After so many seconds no further replay is begun; the next report goes on from the answers of this one.
PATIENCE = 20.0


@dataclass(frozen=True)
class Told:
    """What a replay of a bundle has given.

    Args:
        bundle: its path, from the folder of the report on.
        findings: of the doctor, each as in the document of ``losszoo replay --json``.
        notes: whatever else it said.
        error: why there is no answer.
    """

    bundle: str
    findings: Sequence[Mapping[str, Any]] = ()
    notes: Sequence[str] = ()
    error: str = ""


def first_events(board: Board) -> list[tuple[Entry, Run]]:
    """Of each loss with a non-finite event, the first run that has one."""
    return [(e, run) for e in board.entries for run in [next((r for r in e.runs if r.guard.get("first")), None)] if run]


def bundle_of(run: Run) -> Path | None:
    """The bundle of the first event; by its name alone, because a folder may have been moved since."""
    name = text(mapping(run.guard.get("first")).get("bundle")).replace("\\", "/").rsplit("/", 1)[-1]
    path = run.folder / "bundles" / name
    return path if name and path.is_file() and not path.is_symlink() else None


def ask_doctor(boards: Sequence[Board], root: Path, on_bundle: Callable[[str], None] | None = None) -> dict[Path, Told]:
    """Replay the first event of each loss, those that were asked before from memory.

    Args:
        boards: of all tasks.
        root: of the report; keeps the answers in a file.
        on_bundle: called with the name of a bundle before it is replayed.
    """
    told, new = _remembered(_wanted(boards), root)
    deadline = time.monotonic() + PATIENCE
    running: list[ChildProcess] = []

    def ask(path: Path) -> Told:
        if time.monotonic() > deadline:
            return Told(_name(path, root), error="not examined for lack of time; run losszoo report again to continue")
        if on_bundle is not None:
            on_bundle(_name(path, root))
        running.append(process := ChildProcess("step"))
        return replayed(path, _name(path, root), SECONDS, process)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        try:
            told |= dict(zip(new, pool.map(ask, new), strict=True))
        except BaseException:  # Ctrl-C: what waits is not begun, what runs is ended
            deadline = 0.0
            for process in running:
                process.close()
            raise
    if new:
        _write(root, {path: answer for path, answer in told.items() if not answer.error})
    return told


def _wanted(boards: Sequence[Board]) -> list[Path]:
    """The bundles of the losses with most events."""
    found = [(entry.nonfinite, path) for b in boards for entry, run in first_events(b) if (path := bundle_of(run))]
    return [path for _, path in sorted(found, key=lambda pair: -pair[0])[:MOST]]


def _remembered(paths: Sequence[Path], root: Path) -> tuple[dict[Path, Told], list[Path]]:
    """What was answered before, and the bundles that are to be asked about."""
    memory = _read(root)
    records = {path: memory.get(_name(path, root), {}) for path in paths}
    known = [path for path, record in records.items() if record.get("stamp") == _stamp(path)]
    return {path: _told(_name(path, root), records[path]) for path in known}, [p for p in paths if p not in known]


def replayed(path: Path, name: str, seconds: float, process: ChildProcess | None = None) -> Told:
    """The answer of a replay in a process of its own, which is ended when it takes too long.

    Args:
        path: of the bundle.
        name: of it in the answer.
        seconds: for the step, and for the doctor.
        process: a fresh one, for who wants to end it early.
    """
    options: dict[str, Any] = {"step": None, "loss": None, "device": "cpu", "trust": False}
    try:
        document = replay_apart(str(path.absolute()), budget=seconds, process=process, **options).to_dict()
    except Exception as error:
        return Told(name, error=str(error) if isinstance(error, LosszooError) else in_one_line(error))
    return _told(name, mapping(document))


def _told(name: str, record: Mapping[str, Any]) -> Told:
    findings = [finding for finding in sequence(record.get("findings")) if isinstance(finding, Mapping)]
    return Told(name, findings, [note for note in sequence(record.get("notes")) if isinstance(note, str)])


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _stamp(path: Path) -> list[int]:
    about = path.stat()
    return [about.st_size, about.st_mtime_ns]


def _read(root: Path) -> dict[str, Mapping[str, Any]]:
    memory = Reader(root).json(root / CACHE, dict)
    if memory.get("format") != _FORMAT:
        return {}
    return {name: mapping(record) for name, record in mapping(memory.get("replays")).items()}


def _write(root: Path, told: Mapping[Path, Told]) -> None:
    """Keep the answers; where the folder cannot be written, the next report asks again."""
    kept = {name: dict(record) for name, record in _read(root).items()}
    kept |= {answer.bundle: {"stamp": _stamp(path), **asdict(answer)} for path, answer in told.items()}
    try:
        write_json(root / CACHE, {"format": _FORMAT, "replays": kept})
    except OSError:
        return
