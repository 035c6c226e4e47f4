"""A replay as a person reads it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from losszoo.cli.shared_options import counted
from losszoo.cli.tables.diagnosis import LONGEST, python_lines
from losszoo.cli.tables.styled import hang, room_of, write
from losszoo.common.text import printable
from losszoo.doctor.report.wording import ADVICE, TRIED, brief, remedy

if TYPE_CHECKING:
    from losszoo.crash_replay.replayed import Replay
    from losszoo.doctor.report.examination import Finding

KINDS = {
    "half-precision-overflow": "half-precision-overflow: the same step is finite in float32",
    "float32-overflow": "float32-overflow: the same step is finite in float64, and not in float32",
    "structural": "structural: the same step is not finite in float64 either",
    "input": "input: the batch itself is not finite",
}


def show(result: Replay, console: Console) -> None:
    """Print the replay; a path stays whole, and in a pipe every line, so that it can be copied and grep finds it."""
    write(render(result, room_of(console)), console)


def render(result: Replay, room: int | None) -> Iterator[Text]:
    """Answer, place, kind, findings, notes.

    Args:
        result: of the replay.
        room: columns of the terminal; None for lines without end.
    """
    answer = ("reproduced", "red") if result.reproduced else ("not reproduced", "yellow")
    yield Text.assemble((printable(result.bundle), "bold"), ": ", answer)
    event = result.event
    epoch = "" if event.get("epoch") is None else f", epoch {event['epoch']}"
    then = f"non-finite {event.get('what') or event.get('where')} in step {event.get('step')}{epoch}"
    yield from _fact("then", then + _place(event.get("op"), event.get("source")), room)
    if result.reproduced:
        yield from _fact("now", f"non-finite {result.where}{_place(result.op, result.source)}", room)
        yield from _fact("kind", KINDS.get(result.kind or "", "not known"), room)
    if result.term:
        yield from _fact("term", result.term, room)
    versions = ", ".join(f"{name} {version}" for name, version in result.versions.items())
    yield from _fact("written by", versions, room)
    if result.findings:
        yield Text(f"doctor: {counted(len(result.findings), 'finding')}", style="bold")
    for finding in result.findings:
        yield from _finding(finding, room)
    for note in result.notes:
        yield from hang("note: ", Text(printable(note), style="dim"), room)


def _fact(name: str, text: str, room: int | None) -> Iterator[Text]:
    return hang(f"  {name.ljust(10)}  ", printable(text), room)


def _place(op: str | None, source: str | None) -> str:
    return (f", first in {op}" if op else "") + (f" at {source}" if source else "")


def _finding(finding: Finding, room: int | None) -> Iterator[Text]:
    yield Text(f"  {printable(brief(finding))}", style="yellow")
    code, paste = (finding.code or "").strip(), finding.paste
    yield from _python("line", code, room)
    yield from _words("cause", finding.cause, room)
    if len(paste) <= LONGEST:
        yield from _python("input", paste, room)
    else:
        yield from _words("input", "long; --json holds it", room)
    yield from _words(ADVICE[finding.verified], f"{remedy(finding)} ({TRIED[finding.verified]})", room)


def _words(name: str, text: str, room: int | None) -> Iterator[Text]:
    return hang(_lead(name), printable(text), room) if text else iter(())


def _python(name: str, code: str, room: int | None) -> Iterator[Text]:
    return python_lines(_lead(name), Text(printable(code)), room) if code else iter(())


def _lead(name: str) -> str:
    return f"    {name.ljust(6)}  "
