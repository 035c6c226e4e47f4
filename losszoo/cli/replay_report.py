"""A replay as a person reads it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from losszoo.cli.common import counted
from losszoo.doctor.wording import TRIED, brief, remedy
from losszoo.registry.discovery import printable

if TYPE_CHECKING:
    from losszoo.doctor.examination import Finding
    from losszoo.harness.replayed import Replay

KINDS = {
    "half-precision-overflow": "half-precision-overflow: the same step is finite in float32",
    "float32-overflow": "float32-overflow: the same step is finite in float64, and not in float32",
    "structural": "structural: the same step is not finite in float64 either",
    "input": "input: the batch itself is not finite",
}
# A smallest input has a few rows; what is longer is for a program to read.
_LONGEST = 1200


def show(result: Replay, console: Console) -> None:
    """Print the replay; lines stay whole, so that a path can be copied and grep finds it."""
    for line in render(result):
        console.print(line, soft_wrap=True)


def render(result: Replay) -> Iterator[Text]:
    """Answer, place, kind, findings, notes."""
    answer = ("reproduced", "red") if result.reproduced else ("not reproduced", "yellow")
    yield Text.assemble((printable(result.bundle), "bold"), ": ", answer)
    event = result.event
    epoch = "" if event.get("epoch") is None else f", epoch {event['epoch']}"
    then = f"non-finite {event.get('what') or event.get('where')} in step {event.get('step')}{epoch}"
    yield _fact("then", then + _place(event.get("op"), event.get("source")))
    if result.reproduced:
        yield _fact("now", f"non-finite {result.where}{_place(result.op, result.source)}")
        yield _fact("kind", KINDS.get(result.kind or "", "not known"))
    if result.term:
        yield _fact("term", result.term)
    yield _fact("written by", ", ".join(f"{name} {version}" for name, version in result.versions.items()))
    if result.findings:
        yield Text(f"doctor: {counted(len(result.findings), 'finding')}", style="bold")
    for finding in result.findings:
        yield from _finding(finding)
    for note in result.notes:
        yield Text(f"note: {printable(note)}", style="dim")


def _fact(name: str, text: str) -> Text:
    return Text(f"  {name.ljust(10)}  {printable(text)}")


def _place(op: str | None, source: str | None) -> str:
    return (f", first in {op}" if op else "") + (f" at {source}" if source else "")


def _finding(finding: Finding) -> Iterator[Text]:
    yield Text(f"  {printable(brief(finding))}", style="yellow")
    rows = (
        ("line", (finding.code or "").strip()),
        ("cause", finding.cause),
        ("input", finding.paste if len(finding.paste) <= _LONGEST else "long; --json holds it"),
        ("remedy", f"{remedy(finding)} ({TRIED[finding.verified]})"),
    )
    for name, text in rows:
        if text:
            yield Text(f"    {name.ljust(6)}  {printable(text)}")
