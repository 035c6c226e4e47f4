"""What the doctor found in one loss, as a person reads it."""

from __future__ import annotations

import tokenize
from collections.abc import Iterator
from io import StringIO
from itertools import pairwise

from rich.console import Console
from rich.text import Text

from losszoo.cli.tables.heat_strip import strip_lines
from losszoo.cli.tables.styled import NARROWEST, hang, room_of, write
from losszoo.common.text import printable
from losszoo.doctor.report.examination import Examination, Finding
from losszoo.doctor.report.wording import ADVICE, TRIED, effort, headline, outcome, place, reach, remedy

_VERDICTS = {"healthy": "green", "sick": "red", "undecided": "yellow"}
# The smallest input has a few rows; what is longer is for a program to read.
LONGEST = 1200
_TRIED = {True: "green", False: "yellow", None: "dim"}
_MARGIN = "   "


def show(examination: Examination, console: Console) -> None:
    """Print one examination: verdict, heat strip, findings, notes.

    Args:
        examination: the doctor's answer.
        console: where to print; in a pipe every line stays whole, so that it can be pasted and grep finds it.
    """
    write(diagnosis(examination, room_of(console)), console)


def diagnosis(examination: Examination, room: int | None) -> Iterator[Text]:
    """The lines of one examination.

    Args:
        examination: the doctor's answer.
        room: columns of the terminal; None for lines without end.
    """
    yield from _headline(examination, room)
    said = [line for sentence in reach(examination) for line in hang("  ", sentence, room)]
    for block in (list(strip_lines(examination, room)), said):
        if block:
            yield Text()
            yield from block
    for number, finding in enumerate(examination.findings, 1):
        yield Text()
        yield from _finding(number, finding, room)
    if examination.notes:
        yield Text()
    for note in examination.notes:
        yield from hang("note: ", printable(note), room)


def _headline(examination: Examination, room: int | None) -> Iterator[Text]:
    signature = f", {examination.signature}" if examination.signature else ""
    verdict = outcome(examination), f"bold {_VERDICTS[examination.verdict]}"
    yield from hang("", Text.assemble((printable(examination.target), "bold"), f"{signature}: ", verdict), room)
    yield from hang("  ", Text(effort(examination), style="dim"), room)


def _finding(number: int, finding: Finding, room: int | None) -> Iterator[Text]:
    yield from hang(f"{number}. ".ljust(len(_MARGIN)), Text(headline(finding), style="bold red"), room)
    if place(finding):
        yield from hang(_MARGIN, Text(printable(place(finding)), style="bold cyan"), room)
    if finding.code:
        yield from python_lines(_MARGIN + "  ", Text(printable(finding.code.strip()), style="cyan"), room)
    yield from _fact("when", printable(finding.probe), room)
    yield from _fact("cause", printable(finding.cause), room)
    yield from _input(finding, room)
    tried = TRIED[finding.verified], _TRIED[finding.verified]
    if finding.remedy:
        yield from _fact(ADVICE[finding.verified], Text.assemble(printable(remedy(finding)), " (", tried, ")"), room)


def _fact(name: str, text: Text | str, room: int | None) -> Iterator[Text]:
    if text:
        yield from hang(_lead(name), text, room)


def _lead(name: str) -> Text:
    return Text.assemble(_MARGIN, (name.ljust(8), "dim"))


def _input(finding: Finding, room: int | None) -> Iterator[Text]:
    """The line to paste; where there is none, the arguments one by one."""
    lead = _lead("input")
    for line in [finding.paste] if finding.paste else [f"{name} = {text}" for name, text in finding.input.items()]:
        if len(line) > LONGEST:
            yield from hang(lead, f"{printable(line[:LONGEST])}... ({len(line)} characters; --json holds all)", room)
        else:
            yield from python_lines(lead, Text(printable(line)), room)
        lead = Text(" " * len(lead))


def python_lines(lead: Text | str, code: Text, room: int | None) -> Iterator[Text]:
    """A line of Python, broken only inside brackets: pasted with its breaks it is the same."""
    line = Text(lead) if isinstance(lead, str) else lead
    if room is None or room - len(line) < NARROWEST:
        yield line + code
        return
    margin = Text(" " * (len(line) + 2))
    for start, end in pairwise(breaks(code.plain)):
        if len(line) + len(code.plain[start:end].rstrip()) > room and start:
            yield line
            line = margin.copy()
        line = line + code[start:end]
    yield line


def breaks(code: str) -> list[int]:
    """Where a line of Python may be broken: at its ends, and after a comma inside brackets.

    Example:
        >>> breaks('f(a, "b, c"); g, h')
        [0, 5, 18]
    """
    places, depth = [0], 0
    try:
        for token in tokenize.generate_tokens(StringIO(code).readline):
            if token.type == tokenize.OP:
                depth += (token.string in "([{") - (token.string in ")]}")
                at_comma = token.string == "," and depth and code[token.end[1] :][:1] == " "
                places += [token.end[1] + 1] if at_comma else []
    except (tokenize.TokenError, SyntaxError):  # no Python after all: it stays whole
        places = [0]
    return [*places, len(code)]
