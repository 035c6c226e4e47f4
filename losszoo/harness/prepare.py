"""From a task's arrays to tensors: checked, and scaled by what the training rows say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from losszoo.errors import DataError
from losszoo.harness.task import Array, Split, Splits, Task


@dataclass(frozen=True)
class Part:
    """One split as tensors. Regression targets are standardised; see :attr:`Prepared.center` and ``scale``."""

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return self.inputs.shape[0]


@dataclass(frozen=True)
class Prepared:
    """All that training needs of the data.

    Args:
        train: training rows.
        val: validation rows.
        test: test rows.
        kind: of the task.
        classes: how many labels; 0 where the targets are numbers or masks.
        center: mean of the training targets (regression; else 0).
        scale: deviation of the training targets (regression; else 1).
    """

    train: Part
    val: Part
    test: Part
    kind: str
    classes: int
    center: float = 0.0
    scale: float = 1.0


def prepare(task: Task, seed: int, device: torch.device) -> Prepared:
    """Load, check and scale the data of a task.

    Raises:
        DataError: NaN or infinite entries (row and column), labels out of range, too few rows or classes.
    """
    kind, name = task.spec.kind, task.spec.name
    splits = task.splits(seed)
    for part, split in zip(Splits._fields, splits, strict=True):
        _check_split(name, part, split)
    classes = 0 if kind in ("regression", "segmentation") else _count_classes(name, kind, splits)
    mean, deviation = _moments(task, splits.train.inputs)
    center, scale = 0.0, 1.0
    if kind == "regression":
        center = float(splits.train.targets.mean())
        scale = float(splits.train.targets.std()) or 1.0
    dtype = torch.int64 if classes else torch.float32

    def tensors(split: Split) -> Part:
        inputs = torch.from_numpy(((split.inputs - mean) / deviation).astype(np.float32))
        targets = torch.as_tensor(np.array(split.targets)).to(dtype)
        return Part(
            inputs.to(device), ((targets - center) / scale if kind == "regression" else targets).to(device)
        )

    return Prepared(
        *(tensors(split) for split in splits), kind=kind, classes=classes, center=center, scale=scale
    )


def _check_split(name: str, part: str, split: Split) -> None:
    rows = len(split.inputs)
    if rows == 0 or len(split.targets) != rows:
        raise DataError(
            f"task {name}: {part} must hold as many targets as rows, and some, however: {rows} rows, {len(split.targets)} targets"
        )
    for what, values in (("inputs", split.inputs), ("targets", split.targets)):
        if not np.issubdtype(values.dtype, np.number) and values.dtype != np.bool_:
            raise DataError(f"task {name}: {part} {what} must be numbers, however: dtype {values.dtype}")
        bad = np.argwhere(~np.isfinite(values))
        if len(bad):
            row, *rest = bad[0]
            column = f", column {', '.join(map(str, rest))}" if rest else ""
            raise DataError(
                f"task {name}: {part} {what} must be finite, however: row {row}{column} holds {values[tuple(bad[0])]} "
                f"({len(bad)} such entries); drop or impute them before training"
            )


def _count_classes(name: str, kind: str, splits: Splits) -> int:
    for part, split in zip(Splits._fields, splits, strict=True):
        if not np.issubdtype(split.targets.dtype, np.integer) or split.targets.min() < 0:
            raise DataError(
                f"task {name}: {part} labels must be whole numbers from 0, however: {split.targets.dtype}, least {split.targets.min()}"
            )
    seen = np.unique(splits.train.targets)
    if len(seen) < 2:
        raise DataError(
            f"task {name}: the training rows must hold at least two classes, however: only class {seen[0]} ({len(splits.train.targets)} rows)"
        )
    classes = int(seen.max()) + 1
    if kind == "retrieval":
        return classes
    for part, split in zip(("val", "test"), (splits.val, splits.test), strict=True):
        if split.targets.max() >= classes:
            row = int(np.argmax(split.targets))
            raise DataError(
                f"task {name}: {part} labels must be in 0..{classes - 1} as in training, however: row {row} holds {split.targets[row]}"
            )
    return classes


def _moments(task: Task, inputs: Array) -> tuple[Array, Array]:
    """Mean and deviation of the numeric columns of the training rows; 0 and 1 for everything else."""
    mean = np.zeros(inputs.shape[1:], np.float64)
    deviation = np.ones(inputs.shape[1:], np.float64)
    if inputs.ndim == 2:
        numeric = inputs.shape[1] if task.numeric is None else task.numeric
        mean[:numeric] = inputs[:, :numeric].mean(0, dtype=np.float64)
        spread = inputs[:, :numeric].std(0, dtype=np.float64)
        deviation[:numeric] = np.where(spread > 0, spread, 1.0)  # a constant column says nothing, and stays 0
    return mean, deviation
