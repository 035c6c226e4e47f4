"""What the doctor found in many losses: a line for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from losszoo.cli.shared_options import counted
from losszoo.cli.tables.styled import NARROWEST, hang, room_of, write
from losszoo.common.text import printable
from losszoo.doctor.examine_all import ExaminedLoss
from losszoo.doctor.report.wording import shortest

_HEAD = ("loss", "verdict", "inputs", "float32", "seconds")
_WORDS = 2  # the first columns are words, to the left; the others numbers, to the right


def show_all(losses: Sequence[ExaminedLoss], console: Console) -> None:
    """Print many examinations as a table.

    Args:
        losses: each loss with its examination.
        console: where to print; in a pipe every line stays whole.
    """
    write(table(losses, room_of(console)), console)


def table(losses: Sequence[ExaminedLoss], room: int | None) -> Iterator[Text]:
    """The rows, and how many are as they should be; without room beside a row, its finding stands below it."""
    rows = [_row(loss) for loss in losses]
    widths = [max(map(len, column)) for column in zip(_HEAD, *rows, strict=True)]
    beside = room is None or room - sum(widths) - 2 * len(widths) >= NARROWEST
    yield Text(_line(_HEAD, widths) + ("finding" if beside else ""), style="dim")
    for loss, row in zip(losses, rows, strict=True):
        line = Text(_line(row, widths))
        line.stylize("bold", 0, widths[0])
        line.stylize(_colour(loss), widths[0] + 2, widths[0] + 2 + widths[1])
        said = Text(printable(loss.remark), style="dim" if loss.expected else "")
        if beside:
            yield from hang(line, said, room, widest=room or 0)
        else:
            yield line
            yield from hang("    ", said, room) if said else ()
    yield Text()
    yield from hang("", summary(losses), room)


def _colour(loss: ExaminedLoss) -> str:
    """A sick exhibit is no alarm, and a healthy one is."""
    if loss.expected:
        return "green" if loss.verdict == "healthy" else "dim"
    return "bold red"


def _row(loss: ExaminedLoss) -> tuple[str, ...]:
    name = printable(loss.name)
    if loss.examination is None:
        return name, loss.verdict, "", "", ""
    return (
        name,
        loss.verdict,
        str(loss.examination.probes),
        shortest(loss.examination),
        f"{loss.examination.seconds:.1f}",
    )


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [(cell.ljust if i < _WORDS else cell.rjust)(widths[i]) for i, cell in enumerate(row)]
    return "".join(f"{cell}  " for cell in cells)


def summary(losses: Sequence[ExaminedLoss]) -> str:
    """How many losses are as they should be, and which are not."""
    odd = [loss.name for loss in losses if not loss.expected]
    exhibits = sum(loss.status == "exhibit" for loss in losses)
    said = counted(len(losses), "loss") + (f", {counted(exhibits, 'exhibit')} among them" if exhibits else "")
    if not odd:
        return f"{said}; all as expected: stable ones healthy, exhibits sick."
    return f"{said}; not as expected: {printable(', '.join(odd))}."
