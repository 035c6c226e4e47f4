"""What the doctor found in many losses: a line for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from losszoo.cli.shared_options import counted
from losszoo.cli.tables.styled import NARROWEST, hang, room_of, write
from losszoo.common.text import printable
from losszoo.doctor.examine_all import Patient
from losszoo.doctor.report.wording import shortest

_HEAD = ("loss", "verdict", "inputs", "float32", "seconds")
_WORDS = 2  # the first columns are words, to the left; the others numbers, to the right


def show_all(patients: Sequence[Patient], console: Console) -> None:
    """Print many examinations as a table.

    Args:
        patients: each loss with its examination.
        console: where to print; in a pipe every line stays whole.
    """
    write(table(patients, room_of(console)), console)


def table(patients: Sequence[Patient], room: int | None) -> Iterator[Text]:
    """The rows, and how many are as they should be; without room beside a row, its finding stands below it."""
    rows = [_row(patient) for patient in patients]
    widths = [max(map(len, column)) for column in zip(_HEAD, *rows, strict=True)]
    beside = room is None or room - sum(widths) - 2 * len(widths) >= NARROWEST
    yield Text(_line(_HEAD, widths) + ("finding" if beside else ""), style="dim")
    for patient, row in zip(patients, rows, strict=True):
        line = Text(_line(row, widths))
        line.stylize("bold", 0, widths[0])
        line.stylize(_colour(patient), widths[0] + 2, widths[0] + 2 + widths[1])
        said = Text(printable(patient.remark), style="dim" if patient.expected else "")
        if beside:
            yield from hang(line, said, room, widest=room or 0)
        else:
            yield line
            yield from hang("    ", said, room) if said else ()
    yield Text()
    yield from hang("", summary(patients), room)


def _colour(patient: Patient) -> str:
    """A sick exhibit is no alarm, and a healthy one is."""
    if patient.expected:
        return "green" if patient.verdict == "healthy" else "dim"
    return "bold red"


def _row(patient: Patient) -> tuple[str, ...]:
    name = printable(patient.name)
    if patient.examination is None:
        return name, patient.verdict, "", "", ""
    return (
        name,
        patient.verdict,
        str(patient.examination.probes),
        shortest(patient.examination),
        f"{patient.examination.seconds:.1f}",
    )


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [(cell.ljust if i < _WORDS else cell.rjust)(widths[i]) for i, cell in enumerate(row)]
    return "".join(f"{cell}  " for cell in cells)


def summary(patients: Sequence[Patient]) -> str:
    """How many losses are as they should be, and which are not."""
    odd = [patient.name for patient in patients if not patient.expected]
    exhibits = sum(patient.status == "exhibit" for patient in patients)
    said = counted(len(patients), "loss") + (f", {counted(exhibits, 'exhibit')} among them" if exhibits else "")
    if not odd:
        return f"{said}; all as expected: stable ones healthy, exhibits sick."
    return f"{said}; not as expected: {printable(', '.join(odd))}."
