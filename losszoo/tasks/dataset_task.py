"""A task from Datasets of yours, one for each part, whose rows are read when they are needed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from losszoo.common.text import counted, kind_name
from losszoo.errors import DataError, UsageError
from losszoo.tasks.dataset_rows import DatasetRows, is_dataset, rows_of
from losszoo.tasks.own_targets import read_targets
from losszoo.tasks.own_task import OwnTask
from losszoo.tasks.task import Split, Splits


class DatasetTask(OwnTask):
    """Datasets, each of which has been read once; see :meth:`losszoo.Task.from_datasets`.

    Args:
        name: of the task.
        datasets: of train, val and test.
        kind: None: told from the targets.
        class_names: of the labels, or of several outputs; empty: of labels they are their own names.
    """

    def __init__(self, name: str, datasets: Sequence[Any], kind: str | None, class_names: Sequence[str]) -> None:
        for part, dataset in zip(Splits._fields, datasets, strict=True):
            if not is_dataset(dataset):
                raise UsageError(f"{part} must be a torch.utils.data.Dataset, got {kind_name(dataset)}")
        self._parts = [rows_of(f"{name}: {part}", data) for part, data in zip(Splits._fields, datasets, strict=True)]
        for part, rows in zip(Splits._fields, self._parts, strict=True):
            if not _length(rows):
                raise DataError(f"task {name}: {part} must hold some rows, got an empty Dataset")
        targets = read_targets([rows.targets for rows in self._parts], kind, class_names)
        if targets.class_names and targets.kind != "multi-output":
            _check_labels(name, self._parts, targets.parts)
        count = sum(map(_length, self._parts))
        self._settle(name, targets, _shape(self._parts[0]), count, f"{counted(count, 'row')} of Datasets")
        self._options = {"kind": kind, "class_names": list(class_names)}

    def splits(self, seed: int = 0) -> Splits:
        """The Datasets as they are: nothing is drawn, whatever the seed."""
        return Splits(*self._parts)

    def identity(self) -> Mapping[str, Any]:
        """Of rows that are read anew each time, the targets and the shape of the inputs are known."""
        digest = hashlib.sha256(repr([_shape(rows) for rows in self._parts]).encode())
        for rows in self._parts:
            digest.update(np.ascontiguousarray(rows.targets).data)
        return {"datasets": self.spec.name, "sha256": digest.hexdigest(), **self._options}


def _length(rows: Split | DatasetRows) -> int:
    return len(rows.targets) if isinstance(rows, Split) else len(rows)


def _shape(rows: Split | DatasetRows) -> tuple[int, ...]:
    return rows.inputs.shape[1:] if isinstance(rows, Split) else rows.shape


def _check_labels(name: str, parts: Sequence[Split | DatasetRows], labels: Sequence[Any]) -> None:
    """The labels of a Dataset are used as it gives them, so they have to count up from 0."""
    for part, rows, wanted in zip(Splits._fields, parts, labels, strict=True):
        given = np.asarray(rows.targets)
        if given.shape != wanted.shape or not np.array_equal(given, wanted):
            seen = ", ".join(map(str, np.unique(given)[:5]))
            raise DataError(
                f"task {name}: {part} labels must be whole numbers from 0 up, one for each row, got {seen} of shape "
                f"{given.shape}; map them in the Dataset"
            )


def make_dataset_task(
    train: Any, val: Any, test: Any, *, kind: str | None, class_names: Sequence[str], name: str
) -> DatasetTask:
    """:meth:`losszoo.Task.from_datasets`."""
    return DatasetTask(name, (train, val, test), kind, class_names)
