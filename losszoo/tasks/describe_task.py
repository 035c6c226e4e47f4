"""What a task of one's own holds, in plain data: rows, classes, inputs, notes."""

from __future__ import annotations

from typing import Any

import numpy as np

from losszoo.common.text import in_one_line
from losszoo.errors import DataError, LosszooError
from losszoo.registry.registry import installed
from losszoo.tasks.dataset_rows import DatasetRows, is_dataset, rows_of
from losszoo.tasks.make_task import make_task, task_of
from losszoo.tasks.task import Array, Splits, Task


def describe(given: Any) -> dict[str, Any]:
    """What ``losszoo info`` shows of a task that is not installed.

    Args:
        given: "file.py:MyTask", or a task.

    Raises:
        DataError: its splits cannot be had.
    """
    made = task_of(given)[1]
    task = make_task(made, {})
    own = getattr(task, "describe", None)
    told = own() if own is not None else _described(task)
    names = task.class_names
    return {**told, "positive": names[1]} if task.spec.kind == "binary" and len(names) == 2 else told


def _described(task: Task) -> dict[str, Any]:
    try:
        parts = dict(zip(Splits._fields, task.splits(0), strict=True))
        parts = {key: rows_of(key, part) if is_dataset(part) else part for key, part in parts.items()}
        rows = {key: len(part if isinstance(part, DatasetRows) else part.targets) for key, part in parts.items()}
        train = parts["train"]
        shape = train.shape if isinstance(train, DatasetRows) else np.shape(train.inputs)[1:]
    except (LosszooError, MemoryError):
        raise
    except Exception as error:
        raise DataError(f"task {task.spec.name}: its data cannot be read: {in_one_line(error)}") from error
    targets = np.concatenate([np.asarray(part.targets) for part in parts.values()])
    said = {"rows": rows, **_told(task, targets), "shape": list(shape), "notes": list(task.notes)}
    return {**task.spec.to_dict(), **said}


def _told(task: Task, targets: Array) -> dict[str, Any]:
    """Rows, or pixels, of each label; of several labels those that have it; of numbers from where to where they go."""
    kind, names = installed().kind(task.spec.kind), task.class_names
    if kind.labels:
        return {"classes": {name: int((targets == label).sum()) for label, name in enumerate(names)}}
    if targets.ndim > 2:
        return {"classes": {}}
    columns = np.atleast_2d(targets.T)
    names = names or tuple(map(str, range(len(columns))))
    if task.spec.kind == "multilabel":
        return {"classes": dict(zip(names, columns.sum(1).astype(int).tolist(), strict=True))}
    spans = [[float(column.min()), float(column.max())] for column in columns]
    if targets.ndim == 1:
        return {"classes": {}, "range": spans[0]}
    return {"classes": {}, "ranges": dict(zip(names, spans, strict=True))}
