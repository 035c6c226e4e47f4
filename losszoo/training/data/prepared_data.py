"""From a task's arrays to tensors: checked, and scaled by what the training rows say."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from losszoo.common.seeding import copy_of
from losszoo.common.text import in_one_line, kind_name, shown
from losszoo.errors import DataError, LosszooError, MissingDataError, UsageError
from losszoo.losses.signatures.kind import Kind, count_classes, refuse
from losszoo.registry.registry import installed
from losszoo.registry.specs import DOWNLOAD
from losszoo.tasks.dataset_rows import DatasetRows, is_dataset, rows_of
from losszoo.tasks.task import Array, Setup, Split, Splits, Task

ToTensor = Callable[[Array], Tensor]

# Rows that are evaluated together.
CHUNK = 1024
# Of the rows of a Dataset, where all of them are needed at once.
_MOST_BYTES = 4 * 2**30
_LARGEST = np.float64(np.finfo(np.float32).max)  # of numpy: a float of Python would become float16 beside float16

# Exponents of 2 of weights that float32 holds, and their squares and sums with them.
_WIDEST = 30
# A mean of more deviations than this.
_FAR = 1e4


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
        return self.targets.shape[0]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the inputs of one row."""
        return tuple(self.inputs.shape[1:])

    def batch(self, rows: Tensor, generator: Generator) -> Part:
        """Some rows, for a step of training.

        Args:
            rows: their indices.
            generator: of the run, whose state decides what a Dataset draws; nothing is taken from it.
        """
        return self.at(rows)

    def at(self, rows: Tensor | slice) -> Part:
        """Some rows of those in memory."""
        return Part(self.inputs[rows], self.targets[rows], None if self.weights is None else self.weights[rows])

    def chunks(self) -> Iterator[Part]:
        """All rows in order, to be evaluated some at a time."""
        # Of no rows one chunk, whose outputs have the right shape.
        return (self.at(slice(start, start + CHUNK)) for start in range(0, max(len(self), 1), CHUNK))

    def first(self, count: int) -> Tensor:
        """Inputs of so many rows at most."""
        return self.inputs[:count]

    def in_memory(self) -> Part:
        """All rows at once."""
        return self

    def weights_with(self, class_weights: Tensor | None) -> Tensor | None:
        """How often each row counts by itself and by its class; None: all alike."""
        if class_weights is None:
            return self.weights
        by_class = class_weights[self.targets]
        return by_class if self.weights is None else self.weights * by_class


