"""What a comparison has found: cells, a table for every task, ranks over the tasks."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from losszoo.comparison.answer import answer_of, answer_of_ranks
from losszoo.comparison.cell import Cell
from losszoo.comparison.row import Row as Row
from losszoo.comparison.statistics import Difference, Scores, deviation, leader, mean, mean_ranks, place, to_the_best
from losszoo.registry.specs import TaskSpec
from losszoo.tasks.tables.frames import frame_of
from losszoo.training.run_result import RESULT_COLUMNS, metric_rows


@dataclass(frozen=True)
class Comparison:
    """The result of :func:`losszoo.compare`.

    Args:
        tasks: their announcements.
        losses: texts.
        seeds: of the runs.
        out: folder of the comparison.
        cells: every record, as ``cell.json`` holds it, with its ``folder``.
        tables: for every task its rows, best first.
        ranks: mean rank over all tasks by label, of those that have a number on all of them; empty for one task.
        notes: what was merged, left out or computed anew.
        options: what was asked for.
        seconds: of the whole comparison.
    """

    tasks: tuple[TaskSpec, ...]
    losses: tuple[str, ...]
    seeds: tuple[int, ...]
    out: str
    cells: Sequence[Mapping[str, Any]]
    tables: Mapping[str, Sequence[Row]]
    ranks: Mapping[str, float]
    notes: Sequence[str]
    options: Mapping[str, Any]
    seconds: float = 0.0

    @property
    def failures(self) -> list[Mapping[str, Any]]:
        """The cells without a result."""
        return [record for record in self.cells if record["status"] != "done"]

    def to_frame(self) -> Any:
        """A pandas DataFrame, flat: task, loss, kind, seed, status, part, metric, value, seconds.

        A row for each cell, part and metric; ``kind`` tells a loss from a baseline, and ``status`` is that of the cell.
        A cell without a result has one row, whose part and metric are empty and whose value is NaN.

        Raises:
            UsageError: pandas is not installed.

        Example:
            >>> import tempfile, losszoo
            >>> found = losszoo.compare(["mse", "mae"], ["diabetes"], seeds=1, epochs=1, out=tempfile.mkdtemp())
            >>> frame = found.to_frame()
            >>> test = frame[(frame.part == "test") & (frame.metric == "rmse")]
            >>> sorted(test.loss), test.value.notna().all().item()
            (['mae', 'mse'], True)
        """
        rows = []
        for record in self.cells:
            told = {name: record[name] for name in ("task", "loss", "kind", "seed", "status")}
            result = record["result"] or {}
            empty = {**told, "part": None, "metric": None, "value": math.nan}
            rows += [{**row, "seconds": result.get("seconds")} for row in _rows(result, told) or [empty]]
        return frame_of(rows, (*RESULT_COLUMNS[:2], "kind", *RESULT_COLUMNS[2:], "seconds"))

    @property
    def answer(self) -> str:
        """A sentence for every task: which is best, by how much, how sure that is; over several, the best mean rank."""
        said = [answer_of(task, self.tables[task.name]) for task in self.tasks]
        return "\n".join(filter(None, [*said, answer_of_ranks(self.ranks, len(self.tasks))]))

    def to_dict(self) -> dict[str, Any]:
        """The document of ``losszoo compare --json``."""
        return {
            **vars(self),
            "tasks": [task.name for task in self.tasks],
            "losses": list(self.losses),
            "seeds": list(self.seeds),
            "tables": {task: [row.to_dict() for row in rows] for task, rows in self.tables.items()},
            "failures": self.failures,
            "answer": self.answer,
        }


def _rows(result: Mapping[str, Any], told: Mapping[str, Any]) -> list[dict[str, Any]]:
    return metric_rows(result.get("metrics", {}), **told)


def make_table(
    task: TaskSpec, records: Mapping[Cell, Mapping[str, Any]], seeds: Sequence[int], others: Sequence[str] = ()
) -> list[Row]:
    """The rows of a task, best first; those without a number last.

    Args:
        task: its spec, with the metric that decides.
        records: of the cells.
        seeds: that were asked for.
        others: names of further metrics, whose means are shown.
    """
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for cell, record in records.items():
        if cell.task == task.name:
            groups.setdefault((cell.kind, cell.loss), []).append(record)
    scores = {name: _scores(task.metric, group, name[0], seeds) for name, group in groups.items()}
    order = sorted(groups, key=lambda name: place(scores[name].mean, task.direction))
    ordered = {name: scores[name] for name in order}
    differences, best = to_the_best(ordered, task.direction), leader(ordered, task.direction)
    rows = [_row(name, groups[name], own, len(seeds), differences.get(name)) for name, own in ordered.items()]
    further = [{metric: _scores(metric, groups[name], name[0], seeds).mean for metric in others} for name in ordered]
    return [
        replace(row, others=means, leads=name == best) for name, row, means in zip(order, rows, further, strict=True)
    ]


def ranks_of(tables: Mapping[str, Sequence[Row]], tasks: Sequence[TaskSpec]) -> dict[str, float]:
    """The mean rank of each row over several tasks, by its label."""
    means = {task: {row.label: row.mean for row in rows if row.mean is not None} for task, rows in tables.items()}
    return mean_ranks([(means[task.name], task.direction) for task in tasks])


def _scores(metric: str, records: Sequence[Mapping[str, Any]], kind: str, seeds: Sequence[int]) -> Scores:
    """Test metric by seed, where it is a number; a baseline is the same for every seed."""
    found = {}
    for record in records:
        value = record["result"]["metrics"]["test"].get(metric) if record["status"] == "done" else None
        if value is not None and math.isfinite(value):
            found[record["seed"]] = value
    if kind == "loss":
        return Scores(found)
    return Scores(dict.fromkeys(seeds, next(iter(found.values()))) if found else {}, constant=True)


def _row(
    name: tuple[str, str],
    records: Sequence[Mapping[str, Any]],
    scores: Scores,
    asked: int,
    difference: Difference | None,
) -> Row:
    kind, loss = name
    results = [record["result"] for record in records if record["status"] == "done"]
    values = list(scores.values.values())
    alone = scores.constant
    return Row(
        loss=loss,
        kind=kind,
        mean=scores.mean,
        std=None if alone else deviation(values),
        n=min(1, len(values)) if alone else len(values),
        asked=1 if alone else asked,
        difference=difference,
        nonfinite=sum(result.get("guard", {}).get("nonfinite", 0) for result in results),
        stopped=sum(result.get("status") == "stopped-by-guard" for result in results),
        statuses=dict(Counter(record["status"] for record in records)),
        seconds=mean([result["seconds"] for result in results if result["seconds"] is not None]),
        peak_memory_mb=max(
            (record["peak_memory_mb"] for record in records if record["peak_memory_mb"] is not None), default=None
        ),
        per_class=_per_class([result.get("per_class") or {} for result in results]),
    )


def _per_class(results: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, float | None]]:
    """Means over the runs, of which one of an earlier version has no classes."""
    known = [classes for classes in results if classes]
    if not known:
        return {}
    return {
        name: {key: mean([classes[name][key] for classes in known if name in classes]) for key in row}
        for name, row in known[0].items()
    }
