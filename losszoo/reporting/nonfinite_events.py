"""What went wrong: non-finite events with the doctor's findings, and runs without a result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from losszoo.doctor.report.examination import Finding
from losszoo.doctor.report.wording import SYMPTOMS
from losszoo.reporting.leaderboard_data import Board, Entry
from losszoo.reporting.load_runs import DONE, Run
from losszoo.reporting.read_json import mapping, number, text, whole
from losszoo.reporting.replay_bundles import Told, bundle_of, first_events


def without_result(board: Board) -> list[tuple[Entry, Run]]:
    """The runs that failed, hung, were killed or still run."""
    return [(entry, run) for entry in board.entries for run in entry.runs if run.status != DONE]


@dataclass(frozen=True)
class EventRow:
    """The first non-finite step of a run, as its record tells it, and how the run went on."""

    entry: Entry
    seed: int | None
    count: float | None
    step: float | None
    epoch: float | None
    where: str
    op: str
    source: str
    outcome: str


def events(board: Board) -> Iterator[EventRow]:
    """The first non-finite step of each run that has one."""
    for entry in board.entries:
        for run in entry.runs:
            if not run.guard.get("first"):
                continue
            first, guard = mapping(run.guard.get("first")), run.guard
            words = {"skipped": "skipped", "rollbacks": "rolled back"}
            outcome = ", ".join(f"{n} {said}" for name, said in words.items() if (n := whole(guard.get(name))))
            status = text(run.result.get("status")).replace("-", " ")
            yield EventRow(
                entry,
                run.seed,
                number(guard.get("nonfinite")),
                number(first.get("step")),
                number(first.get("epoch")),
                text(first.get("where")),
                text(first.get("op")),
                text(first.get("source")),
                f"{outcome}; {status}" if outcome and run.stopped else outcome or status,
            )


@dataclass(frozen=True)
class Diagnosis:
    """What the doctor says of the first event of a loss."""

    entry: Entry
    path: Path
    findings: Sequence[Finding]
    notes: Sequence[str]


def diagnoses(board: Board, replays: Mapping[Path, Told]) -> Iterator[Diagnosis]:
    """Of each loss whose first event was replayed."""
    for entry, run in first_events(board):
        path = bundle_of(run)
        if path is not None and path in replays:
            replay = replays[path]
            findings = [finding for record in replay.findings if (finding := _finding(record)) is not None]
            notes = [*([replay.error] if replay.error else []), *replay.notes]
            yield Diagnosis(entry, path, findings, notes)


def _finding(record: Mapping[str, Any]) -> Finding | None:
    """As the doctor gave it; None where the file that remembers it was edited."""
    names = ("symptom", "dtype", "probe", "op", "source", "cause", "remedy", "code")
    fields: dict[str, Any] = {name: text(record.get(name)) for name in names}
    verified = record.get("verified")
    if fields["symptom"] not in SYMPTOMS:
        return None
    return Finding(verified=verified if isinstance(verified, bool) else None, **fields)
