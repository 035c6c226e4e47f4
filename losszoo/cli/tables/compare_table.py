"""What a comparison has found, as tables for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from losszoo.cli.console import Column, fitted, no_room_for, print_blocks
from losszoo.cli.shared_options import counted
from losszoo.cli.tables.class_table import class_table
from losszoo.cli.tables.styled import hang, room_of
from losszoo.common.text import printable, some_of
from losszoo.comparison.answer import answer_of, answer_of_ranks
from losszoo.comparison.comparison import Comparison
from losszoo.comparison.row import Row
from losszoo.registry.specs import TaskSpec

_NEXT = {
    "failed": "the same command tries it again",
    "timeout": "a larger --timeout gives it more time, and it resumes where it was ended",
    "killed": "the same command resumes it; fewer --jobs need less memory",
    "missing": "the same command computes it",
}
# The answer is name, mean, deviation and interval. It stays; what failed goes last of the rest.
_COLUMNS = (
    Column("loss", left=True),
    Column("mean"),
    Column("+-"),
    Column("n", spare=4),
    Column("to the best", spare=3),
    Column("95 % interval"),
    Column("non-finite", spare=5),
    Column("seconds", spare=6),
    Column("peak MB", spare=7),
    Column("status", spare=2, left=True),
)


def show(comparison: Comparison, console: Console, by_class: bool = False) -> None:
    """Print tables, ranks, failures and notes; in a pipe every line stays whole.

    Args:
        comparison: what is shown.
        console: where to print.
        by_class: tables of the classes too.
    """
    print_blocks(render(comparison, room_of(console), by_class), console)


def render(comparison: Comparison, room: int | None, by_class: bool = False) -> Iterator[RenderableType]:
    """Every part in reading order.

    Args:
        comparison: what is shown.
        room: columns of the terminal; None in a pipe.
        by_class: a table of the classes below that of the losses.
    """
    for task in comparison.tasks:
        rows = comparison.tables[task.name]
        seeds = counted(len(comparison.seeds), "seed")
        better = "larger" if task.direction == "max" else "smaller"
        title = f": test {task.metric} over {seeds} ({better} is better), best first"
        yield from hang("", Text.assemble((task.name, "bold"), title), room)
        others = list(rows[0].others) if rows else []
        table, gone = fitted(_columns(others), list(_lines(task, rows, others)), room)
        yield table
        if gone:
            yield from hang("", no_room_for(gone), room)
        for remark in _remarks(task, rows):
            yield from hang("", Text(remark, style="dim"), room)
        yield from hang("", Text(printable(answer_of(task, rows)), style="bold"), room)
        yield Text()
        for row in rows if by_class else ():
            yield from class_table(row.per_class, room, row.label)
            yield Text()
    if comparison.ranks:
        yield _ranks(comparison)
        ranked = answer_of_ranks(comparison.ranks, len(comparison.tasks))
        yield from hang("", Text(printable(ranked), style="bold"), room)
        yield Text()
    yield from _failures(comparison)
    for note in comparison.notes:
        yield Text(f"note: {printable(note)}", style="dim")
    done = len(comparison.cells) - len(comparison.failures)
    yield Text(  # in one line, whatever its length: it ends with a path
        f"{done} of {counted(len(comparison.cells), 'cell')} done, {comparison.seconds:.1f} s; "
        f"results: {comparison.out}",
        style="red" if comparison.failures else "dim",
    )


def _columns(others: Sequence[str]) -> tuple[Column, ...]:
    """With a column for each further metric that was asked for, behind the one that decides."""
    return (*_COLUMNS[:3], *(Column(name.replace("_", " "), spare=1) for name in others), *_COLUMNS[3:])


def _lines(task: TaskSpec, rows: Sequence[Row], others: Sequence[str] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Our rows with those of others in their place."""
    sources = list(dict.fromkeys(source for *_, source in task.published))
    placed: list[tuple[float | None, tuple[str, ...], str]] = [(row.mean, _cells(row), _style(row)) for row in rows]
    for method, value, spread, source in task.published:
        name = f"{method} [{sources.index(source) + 1}]"
        placed.append(
            (value, (name, f"{value:.4f}", "" if spread is None else f"{spread:.4f}", *[""] * (7 + len(others))), "dim")
        )
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
        *(_number(value) for value in row.others.values()),
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


def _remarks(task: TaskSpec, rows: Sequence[Row]) -> Iterator[str]:
    """What the columns mean, and where published numbers are from."""
    gaps = [row.difference for row in rows if row.difference is not None]
    if gaps:
        yield (
            "to the best: the mean difference, seed by seed, to the best row of those with most seeds; 95 % interval: "
            "of that difference, by the paired t-test, over seeds on one split"
        )
    if any(gap.low is None for gap in gaps):
        yield "no interval: one pair alone, equal differences with every seed, or two baselines, which no seed changes"
    if any(row.stopped for row in rows):
        yield "stopped by guard: a loss or gradient was not finite; the best state before it counts"
    for number, source in enumerate(dict.fromkeys(source for *_, source in task.published), 1):
        yield f"[{number}] published: {printable(source)}"


def _ranks(comparison: Comparison) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(f"mean rank over {counted(len(comparison.tasks), 'task')}")
    table.add_column("", justify="right")
    for name, rank in comparison.ranks.items():
        table.add_row(Text(printable(name)), f"{rank:.2f}")
    return table


def _failures(comparison: Comparison) -> Iterator[Text]:
    """Each fault once, with the seeds that met it, and what can be done."""
    groups: dict[tuple[str, str, str, str], list[int]] = {}
    for record in comparison.failures:
        error = record["error"] or {"type": "", "message": "not computed"}
        key = record["loss"], record["task"], record["status"], f"{error['message']}"
        groups.setdefault(key, []).append(record["seed"])
    for (loss, task, status, message), seeds in groups.items():
        yield Text(printable(f"{loss} on {task}, seed {some_of(seeds)}: {status}: {message}"), style="red")
    for status in dict.fromkeys(record["status"] for record in comparison.failures):
        yield Text(f"next: {status}: {_NEXT[status]}")
