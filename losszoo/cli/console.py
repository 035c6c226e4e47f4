"""What is printed with rich: whole blocks on a console."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from losszoo.common.text import printable

# In a pipe a line has no end.
PIPE_WIDTH = 10_000
_GAP = 2
# A name in lines shorter than this cannot be read.
_NARROWEST = 16
# The rows of a table: cells, and a style.
Cells = Sequence[tuple[Sequence[str], str]]


@dataclass(frozen=True)
class Column:
    """A column of a table that is never cut.

    Args:
        head: its heading.
        spare: 0 always stays; of the others the largest goes first where the terminal is too narrow.
        left: words, to the left; numbers stand to the right.
    """

    head: str
    spare: int = 0
    left: bool = False


def print_blocks(blocks: Iterable[RenderableType], console: Console) -> None:
    """Print blocks; lines of text stay whole, so that a path can be copied, and in a pipe those of tables too."""
    if not (console.file.isatty() or os.environ.get("COLUMNS")):
        console.width = PIPE_WIDTH
    with console.capture() as printed:
        for block in blocks:
            console.print(block, soft_wrap=isinstance(block, Text), crop=False)
    console.file.write("".join(f"{line.rstrip()}\n" for line in printed.get().splitlines()))
    console.file.flush()


def fitted(columns: Sequence[Column], rows: Cells, room: int | None) -> tuple[Table, list[str]]:
    """A table in which every cell that is shown is whole, and the headings of the columns that found no room.

    Columns without content are left out; then, as long as the rest is too wide, the most spare one. What must stay
    and is still too wide: the words of the first column stand in several lines, the numbers reach beyond the end.

    Args:
        columns: of the table, the first one with the names, which no row lacks.
        rows: the cells, and the style of each row.
        room: columns of the terminal; None in a pipe.
    """
    cells = [tuple(Text(printable(cell)) for cell in row) for row, _ in rows]
    columns = [replace(column, head=printable(column.head)) for column in columns]
    widths = [max([len(column.head), *(row[i].cell_len for row in cells)]) for i, column in enumerate(columns)]
    shown = [i for i in range(len(columns)) if any(row[i].plain for row in cells)]
    gone = []
    for spare in sorted((i for i in shown if columns[i].spare), key=lambda i: -columns[i].spare):
        if room is None or _wide(widths, shown) <= room:
            break
        shown.remove(spare)
        gone.append(spare)
    if room is not None:
        widths[0] = min(widths[0], max(_NARROWEST, room - _wide(widths, shown) + widths[0]))
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="dim", width=_wide(widths, shown))
    for i in shown:
        side = "left" if columns[i].left else "right"
        table.add_column(columns[i].head, justify=side, no_wrap=i > 0, overflow="fold", width=widths[i])  # type: ignore[arg-type]
    for row, (_, style) in zip(cells, rows, strict=True):
        table.add_row(*(row[i] for i in shown), style=style)
    return table, [columns[i].head for i in sorted(gone)]


def _wide(widths: Sequence[int], shown: Sequence[int]) -> int:
    return sum(widths[i] for i in shown) + _GAP * (len(shown) - 1)


def no_room_for(headings: Sequence[str]) -> Text:
    """What a table lacks in this terminal."""
    return Text(f"no room for: {', '.join(headings)}; a wider terminal or --json shows them", style="dim")
