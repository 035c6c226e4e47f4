"""What was measured, as a table for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from losszoo.bench.model import Forecast
from losszoo.bench.result import Cell, Report, Row
from losszoo.bench.units import human_bytes, human_count, human_seconds, human_times
from losszoo.cli.console import print_blocks
from losszoo.registry.discovery import printable

_STATUS = {"memory": "out of memory", "timeout": "timeout", "killed": "killed", "raised": "raised"}
_HEAD = ("size", "peer", "time", "peer's", "faster", "memory", "peer's", "less")


def show(report: Report, console: Console) -> None:
    """Print a table for every loss, what went wrong, predictions, notes and the machine."""
    print_blocks(render(report), console)


def render(report: Report) -> Iterator[RenderableType]:
    """Every part in reading order."""
    for loss in dict.fromkeys(row.loss for row in report.rows):
        rows = [row for row in report.rows if row.loss == loss]
        yield Text(printable(loss), style="bold")
        yield _table(rows)
        yield from map(_trouble, _troubled(rows))
        yield Text()
    if report.forecasts:
        yield _predicted(report.forecasts)
        yield Text()
    for note in report.notes:
        yield Text(f"note: {printable(note)}", style="dim")
    yield Text(machine_line(report.machine), style="dim")
    yield Text(
        f"{report.verdict}, {human_seconds(report.seconds)}", style="dim" if report.verdict == "agrees" else "red"
    )


def machine_line(machine: dict[str, Any]) -> str:
    """Processor, cores, threads and versions in one line."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    threads = f"{machine['threads']} threads" if machine["threads"] else "threads unknown"
    device = "" if machine["device"] == "cpu" else f", {machine['device']}"
    return printable(f"{machine['processor']}, {machine['cores']} cores, {threads}{device}; {versions}")


def _table(rows: list[Row]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    wide = len({row.dim for row in rows}) > 1
    for place, name in enumerate(("dim", *_HEAD) if wide else _HEAD):
        table.add_column(name, justify="left" if name == "peer" and place < 3 else "right", no_wrap=True)
    for row in rows:
        cells = (str(row.dim), *_cells(row)) if wide else _cells(row)
        table.add_row(*(Text(printable(cell)) for cell in cells), style="red" if row.differs else "")
    return table


def _cells(row: Row) -> tuple[str, ...]:
    peer = row.peer
    return (
        row.size,
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


def _predicted(forecasts: list[Forecast]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("predicted", "of", "what", "rows", "dim", "cost", "checked at", "measured", "predicted", "error"):
        table.add_column(name, justify="left" if name in ("predicted", "of", "what") else "right", no_wrap=True)
    for one in forecasts:
        human = human_seconds if one.what == "seconds" else human_bytes
        cells = (
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
        table.add_row(*(Text(printable(cell)) for cell in cells))
    return table