class LazyPart(Part):
    """Rows of a Dataset, read each time that they are asked for: random transforms stay random in training.

    Args:
        rows: of the Dataset.
        inputs_of: from the arrays of some rows to their tensor.
        targets_of: the same of targets.
        weights: of the rows.
    """

    def __init__(
        self, rows: DatasetRows, inputs_of: ToTensor, targets_of: ToTensor, weights: Tensor | None = None
    ) -> None:
        given = {"rows": rows, "inputs_of": inputs_of, "targets_of": targets_of, "weights": weights}
        for name, value in (*given.items(), ("targets", targets_of(rows.targets))):
            object.__setattr__(self, name, value)

    rows: DatasetRows
    inputs_of: ToTensor
    targets_of: ToTensor

    @property
    def shape(self) -> tuple[int, ...]:
        return self.rows.shape

    @property
    def inputs(self) -> Tensor:
        """Of all rows, read now.

        Raises:
            DataError: they take more memory than is likely to be there.
        """
        size = len(self) * math.prod(self.shape) * 4
        if size > _MOST_BYTES:
            raise DataError(
                f"task {self.rows.where}: what needs all rows at once, as baselines do, must have no more than "
                f"{_MOST_BYTES / 2**30:g} GiB of them, got {size / 2**30:.1f} GiB; leave it out, or give fewer rows"
            )
        return torch.cat([part.inputs for part in self.chunks()])

    def batch(self, rows: Tensor, generator: Generator) -> Part:
        # The state, which a checkpoint holds and all ranks have alike, is another one in each epoch; the rows in each
        # batch. So one process and many, a run and its repetition, read the same.
        start = int(torch.randint(2**32, (), generator=copy_of(generator)))
        indices = rows.tolist()
        return self._read(indices, zlib.crc32(repr(indices).encode(), start))

    def chunks(self) -> Iterator[Part]:
        # Each evaluation sees the same.
        return (self._read(rows, 0) for rows in self.rows.chunks())

    def _read(self, rows: Sequence[int], seed: int) -> Part:
        read = self.rows.read(rows, seed)
        weights = None if self.weights is None else self.weights[torch.as_tensor(rows)]
        return Part(self.inputs_of(read.inputs), self.targets_of(read.targets), weights)

    def first(self, count: int) -> Tensor:
        return self._read(range(min(count, len(self))), 0).inputs

    def in_memory(self) -> Part:
        return Part(self.inputs, self.targets, self.weights)


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
        # A constant column says nothing, and stays 0. What the dtype of the inputs cannot resolve is rounding.
        resolution = 1e-13 if inputs.dtype.itemsize >= 8 else 1e-7
        return cls(mean, np.where(spread <= resolution * np.abs(mean), 1.0, spread))

    @property
    def dtype_of_inputs(self) -> type[np.floating[Any]]:
        """Float32, or float64 where a column lies so far from 0 that float32 would keep few digits of its differences.

        Float32 has 7 digits: where the mean is 10,000 deviations, 3 are left.
        """
        return np.float64 if (np.abs(self.mean) > _FAR * self.deviation).any() else np.float32

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
        bytes_are_pixels: inputs were bytes, and have become numbers from 0 to 1; further bytes have to as well.
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
    bytes_are_pixels: bool = False

    def in_memory(self) -> Prepared:
        """The same with all rows at once.

        Raises:
            DataError: those of a Dataset take more memory than is likely to be there.
        """
        return replace(self, **{part: getattr(self, part).in_memory() for part in Splits._fields})


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
        part: _row_weights(task, part, len(split.targets)) for part, split in zip(Splits._fields, splits, strict=True)
    }
    train_rows = splits.train  # those of a Dataset are used as it gives them
    scaling = (
        UNSCALED
        if isinstance(train_rows, DatasetRows)
        else Scaling.fitted(train_rows.inputs, task.numeric, weights["train"])
    )
    if not kind.labels:
        _check_names(name, task.class_names, splits.train.targets)
    center, scale = _unit(splits.train.targets, weights["train"]) if kind.standardised else (0.0, 1.0)

    def inputs_of(inputs: Array) -> Tensor:
        with np.errstate(over="ignore", invalid="ignore"):  # of a Dataset that draws them: the guard speaks of it
            return torch.from_numpy(scaling(inputs)).to(device)

    def targets_of(targets: Array) -> Tensor:
        return target_tensor(targets, kind, classes, center, scale).to(device)

    def tensors(part: str, split: Split | DatasetRows) -> Part:
        counting = weights[part]
        counts = None if counting is None else torch.from_numpy(counting.astype(np.float32)).to(device)
        if isinstance(split, DatasetRows):
            return LazyPart(split, inputs_of, targets_of, counts)
        return Part(inputs_of(split.inputs), targets_of(split.targets), counts)

    train, val, test = (tensors(part, split) for part, split in zip(Splits._fields, splits, strict=True))
    class_counts = _class_counts(splits.train.targets, classes, weights["train"])
    pixels = task.bytes_are_pixels or (isinstance(train_rows, DatasetRows) and train_rows.of_bytes)
    known = center, scale, scaling, class_counts
    return Prepared(train, val, test, kind.name, classes, *known, bytes_are_pixels=pixels)


def target_tensor(targets: Array, kind: Kind, classes: int, center: float | Array, scale: float | Array) -> Tensor:
    """Targets as a loss and a metric take them: whole labels, or numbers in float32.

    Args:
        targets: as a task gives them.
        kind: of the task.
        classes: how many labels there are; 0 for numbers.
        center: of standardised targets.
        scale: of standardised targets.

    Raises:
        DataError: a label that is no whole number, as a Dataset may give one later than it was looked at.
    """
    if classes and targets.dtype.kind == "f" and (targets != np.round(targets)).any():
        strange = targets[targets != np.round(targets)][0]
        raise DataError(f"labels must be whole numbers from 0 to {classes - 1}, got {strange}")
    numbers = (targets - center) / scale if kind.standardised else targets
    return torch.from_numpy(np.array(numbers, dtype=np.int64 if classes else np.float32))


def _row_weights(task: Task, part: str, rows: int) -> Array | None:
    """How often each row of a part counts, as the task says; None where all count alike."""
    given = task.row_weights.get(part)
    if given is None:
        return None
    weights = checked_weights(given, f"{task.spec.name}: row_weights of {part}", rows)
    return None if (weights == 1).all() else within_float32(weights)


