"""What a comparison has found, as tables for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from losszoo.cli.common import counted
from losszoo.cli.console import print_blocks
from losszoo.errors import some_of
from losszoo.registry.discovery import printable
from losszoo.registry.specs import TaskSpec
from losszoo.runs.comparison import Comparison, Row

_NEXT = {
    "failed": "the same command tries it again",
    "timeout": "a larger --timeout gives it more time, and it goes on where it was ended",
    "killed": "the same command goes on where it was killed; fewer --jobs need less memory",
    "missing": "the same command computes it",
}


def show(found: Comparison, console: Console) -> None:
    """Print tables, ranks, failures and notes; in a pipe every line stays whole."""
    print_blocks(render(found), console)


def render(found: Comparison) -> Iterator[RenderableType]:
    """Every part in reading order."""
    for task in found.tasks:
        rows = found.tables[task.name]
        seeds = counted(len(found.seeds), "seed")
        better = "larger" if task.direction == "max" else "smaller"
        yield Text.assemble((task.name, "bold"), f": test {task.metric} over {seeds} ({better} is better), best first")
        yield _table(task, rows)
        yield from _remarks(task, rows)
        yield Text()
    if found.ranks:
        yield _ranks(found)
        yield Text()
    yield from _failures(found)
    for note in found.notes:
        yield Text(f"note: {printable(note)}", style="dim")
    done = len(found.cells) - len(found.failures)
    yield Text(
        f"{done} of {counted(len(found.cells), 'cell')} done, {found.seconds:.1f} s; results: {found.out}",
        style="red" if found.failures else "dim",
    )


def _table(task: TaskSpec, rows: Sequence[Row]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    heads = ("loss", "mean", "+-", "n", "to the best", "95 % interval", "non-finite", "seconds", "peak MB", "")
    for place, name in enumerate(heads):
        table.add_column(name, justify="left" if place in (0, len(heads) - 1) else "right", no_wrap=True)
    for cells, style in _lines(task, rows):
        table.add_row(*(Text(printable(cell)) for cell in cells), style=style)
    return table


def _lines(task: TaskSpec, rows: Sequence[Row]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Our rows with those of others in their place."""
    sources = list(dict.fromkeys(source for *_, source in task.published))
    placed: list[tuple[float | None, tuple[str, ...], str]] = [(row.mean, _cells(row), _style(row)) for row in rows]
    for method, value, spread, source in task.published:
        cells = (method, f"{value:.4f}", "" if spread is None else f"{spread:.4f}", *[""] * 6)
        placed.append((value, (*cells, f"published [{sources.index(source) + 1}]"), "dim"))
    sign = -1.0 if task.direction == "max" else 1.0
    placed.sort(key=lambda line: (line[0] is None, sign * (line[0] or 0.0)))
    yield from ((cells, style) for _, cells, style in placed)


def _style(row: Row) -> str:
    if any(status != "done" for status in row.statuses):
        return "red"
    return "yellow" if row.stopped else ""


def _cells(row: Row) -> tuple[str, ...]:
    gap = row.difference
    return (
        row.label,
        _number(row.mean),
        _number(row.std),
        f"{row.n}/{row.asked}",
        "" if gap is None else f"{gap.mean:+.4f}",
        "" if gap is None or gap.low is None or gap.high is None else f"{gap.low:+.4f} to {gap.high:+.4f}",
        str(row.nonfinite) if row.kind == "loss" else "",
        "" if row.seconds is None else f"{row.seconds:.1f}",
        "" if row.peak_memory_mb is None else f"{row.peak_memory_mb:.0f}",
        _status(row),
    )


def _status(row: Row) -> str:
    said = [f"{count} {status}" for status, count in row.statuses.items() if status != "done"]
    return ", ".join([*said, *([f"{row.stopped} stopped by guard"] if row.stopped else [])])


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _remarks(task: TaskSpec, rows: Sequence[Row]) -> Iterator[Text]:
    """What the columns mean, and where published numbers are from."""
    gaps = [row.difference for row in rows if row.difference is not None]
    if gaps:
        yield Text(
            "to the best: mean of the differences, seed by seed, to the best row of those with most seeds; its 95 % "
            "interval is that of the paired t-test, over seeds on one split",
            style="dim",
        )
    if any(gap.low is None for gap in gaps):
        yield Text(
            "no interval: one pair alone, the same difference with every seed, or two baselines, which no seed changes",
            style="dim",
        )
    if any(row.stopped for row in rows):
        yield Text("stopped by guard: a loss or gradient was not finite; the best state before it counts", style="dim")
    for number, source in enumerate(dict.fromkeys(source for *_, source in task.published), 1):
        yield Text(f"[{number}] {source}", style="dim")


def _ranks(found: Comparison) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(f"mean rank over {counted(len(found.tasks), 'task')}")
    table.add_column("", justify="right")
    for name, rank in found.ranks.items():
        table.add_row(Text(printable(name)), f"{rank:.2f}")
    return table


def _failures(found: Comparison) -> Iterator[Text]:
    """Each fault once, with the seeds that met it, and what can be done."""
    groups: dict[tuple[str, str, str, str], list[int]] = {}
    for record in found.failures:
        error = record["error"] or {"type": "", "message": "not computed"}
        key = record["loss"], record["task"], record["status"], f"{error['message']}"
        groups.setdefault(key, []).append(record["seed"])
    for (loss, task, status, message), seeds in groups.items():
        yield Text(printable(f"{loss} on {task}, seed {some_of(seeds)}: {status}: {message}"), style="red")
    for status in dict.fromkeys(record["status"] for record in found.failures):
        yield Text(f"next: {status}: {_NEXT[status]}")
