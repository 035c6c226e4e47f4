"""What was measured, as a table for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

from losszoo.bench.bench_result import Cell, Report, Row
from losszoo.bench.cost_model import Forecast
from losszoo.cli.console import Cells, Column, fitted, no_room_for, print_blocks
from losszoo.cli.shared_options import counted
from losszoo.cli.tables.styled import hang, room_of
from losszoo.common.text import human_bytes, human_count, human_seconds, human_times, printable

_STATUS = {"memory": "out of memory", "timeout": "timeout", "killed": "killed", "raised": "raised"}
# The answer is the size, the peer, the time, and how much faster and smaller; what others need goes first.
_COLUMNS = (
    Column("size"),
    Column("dim"),
    Column("peer", left=True),
    Column("time"),
    Column("peer's time", spare=2),
    Column("faster"),
    Column("memory", spare=1),
    Column("peer's memory", spare=3),
    Column("less"),
)
_PREDICTED = (
    Column("predicted", left=True),
    Column("of", left=True),
    Column("what", left=True),
    Column("rows"),
    Column("dim", spare=1),
    Column("cost"),
    Column("checked at", spare=3),
    Column("measured there", spare=4),
    Column("predicted there", spare=5),
    Column("error", spare=2),
)


def show(report: Report, console: Console) -> None:
    """Print a table for every loss, what went wrong, predictions, notes and the machine."""
    print_blocks(render(report, room_of(console)), console)


def render(report: Report, room: int | None) -> Iterator[RenderableType]:
    """Every part in reading order.

    Args:
        report: what is shown.
        room: columns of the terminal; None in a pipe.
    """
    for loss in dict.fromkeys(row.loss for row in report.rows):
        rows = [row for row in report.rows if row.loss == loss]
        yield Text(printable(loss), style="bold")
        yield from _shown(_COLUMNS, [(_cells(row, rows), "red" if row.differs else "") for row in rows], room)
        yield from map(_trouble, _troubled(rows))
        yield Text()
    if report.forecasts:
        yield from _shown(_PREDICTED, [(_forecast(one), "") for one in report.forecasts], room)
        yield Text()
    for note in report.notes:
        yield Text(f"note: {printable(note)}", style="dim")
    yield Text(machine_line(report.machine), style="dim")
    yield Text(
        f"{report.verdict.replace('-', ' ')}, {human_seconds(report.seconds)}",
        style="red" if report.verdict in ("differs", "failed") else "dim",
    )


def machine_line(machine: dict[str, Any]) -> str:
    """Processor, cores, threads and versions in one line."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    threads = counted(machine["threads"], "thread") if machine["threads"] else "threads unknown"
    device = "" if machine["device"] == "cpu" else f", {machine['device']}"
    return printable(f"{machine['processor']}, {counted(machine['cores'], 'core')}, {threads}{device}; {versions}")


def _shown(columns: Sequence[Column], rows: Cells, room: int | None) -> Iterator[RenderableType]:
    """A table, and what of it found no room."""
    table, gone = fitted(columns, rows, room)
    yield table
    if gone:
        yield from hang("", no_room_for(gone), room)


def _cells(row: Row, rows: Sequence[Row]) -> tuple[str, ...]:
    peer = row.peer
    return (
        row.size,
        str(row.dim) if len({other.dim for other in rows}) > 1 else "",
        peer.name if peer else "",
        _time(row.zoo),
        _time(peer) if peer else "",
        "differs" if row.differs else _faster(row),
        _memory(row.zoo),
        _memory(peer) if peer else "",
        "" if row.memory_ratio is None else human_times(row.memory_ratio),
    )


def _time(cell: Cell) -> str:
    return _STATUS.get(cell.status, "") if cell.seconds is None else human_seconds(cell.seconds)


def _memory(cell: Cell) -> str:
    return "" if cell.extra_bytes is None else human_bytes(cell.extra_bytes)


def _faster(row: Row) -> str:
    if row.ratio is None:
        return ""
    return f"{human_times(row.ratio['median'])} ({row.ratio['low']:.2g} to {row.ratio['high']:.2g})"


def _troubled(rows: list[Row]) -> list[str]:
    """What is said of each cell that is not as it should be, once."""
    said: list[str] = []
    for row in rows:
        if row.agreement is not None and row.differs and row.peer is not None:
            told = row.agreement
            values = f"losszoo {told['value']:.9g}, {row.peer.name} {told['peer_value']:.9g}"
            said.append(f"{row.size}: {values}; gradients differ by {told['gradient']:.1e} of their norm")
        for cell in (row.zoo, row.peer):
            if cell is not None and cell.said:
                said.append(f"{row.size}, {cell.name}: {_STATUS.get(cell.status, cell.status)}: {cell.said}")
    return list(dict.fromkeys(said))


def _trouble(said: str) -> Text:
    return Text(f"  {printable(said)}", style="yellow")


def _forecast(one: Forecast) -> tuple[str, ...]:
    human = human_seconds if one.what == "seconds" else human_bytes
    return (
        one.loss,
        one.side,
        one.what.replace("_", " "),
        human_count(one.rows),
        str(one.dim),
        human(one.predicted),
        human_count(one.check.rows),
        human(one.check.measured),
        human(one.check.predicted),
        f"{one.check.error:+.0%}",
    )
