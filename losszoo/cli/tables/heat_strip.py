"""The heat strip in letters and colours: one row a dtype, one cell a scale."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from rich.text import Text

from losszoo.doctor.report.examination import Examination, Strip
from losszoo.doctor.report.wording import STATES, blocks, labelled, legend, number, scales_of, worst

# The foreground is fixed with the background, so that a letter is readable in any colour scheme.
COLOURS = {
    "finite": "black on green",
    "beyond": "black on white",
    "vanished": "black on cyan",
    "inaccurate": "black on yellow",
    "out-of-memory": "black on magenta",
    "raises": "bright_white on blue",
    "non-finite": "bright_white on red",
}
_INDENT = "  "
_WIDEST_CELL = 3
# In a pipe a line has no end, but a picture has a shape.
_PIPE_ROOM = 100


def strip_lines(examination: Examination, room: int | None) -> Iterator[Text]:
    """The strips of an examination over a common axis, and the legend."""
    found = blocks(examination)
    for strips in found:
        yield from _block(strips, room or _PIPE_ROOM)
    if found:
        yield from _legend(examination, room)


def _block(strips: Sequence[Strip], room: int) -> Iterator[Text]:
    what = strips[0].what
    wide = max(len(what), *(len(strip.dtype) for strip in strips)) + 2
    scales = scales_of(strips)
    free = max(room - wide - len(_INDENT), 8)
    bundle = math.ceil(len(scales) / free)
    columns = [scales[i : i + bundle] for i in range(0, len(scales), bundle)]
    cell = min(free // len(columns), _WIDEST_CELL)
    yield Text(f"{_INDENT}{what.ljust(wide)}{_axis(columns, cell)}", style="dim")
    for strip in strips:
        yield Text.assemble(f"{_INDENT}{strip.dtype.ljust(wide)}", *_cells(strip, columns, cell))


def _cells(strip: Strip, columns: list[list[float]], cell: int) -> Iterator[Text]:
    states = dict(zip(strip.scales, strip.states, strict=True))
    for column in columns:
        here = [states[scale] for scale in column if scale in states]
        state = worst(here) if here else None
        yield Text(STATES[state].mark * cell, style=COLOURS[state]) if state else Text(" " * cell)


def _axis(columns: Sequence[Sequence[float]], cell: int) -> str:
    """Scales above their cells: the powers of ten, as many as fit."""
    starts = {column[0]: i * cell for i, column in enumerate(columns)}
    powers = {s: start for s, start in starts.items() if math.isclose(math.log10(s), round(math.log10(s)))}
    line = ""
    for scale in labelled(powers or starts, 1):
        line = line.ljust(starts[scale]) + number(scale)
    return line


def _legend(examination: Examination, room: int | None) -> Iterator[Text]:
    line = Text(_INDENT)
    for state in legend(examination):
        entry = Text.assemble((STATES[state].mark, COLOURS[state]), f" {STATES[state].words}")
        if room is not None and len(line) + len(entry) + 2 > room and line.plain.strip():
            yield line
            line = Text(_INDENT)
        line.append(entry if not line.plain.strip() else Text("   ") + entry)
    yield line
