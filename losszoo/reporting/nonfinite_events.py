"""What went wrong: non-finite events with the doctor's findings, and runs without a result."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from losszoo.common.html import in_html
from losszoo.doctor.report.examination import Finding
from losszoo.doctor.report.wording import SYMPTOMS, TRIED, headline, place, remedy
from losszoo.reporting.html_table import Column, cell, chip, measured, table
from losszoo.reporting.leaderboard_data import Board, Entry
from losszoo.reporting.load_runs import DONE, Run
from losszoo.reporting.read_json import mapping, number, text, whole
from losszoo.reporting.replay_bundles import Told, bundle_of, first_events

_CHIPS = {True: "verified", False: "refuted", None: "open"}


def without_result(board: Board) -> str:
    """The runs that failed, hung, were killed or still run, each with its error; nothing where there are none."""
    rows = [
        f"<tr>{cell(_named(entry), entry.label, 'who')}{measured(run.seed, 0)}"
        f"{cell(chip('failed', run.status), run.status, 'plain')}{cell(_quoted(run.error), run.error, 'said')}</tr>\n"
        for entry in board.entries
        for run in entry.runs
        if run.status != DONE
    ]
    columns = [Column("loss", False), Column("seed"), Column("state", False), Column("error", False)]
    return table(columns, rows, "long") if rows else ""


def _named(entry: Entry) -> str:
    return f'<span class="name-of">{in_html(entry.label)}</span>'


def _quoted(said: str) -> str:
    return f"<pre>{in_html(said)}</pre>" if said else ""


def events(board: Board) -> str:
    """The first non-finite step of each run that has one; nothing where there are none."""
    with_event = [(entry, run) for entry in board.entries for run in entry.runs if run.guard.get("first")]
    columns = [
        *(Column("loss", False), Column("seed"), Column("events"), Column("first at step"), Column("epoch")),
        *(Column("where", False), Column("operation", False), Column("source line", False), Column("outcome", False)),
    ]
    return table(columns, [_event_row(entry, run) for entry, run in with_event], "long") if with_event else ""


def _event_row(entry: Entry, run: Run) -> str:
    first, guard = mapping(run.guard.get("first")), run.guard
    outcome = ", ".join(
        f"{count} {said}"
        for name, said in (("skipped", "skipped"), ("rollbacks", "rolled back"))
        if (count := whole(guard.get(name)))
    )
    where, ended = text(first.get("where")), text(run.result.get("status")).replace("-", " ")
    said = f"{outcome}; {ended}" if outcome and run.stopped else outcome or ended
    code = "".join(
        cell(f"<code>{in_html(value)}</code>", value, "plain")
        for value in (text(first.get("op")), text(first.get("source")))
    )
    return (
        f"<tr>{cell(_named(entry), entry.label, 'who')}{measured(run.seed, 0)}"
        f"{measured(number(guard.get('nonfinite')), 0)}"
        f"{measured(number(first.get('step')), 0)}{measured(number(first.get('epoch')), 0)}"
        f"{cell(in_html(where), where, 'plain')}{code}{cell(in_html(said), said, 'plain')}</tr>\n"
    )


def diagnoses(board: Board, told: Mapping[Path, Told]) -> str:
    """What the doctor says of the first event of each loss."""
    cards = []
    for entry, run in first_events(board):
        path = bundle_of(run)
        answer = None if path is None else told.get(path)
        if path is not None and answer is not None:
            cards.append(_diagnosis(entry, answer, path))
    return "".join(cards)


def _diagnosis(entry: Entry, told: Told, path: Path) -> str:
    found = [finding for record in told.findings if (finding := _finding(record)) is not None]
    body = "".join(map(_shown, found))
    said = [told.error, *told.notes] if told.error else list(told.notes)
    notes = "".join(f"<li>{in_html(note)}</li>" for note in said)
    if not (body or notes):
        notes = "<li>the doctor finds nothing in the loss by itself</li>"
    return (
        f'<article class="card finding"><h4>The doctor on {_named(entry)}</h4>\n{body}'
        + (f'<ul class="notes">{notes}</ul>' if notes else "")
        + f'<p class="again"><code>losszoo replay {in_html(str(path))}</code></p></article>\n'
    )


def _finding(record: Mapping[str, Any]) -> Finding | None:
    """As the doctor had it; None where somebody has changed the memory."""
    names = ("symptom", "dtype", "probe", "op", "source", "cause", "remedy", "code")
    said: dict[str, Any] = {name: text(record.get(name)) for name in names}
    verified = record.get("verified")
    if said["symptom"] not in SYMPTOMS:
        return None
    return Finding(verified=verified if isinstance(verified, bool) else None, **said)


def _shown(finding: Finding) -> str:
    code = f"<pre><code>{in_html((finding.code or '').strip())}</code></pre>" if finding.code else ""
    facts = {"where": f"<code>{in_html(place(finding))}</code>{code}" if place(finding) else code}
    facts["cause"] = in_html(finding.cause)
    if finding.remedy:
        facts["remedy"] = f"{in_html(remedy(finding))} {chip(_CHIPS[finding.verified], TRIED[finding.verified])}"
    listed = "".join(f"<dt>{name}</dt><dd>{content}</dd>" for name, content in facts.items() if content)
    return f'<p class="symptom">{in_html(headline(finding))}</p><dl>{listed}</dl>\n'
