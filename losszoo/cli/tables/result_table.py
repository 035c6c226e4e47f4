"""The result of a run as a person reads it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from losszoo.cli.console import Column, fitted, print_blocks
from losszoo.cli.shared_options import counted
from losszoo.cli.tables.class_table import class_table
from losszoo.cli.tables.styled import room_of
from losszoo.cli.threads import processes
from losszoo.common.text import printable
from losszoo.prediction.load_run import predict_command
from losszoo.registry.specs import TaskSpec
from losszoo.training.run_folder.resume import replay_command, resume_command

if TYPE_CHECKING:
    from losszoo.training.run_result import RunResult

_STATUS = {"completed": "green", "stopped-early": "green", "stopped-by-guard": "red", "interrupted": "yellow"}


_LONGEST_LOSS = 80
# Of a metric, as 0.9051 or 58.6898.
_DIGITS = 7


def show(
    result: RunResult,
    task: TaskSpec,
    console: Console,
    twins: Mapping[str, str] = MappingProxyType({}),
    target: str = "",
    by_class: bool = False,
) -> None:
    """Print the result; lines of text stay whole, so that a path can be copied and grep finds it.

    Args:
        result: what a run gave back.
        task: that it was trained on.
        console: where to print; in a pipe every line of a table stays whole too.
        twins: the exhibits in the loss, each with its stable form.
        target: of the task, where it is of the user's own.
        by_class: a table of the classes too.
    """
    print_blocks(render(result, task, room_of(console), by_class), console)
    print_blocks(map(Text, next_steps(result, twins, target)), console)


def render(result: RunResult, task: TaskSpec, room: int | None, by_class: bool = False) -> Iterator[RenderableType]:
    """Status, metrics, classes, published results, guard, folder."""
    yield Text.assemble(
        (result.loss, "bold"),
        f" on {task.name}, seed {result.seed}: ",
        (result.status, _STATUS[result.status]),
        f" after {counted(result.epochs, 'epoch')}, {counted(result.steps, 'step')}, {result.seconds:.1f} s",
    )
    if result.stop_reason:
        yield Text(f"  {result.stop_reason}")
    yield _metrics(result, task.metric, room)
    if task.kind == "binary" and len(result.class_names) == 2:
        yield Text(f"positive class: {printable(result.class_names[1])}", style="dim")
    if by_class:
        yield Text()
        yield from class_table(result.per_class, room)
        yield Text()
    if task.published:
        sources = list(dict.fromkeys(source for *_, source in task.published))
        yield Text()
        yield _published(result, task, sources, room)
        yield _notes(sources)
        yield Text()
    yield _guard(result)
    yield Text(f"run folder: {result.run_dir}")


def next_steps(result: RunResult, twins: Mapping[str, str], target: str) -> Iterator[str]:
    """What can be done with a run, or about one that did not end by itself; a command stands on a line of its own, to
    be pasted."""
    if result.status == "interrupted":
        yield "to resume:"
        yield resume_command(result.run_dir, processes(), result.loss, target)
    if result.status != "stopped-by-guard":
        command = predict_command(result.run_dir)
        if command:
            yield "to predict new rows:"
            yield command
        return
    counts = result.guard
    if not (counts["skipped"] or counts["rollbacks"]):
        yield "next: --on-nonfinite skip or rollback continues past a few such steps"
    for name, twin in twins.items():
        yield f"next: {twin} is the stable form of {name}"
    bundle = (counts["first"] or {}).get("bundle")
    if bundle:
        yield "to repeat the failed step, and see why it failed:"
        yield replay_command(bundle, result.loss, target)
    else:
        yield "config.json in the run folder holds every setting"


def _metrics(result: RunResult, deciding: str, room: int | None) -> Table:
    """A row for each part; where many metrics have no room beside each other, a row for each metric.

    The metric that decides is the first.
    """
    names = sorted(result.metrics["test"], key=lambda name: name != deciding)
    parts = list(result.metrics)
    headings = [name.replace("_", " ") for name in names]
    if room is None or len("train") + sum(max(len(heading), _DIGITS) + 4 for heading in headings) <= room:
        table = _headed(headings)
        for part, metrics in result.metrics.items():
            table.add_row(part, *(_number(metrics[n]) for n in names), style="bold" if part == "test" else "")
        return table
    table = _headed(parts)
    for name, heading in zip(names, headings, strict=True):
        table.add_row(heading, *(_number(result.metrics[part][name]) for part in parts))
    return table


def _headed(headings: list[str]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2))
    table.add_column("")
    for heading in headings:
        table.add_column(heading, justify="right")
    return table


def _published(result: RunResult, task: TaskSpec, sources: list[str], room: int | None) -> Table:
    """Others' results with ours in its place; best first."""
    own = result.metrics["test"][task.metric]
    rows = [
        (value, method, spread, f"[{sources.index(source) + 1}]", "")
        for method, value, spread, source in task.published
    ]
    rows.append((own, f"{_short(result.loss)} (this run)", None, "", "bold cyan"))
    worst = -math.inf if task.direction == "max" else math.inf
    rows.sort(key=lambda row: row[0] if math.isfinite(row[0]) else worst, reverse=task.direction == "max")
    columns = (
        Column(f"test {task.metric} beside published results", left=True),
        Column(task.metric),
        Column("+-"),
        Column("", left=True),
    )
    return fitted(
        columns,
        [
            ((method, _number(value), f"{spread:.4f}" if spread is not None else "", source), style)
            for value, method, spread, source, style in rows
        ],
        room,
    )[0]


def _notes(sources: list[str]) -> Table:
    notes = Table.grid(padding=(0, 1, 0, 0))
    for number, source in enumerate(sources, 1):
        notes.add_row(Text(f"[{number}]", style="dim"), Text(source, style="dim"))
    return notes


def _guard(result: RunResult) -> Text:
    counts = result.guard
    bad = "no non-finite step"
    if counts["nonfinite"]:
        outcome = f"({counts['skipped']} skipped, {counts['rollbacks']} rolled back)"
        bad = f"{counted(counts['nonfinite'], 'non-finite step')} {outcome}"
    said = f"guard: {bad}, {counts['clipped']} clipped"
    first = counts["first"]
    if first is None:
        return Text(said, style="dim")
    where = f"; the first in step {first['step']}: {first['where']}"
    where += f", {first['op']}" if first["op"] else ""
    where += f" at {first['source']}" if first["source"] else ""
    return Text(said + where, style="yellow")


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_LOSS else f"{text[: _LONGEST_LOSS - 3]}..."


def _number(value: float) -> str:
    return f"{value:.4f}"
