"""From a task's arrays to tensors: checked, and scaled by what the training rows say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from losszoo.common.text import in_one_line, kind_name, shown
from losszoo.errors import DataError, LosszooError, MissingDataError, UsageError
from losszoo.losses.signatures.kind import Kind, count_classes, refuse
from losszoo.registry.registry import installed
from losszoo.registry.specs import DOWNLOAD
from losszoo.tasks.task import Array, Setup, Split, Splits, Task

_LARGEST = np.float64(np.finfo(np.float32).max)  # of numpy: a float of Python would become float16 beside float16


@dataclass(frozen=True)
class Part:
    """One split as tensors; regression targets are standardised (see :class:`Prepared`).

    Args:
        inputs: (N, ...).
        targets: of the rows.
        weights: (N,), how often each row counts, >= 0; None: all alike.
    """

    inputs: Tensor
    targets: Tensor
    weights: Tensor | None = None

    def __len__(self) -> int:
        return self.inputs.shape[0]

    def weights_with(self, class_weights: Tensor | None) -> Tensor | None:
        """How often each row counts by itself and by its class; None: all alike."""
        if class_weights is None:
            return self.weights
        by_class = class_weights[self.targets]
        return by_class if self.weights is None else self.weights * by_class


@dataclass(frozen=True)
class Scaling:
    """How the leading columns of a table are scaled, by what the training rows say; other inputs stay as they are.

    Args:
        mean: of the columns that are numbers; empty where nothing is scaled.
        deviation: of the same columns, never 0.
    """

    mean: Array
    deviation: Array

    @classmethod
    def fitted(cls, inputs: Array, numeric: int | None, weights: Array | None) -> Scaling:
        """Mean and deviation of the numeric columns of the training rows.

        Args:
            inputs: of the training rows.
            numeric: how many leading columns of (N, D) inputs are numbers; None for all of them.
            weights: (N,), how often each row counts; None: all alike.
        """
        if inputs.ndim != 2:
            return UNSCALED
        mean, spread = _mean_and_deviation(inputs[:, :numeric].astype(np.float64), weights)
        # A constant column says nothing, and stays 0. What float32 cannot resolve is rounding.
        return cls(mean, np.where(spread <= 1e-7 * np.abs(mean), 1.0, spread))

    def __call__(self, inputs: Array) -> Array:
        """Float32 of the same shape."""
        scaled = inputs.astype(np.float64)
        columns = len(self.mean)
        if columns:
            scaled[:, :columns] = (scaled[:, :columns] - self.mean) / self.deviation
        return scaled.astype(np.float32)


UNSCALED = Scaling(np.zeros(0), np.ones(0))


@dataclass(frozen=True)
class Prepared:
    """All that training needs of the data.

    Args:
        train: training rows.
        val: validation rows.
        test: test rows.
        kind: of the task.
        classes: how many labels; 0 where the targets are numbers or masks.
        center: mean of the training targets where they are standardised, of several outputs (K,); else 0.
        scale: deviation of the training targets where they are standardised, of several outputs (K,); else 1.
        scaling: of the inputs.
        class_counts: training rows, or pixels, of each label, by the weights of the rows; empty without labels.
        class_weights: (C,), how often the rows of each class count in the loss, beside their own weights
            (``recipe.class_weight``); None: all alike.
    """

    train: Part
    val: Part
    test: Part
    kind: str
    classes: int
    center: float | Array = 0.0
    scale: float | Array = 1.0
    scaling: Scaling = UNSCALED
    class_counts: tuple[float, ...] = ()
    class_weights: Tensor | None = None


def prepare(task: Task, seed: int, device: torch.device) -> Prepared:
    """Load, check and scale the data of a task.

    Raises:
        DataError: NaN or infinite entries (row and column), labels out of range, too few rows or classes, another
            number of names than of outputs.
    """
    kind, name = installed().kind(task.spec.kind), task.spec.name
    splits = _arrays(name, _given(task, seed))
    for part, split in zip(Splits._fields, splits, strict=True):
        _check_split(f"{name}: {part}", kind, split, splits.train)
    targets_by_part = {part: split.targets for part, split in zip(Splits._fields, splits, strict=True)}
    classes = count_classes(kind, name, task.class_names, targets_by_part) if kind.labels else 0
    weights = {
        part: _row_weights(task, part, len(split.inputs)) for part, split in zip(Splits._fields, splits, strict=True)
    }
    scaling = Scaling.fitted(splits.train.inputs, task.numeric, weights["train"])
    if not kind.labels:
        _check_names(name, task.class_names, splits.train.targets)
    center, scale = _unit(splits.train.targets, weights["train"]) if kind.standardised else (0.0, 1.0)

    def tensors(part: str, split: Split) -> Part:
        inputs = torch.from_numpy(scaling(split.inputs)).to(device)
        targets = target_tensor(split.targets, kind, classes, center, scale).to(device)
        counting = weights[part]
        counts = None if counting is None else torch.from_numpy(counting.astype(np.float32)).to(device)
        return Part(inputs, targets, counts)

    train, val, test = (tensors(part, split) for part, split in zip(Splits._fields, splits, strict=True))
    class_counts = _class_counts(splits.train.targets, classes, weights["train"])
    return Prepared(train, val, test, kind.name, classes, center, scale, scaling, class_counts)


def target_tensor(targets: Array, kind: Kind, classes: int, center: float | Array, scale: float | Array) -> Tensor:
    """Targets as a loss and a metric take them: whole labels, or numbers in float32.

    Args:
        targets: as a task gives them.
        kind: of the task.
        classes: how many labels there are; 0 for numbers.
        center: of standardised targets.
        scale: of standardised targets.
    """
    numbers = (targets - center) / scale if kind.standardised else targets
    return torch.from_numpy(np.array(numbers, dtype=np.int64 if classes else np.float32))


def _row_weights(task: Task, part: str, rows: int) -> Array | None:
    """How often each row of a part counts, as the task says; None where all count alike."""
    given = task.row_weights.get(part)
    if given is None:
        return None
    weights = np.asarray(given, dtype=np.float64)
    rule = f"{task.spec.name}: row_weights of {part}"
    if weights.shape != (rows,):
        refuse(rule, f"must have shape ({rows},)", f"{weights.shape}")
    if not (np.isfinite(weights) & (weights >= 0)).all() or not weights.any():
        refuse(rule, "must be finite and >= 0, with one above 0", f"{shown(weights.tolist())}")
    return None if (weights == 1).all() else weights


def _class_counts(labels: Array, classes: int, weights: Array | None) -> tuple[float, ...]:
    """How many training rows, or pixels, each label has; what is no class, as an ignored pixel, does not count."""
    counted = (labels >= 0) & (labels < classes)
    weights = None if weights is None else weights[counted]
    return tuple(np.bincount(labels[counted], weights, classes).tolist()) if classes else ()


def proposed(task: Task, signature: str) -> Setup:
    """Trunk and recipe that a task proposes for a loss of that signature.

    Raises:
        UsageError: it raises, or proposes something else.
    """
    name = task.spec.name
    try:
        setup = task.setup(signature)
    except (LosszooError, MemoryError):
        raise
    except Exception as error:
        raise UsageError(f"task {name}: setup({signature!r}) raised {in_one_line(error)}") from error
    if not isinstance(setup, Setup):
        raise UsageError(f"task {name}: setup must return a losszoo.Setup, got {kind_name(setup)}")
    return setup


def _given(task: Task, seed: int) -> Any:
    """The splits as the task gives them.

    Raises:
        DataError: its data cannot be had; names a task of the same kind that needs no file.
    """
    spec = task.spec
    try:
        return task.splits(seed)
    except MissingDataError as error:
        tasks = installed().tasks.values()
        able = [one.name for one in tasks if one.kind == spec.kind and DOWNLOAD not in one.tags]
        also = f"; --task {able[0]} needs no file" if able else ""
        raise MissingDataError(f"{error}{also}") from error
    except (LosszooError, MemoryError):
        raise
    except Exception as error:
        raise DataError(f"task {spec.name}: its data cannot be read: {in_one_line(error)}") from error


def _arrays(name: str, given: Any) -> Splits:
    """What a task gives, as arrays, whatever it is made of."""
    given = list(given) if isinstance(given, Iterable) else given
    lazy = [part for part in given if isinstance(part, torch.utils.data.Dataset)] if isinstance(given, list) else []
    if lazy:
        raise UsageError(
            f"task {name}: splits must be arrays of inputs and targets, got a torch.utils.data.Dataset "
            f"({type(lazy[0]).__name__}); stack its rows: "
            "losszoo.Split(*map(numpy.stack, zip(*(dataset[i] for i in range(len(dataset))))))"
        )
    try:
        train, val, test = (Split(np.asarray(inputs), np.asarray(targets)) for inputs, targets in given)
    except (TypeError, ValueError) as error:
        rule = "splits must be train, val and test, each of inputs and targets"
        raise DataError(f"task {name}: {rule}, got parts that cannot be taken apart so ({error})") from error
    return Splits(train, val, test)


def _check_split(where: str, kind: Kind, split: Split, train: Split) -> None:
    """Numbers, all of them finite; as many targets as rows; shaped as in training."""
    rows = len(split.inputs) if split.inputs.ndim else 0
    if rows == 0 or split.targets.shape[:1] != (rows,):
        came = f"inputs {split.inputs.shape}, targets {split.targets.shape}"
        refuse(where, "must hold some rows, and as many targets", came)
    if split.inputs.ndim < 2 or split.inputs.shape[1:] != train.inputs.shape[1:]:
        shape = f"(N, {', '.join(map(str, train.inputs.shape[1:])) or 'columns'})"
        refuse(where, f"inputs must have shape {shape}", f"{split.inputs.shape}")
    for what, values in (("inputs", split.inputs), ("targets", split.targets)):
        check_finite(f"{where} {what}", values)
    kind.check_targets(where, split.targets)
    if split.targets.shape[1:] != train.targets.shape[1:]:
        shape = f"(N, {', '.join(map(str, train.targets.shape[1:]))})"
        refuse(where, f"targets must have shape {shape}, as in training", f"{split.targets.shape}")


def check_finite(where: str, values: Array) -> None:
    """Refuse what is no number, or none in float32; ``where`` begins the error.

    Raises:
        DataError: names the row and the column.
    """
    if not np.issubdtype(values.dtype, np.number) and values.dtype != np.bool_:
        refuse(where, "must be numbers", f"dtype {values.dtype}")
    bad = np.argwhere(~(np.abs(values) <= _LARGEST))
    if len(bad):
        row, *rest = bad[0]
        column = f", column {', '.join(map(str, rest))}" if rest else ""
        came = f"{values[tuple(bad[0])]} in row {row}{column} ({len(bad)} such in all)"
        refuse(where, "must be finite in float32", f"{came}; drop or impute them")


def _mean_and_deviation(values: Array, weights: Array | None) -> tuple[Array, Array]:
    """Of numbers in float64, over the rows."""
    if weights is None:
        return values.mean(0, dtype=np.float64), values.std(0, dtype=np.float64)
    mean = np.average(values, 0, weights)
    return mean, np.sqrt(np.average((values - mean) ** 2, 0, weights))


def _check_names(name: str, names: tuple[str, ...], targets: Array) -> None:
    """Names of outputs are one for each column of targets (N, K)."""
    if names and targets.ndim == 2 and len(names) != targets.shape[1]:
        refuse(name, "class_names must be one for each output", f"{len(names)} names for {targets.shape[1]} outputs")


def _unit(targets: Array, weights: Array | None) -> tuple[float | Array, float | Array]:
    """Mean and deviation of targets, of several outputs (K,); 1 instead of a deviation of 0."""
    center, scale = _mean_and_deviation(targets, weights)
    scale = np.where(scale == 0, 1.0, scale)
    return (center, scale) if targets.ndim > 1 else (float(center), float(scale))
