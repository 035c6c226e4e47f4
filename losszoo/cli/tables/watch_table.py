"""What ``losszoo watch`` says while a script runs, and at its end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from losszoo.cli.tables.diagnosis import python_lines
from losszoo.cli.tables.styled import hang, room_of, write
from losszoo.common.text import counted, printable
from losszoo.watching.watch_words import facts, headline, place, summary

if TYPE_CHECKING:
    from losszoo.watching.process.run_script import Watched

_BAR = ("│ ", "red")
_STYLES = {"remedy": "green", "bundle": "dim", "called": "dim"}


def show_now(record: Mapping[str, Any], console: Console) -> None:
    """A fault or a note at the moment in which it is found; a bar tells it from the script's own output."""
    room = room_of(console)
    if "note" in record:
        said = hang(Text("note: ", style="yellow"), printable(record["note"]), None if room is None else room - 2)
        write((Text.assemble(("│ ", "yellow"), line) for line in said), console)
        return
    inner = None if room is None else room - 2
    lines = (Text.assemble(_BAR, line) for line in fault_lines(record["fault"], inner))
    write([Text(), Text.assemble(("┌ ", "red"), ("losszoo watch", "dim")), *lines, Text("└", style="red")], console)


def fault_lines(fault: Mapping[str, Any], room: int | None) -> Iterator[Text]:
    """One fault: headline, place, line, facts."""
    yield from hang("", Text(headline(fault), style="bold red"), room)
    if fault["source"]:
        yield Text(place(fault), style="bold cyan")
    if fault["code"]:
        yield from python_lines("  ", Text(printable(fault["code"]), style="cyan"), room)
    for name, text in facts(fault):
        lead = Text(name.ljust(8), style="dim")
        if name == "input":
            yield from python_lines(lead, Text(printable(text)), room)
        elif name == "bundle":
            yield lead + Text(printable(text), style="dim")
        else:
            yield from hang(lead, Text(printable(text), style=_STYLES.get(name, "")), room)


def show_end(watched: Watched, console: Console) -> None:
    """The summary: what the script did, and every fault in a line."""
    room = room_of(console)
    faults = len(watched.faults)
    style = "bold red" if faults else "bold green" if not watched.code else "bold yellow"
    said = summary(watched.numbers | {"ended": watched.ended}, faults, watched.code)
    lines = [Text()]
    lines += hang("", Text.assemble((printable(watched.script), "bold"), ": ", (said, style)), room)
    for number, fault in enumerate(watched.faults, 1):
        where = f"  {fault['source']}" if fault["source"] else ""
        lines += hang(f"  {number}. ", Text.assemble(fault["headline"], (printable(where), "cyan")), room)
    if watched.notes:
        lines.append(Text(f"  {counted(len(watched.notes), 'note')} above", style="dim"))
    write(lines, console)