def within_float32(weights: Array) -> Array:
    """The same weights, of which only the ratios count, where float32 holds the largest.

    Example:
        >>> within_float32(np.array([0.0, 1.0, 3.0])), within_float32(np.array([2e300, 1e300])) @ [1, -2]
        (array([0., 1., 3.]), np.float64(0.0))
    """
    exponent = int(np.frexp(weights.max(initial=0.0))[1])
    # A power of 2 changes no digit.
    return np.ldexp(weights, -exponent) if abs(exponent) > _WIDEST else weights


def checked_weights(given: Any, where: str, rows: int) -> Array:
    """How often each row counts, (N,) float64.

    Args:
        given: by the user.
        where: task and name, to begin an error with.
        rows: how many there are.

    Raises:
        DataError: another shape, a weight that is not finite or below 0, or none above 0.
    """
    weights = np.asarray(given, dtype=np.float64)
    if weights.shape != (rows,):
        refuse(where, f"must have shape ({rows},)", f"{weights.shape}")
    if not (np.isfinite(weights) & (weights >= 0)).all() or not weights.any():
        refuse(where, "must be finite and >= 0, with one above 0", f"{shown(weights.tolist())}")
    return weights


def _class_counts(labels: Array, classes: int, weights: Array | None) -> tuple[float, ...]:
    """How many training rows, or pixels, each label has; what is no class, as an ignored pixel, does not count."""
    counted = (labels >= 0) & (labels < classes)
    if weights is not None:  # of a row, for each of its labels
        weights = np.broadcast_to(weights.reshape(-1, *[1] * (labels.ndim - 1)), labels.shape)[counted]
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
    try:
        parts = dict(zip(Splits._fields, given, strict=True))
        train, val, test = (
            rows_of(f"{name}: {key}", part) if is_dataset(part) else Split(*map(np.asarray, _pair(part)))
            for key, part in parts.items()
        )
    except (TypeError, ValueError) as error:
        rule = "splits must be train, val and test, each of inputs and targets"
        raise DataError(f"task {name}: {rule}, got parts that cannot be taken apart so ({error})") from error
    return Splits(train, val, test)


def _pair(part: Any) -> tuple[Any, Any]:
    inputs, targets = part
    return inputs, targets


def _check_split(where: str, kind: Kind, split: Split | DatasetRows, train: Split | DatasetRows) -> None:
    """Numbers, all of them finite; as many targets as rows; shaped as in training."""
    if isinstance(split, DatasetRows):
        _check_rows(where, kind, split, train)
        return
    rows = len(split.inputs) if split.inputs.ndim else 0
    if rows == 0 or split.targets.shape[:1] != (rows,):
        came = f"inputs {split.inputs.shape}, targets {split.targets.shape}"
        refuse(where, "must hold some rows, and as many targets", came)
    if split.inputs.ndim < 2 or split.inputs.shape[1:] != _shape_of(train):
        shape = f"(N, {', '.join(map(str, _shape_of(train))) or 'columns'})"
        refuse(where, f"inputs must have shape {shape}", f"{split.inputs.shape}")
    for what, values in (("inputs", split.inputs), ("targets", split.targets)):
        check_finite(f"{where} {what}", values)
    kind.check_targets(where, split.targets)
    if split.targets.shape[1:] != train.targets.shape[1:]:
        shape = f"(N, {', '.join(map(str, train.targets.shape[1:]))})"
        refuse(where, f"targets must have shape {shape}, as in training", f"{split.targets.shape}")


def _shape_of(split: Split | DatasetRows) -> tuple[int, ...]:
    """Of the inputs of one row."""
    return split.shape if isinstance(split, DatasetRows) else split.inputs.shape[1:]


def _check_rows(where: str, kind: Kind, rows: DatasetRows, train: Split | DatasetRows) -> None:
    """The same of a Dataset, whose inputs are looked at while its targets are read."""
    if not len(rows):
        refuse(where, "must hold some rows", "an empty Dataset")
    if not rows.shape or rows.shape != _shape_of(train):
        shape = f"({', '.join(map(str, _shape_of(train))) or 'columns'})"
        refuse(where, f"inputs of a row must have shape {shape}", f"{rows.shape}")
    check_finite(f"{where} targets", rows.targets)
    kind.check_targets(where, rows.targets)
    if rows.targets.shape[1:] != train.targets.shape[1:]:
        shape = f"({', '.join(map(str, train.targets.shape[1:]))})"
        refuse(where, f"targets of a row must have shape {shape}, as in training", f"{rows.targets.shape[1:]}")


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
