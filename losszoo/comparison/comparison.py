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


def make_table(task: TaskSpec, records: Mapping[Cell, Mapping[str, Any]], seeds: Sequence[int]) -> list[Row]:
    """The rows of a task, best first; those without a number last."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for cell, record in records.items():
        if cell.task == task.name:
            groups.setdefault((cell.kind, cell.loss), []).append(record)
    scores = {name: _scores(task, group, name[0], seeds) for name, group in groups.items()}
    order = sorted(groups, key=lambda name: place(scores[name].mean, task.direction))
    ordered = {name: scores[name] for name in order}
    differences, best = to_the_best(ordered, task.direction), leader(ordered, task.direction)
    rows = [_row(name, groups[name], own, len(seeds), differences.get(name)) for name, own in ordered.items()]
    return [replace(row, leads=name == best) for name, row in zip(order, rows, strict=True)]


def ranks_of(tables: Mapping[str, Sequence[Row]], tasks: Sequence[TaskSpec]) -> dict[str, float]:
    """The mean rank of each row over several tasks, by its label."""
    means = {task: {row.label: row.mean for row in rows if row.mean is not None} for task, rows in tables.items()}
    return mean_ranks([(means[task.name], task.direction) for task in tasks])


def _scores(task: TaskSpec, records: Sequence[Mapping[str, Any]], kind: str, seeds: Sequence[int]) -> Scores:
    """Test metric by seed, where it is a number; a baseline is the same for every seed."""
    found = {}
    for record in records:
        value = record["result"]["metrics"]["test"].get(task.metric) if record["status"] == "done" else None
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
    )
