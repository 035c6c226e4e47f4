"""What the losses gave on a task, measured once and kept beside the task: ``measured.json`` in its package."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from losszoo.registry.registry import Registry
from losszoo.registry.specs import TaskSpec

FILE = "measured.json"


@dataclass(frozen=True)
class Measured:
    """A loss on a task: the mean and the standard deviation of the test metric over the seeds, and its place.

    Args:
        task: name of the task.
        loss: name of the loss.
        expression: what was trained; a penalty stands in a sum.
        metric: of the task.
        mean: over the seeds.
        std: sample standard deviation over the seeds; None for one seed.
        seeds: how many.
        place: of the mean among those of all losses that were measured on the task; equal means share a place.
        among: how many losses were measured.
    """

    task: str
    loss: str
    expression: str
    metric: str
    mean: float
    std: float | None
    seeds: int
    place: int
    among: int


def measured_losses(registry: Registry, task: TaskSpec) -> list[Measured]:
    """Every loss that was measured on a task, the best first; nothing where its package has no such table.

    A table that was made with another metric is none for this task.
    """
    package = task.target.partition(":")[0].partition(".")[0]
    table = _tables(package).get(task.name)
    if not isinstance(table, Mapping) or table.get("metric") != task.metric:
        return []
    rows = [row for row in table.get("rows", ()) if _is_row(row) and row["loss"] in registry.losses]
    means = [statistics.fmean(row["values"]) for row in rows]
    sign = -1 if task.direction == "max" else 1
    found = [
        Measured(
            task=task.name,
            loss=row["loss"],
            expression=row["expression"],
            metric=task.metric,
            mean=mean,
            std=statistics.stdev(row["values"]) if len(row["values"]) > 1 else None,
            seeds=len(row["values"]),
            place=1 + sum(sign * other < sign * mean for other in means),
            among=len(rows),
        )
        for row, mean in zip(rows, means, strict=True)
    ]
    return sorted(found, key=lambda result: (result.place, result.loss))


def measured_on(registry: Registry, loss: str) -> Iterator[Measured]:
    """A loss on every task where it was measured, in the order of the tasks."""
    for task in registry.tasks.values():
        yield from (result for result in measured_losses(registry, task) if result.loss == loss)


def _tables(package: str) -> Mapping[str, Any]:
    """The tables of a package by task; the package is not imported, and one that cannot be read has none."""
    spec = find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        try:
            content = json.loads(Path(folder, FILE).read_text("utf-8"))
        except (OSError, ValueError):
            continue
        tables = content.get("tasks") if isinstance(content, Mapping) else None
        return tables if isinstance(tables, Mapping) else {}
    return {}


def _is_row(row: Any) -> bool:
    """A loss, what was trained, and a finite number for each seed."""
    if not isinstance(row, Mapping) or not all(isinstance(row.get(key), str) for key in ("loss", "expression")):
        return False
    values = row.get("values")
    numbers = isinstance(values, list) and all(
        isinstance(value, int | float) and math.isfinite(value) for value in values
    )
    return numbers and bool(values)
