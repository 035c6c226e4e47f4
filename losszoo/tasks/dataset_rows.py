"""The rows of a ``torch.utils.data.Dataset``, read each time that they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset, Subset, TensorDataset

from losszoo.common.seeding import isolated
from losszoo.common.text import in_one_line, kind_name
from losszoo.errors import DataError, LosszooError, UsageError
from losszoo.tasks.task import Array, Split

_LARGEST = float(np.finfo(np.float32).max)
# Bytes of rows that are read together where all of them are gone through.
_CHUNK_BYTES = 2**26
_MOST_ROWS = 1024
_BYTES_OF_FLOAT = 4


def is_dataset(part: Any) -> bool:
    """Whether a part of a task is a Dataset, or one that is already known here."""
    return isinstance(part, Dataset | DatasetRows)


def pixels_of(inputs: Array) -> Array:
    """Bytes as numbers from 0 to 1; everything else as it is."""
    return inputs.astype(np.float32) / 255 if inputs.dtype == np.uint8 else inputs


def rows_of(where: str, part: Any) -> Split | DatasetRows:
    """A Dataset as what training works with: arrays where it holds tensors, else rows that are read when needed.

    Args:
        where: task and part, to begin an error with.
        part: a Dataset with a length.

    Raises:
        UsageError: it has no length, as an IterableDataset.
    """
    if isinstance(part, DatasetRows):
        return part
    return _tensors_of(part) or DatasetRows(where, part)


def _tensors_of(dataset: Any) -> Split | None:
    """The arrays of a TensorDataset, and of a part of one; None of any other."""
    # Bytes are read as those of any other Dataset are.
    if type(dataset) is TensorDataset and len(dataset.tensors) == 2 and dataset.tensors[0].dtype != torch.uint8:
        return Split(*(tensor.numpy(force=True) for tensor in dataset.tensors))
    if type(dataset) is Subset:
        whole = _tensors_of(dataset.dataset)
        return whole and Split(*(array[np.asarray(dataset.indices, np.int64)] for array in whole))
    return None


class DatasetRows:
    """Rows of a Dataset that gives a pair, inputs and target, for each index.

    Args:
        where: task and part, to begin an error with.
        dataset: with a length.
        shape: of the inputs of one row, where it is known.
        targets: of all rows, where they are known: the rows have been looked at.

    Raises:
        UsageError: it has no length, as an IterableDataset.
    """

    def __init__(
        self, where: str, dataset: Any, shape: tuple[int, ...] | None = None, targets: Array | None = None
    ) -> None:
        self.where, self.dataset = where, dataset
        if shape is not None and targets is not None:
            self.shape, self.targets = shape, targets
        if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__len__"):
            raise UsageError(
                f"task {where} must be a Dataset with a length and an item for each index, got "
                f"{kind_name(dataset)}, which has none"
            )

    def __len__(self) -> int:
        return len(self.dataset)

    def read(self, rows: Sequence[int], seed: int) -> Split:
        """Some rows, stacked. Bytes are pixels, and become numbers from 0 to 1; everything else stays as it is.

        Args:
            rows: their indices.
            seed: of what the Dataset draws from torch, numpy and Python; their own states are as before afterwards.

        Raises:
            DataError: a row that cannot be read, or has another shape than the first: names it.
        """
        with isolated(seed, torch.device("cpu")):
            items = [self._item(row) for row in rows]
        items = [(pixels_of(inputs), target) for inputs, target in items]
        for row, (inputs, target) in zip(rows, items, strict=True):
            for what, array, first in (("inputs", inputs, items[0][0]), ("target", target, items[0][1])):
                if array.shape != first.shape:
                    rule = f"of the shape of row {rows[0]}, {first.shape}"
                    self._refuse(row, f"{what} must be {rule}", str(array.shape))
        return Split(*(np.stack(arrays) for arrays in zip(*items, strict=True)))

    def _item(self, row: int) -> tuple[Array, Array]:
        try:
            item = self.dataset[row]
        except (LosszooError, MemoryError):
            raise
        except Exception as error:
            raise DataError(f"task {self.where}: row {row} cannot be read: {in_one_line(error)}") from error
        if not isinstance(item, tuple | list) or len(item) != 2:
            came = f"{kind_name(item)}{f' of {len(item)}' if isinstance(item, tuple | list) else ''}"
            self._refuse(row, "must be a pair, inputs and target", came)
        inputs, target = (self._numbers(row, what, x) for what, x in zip(("inputs", "target"), item, strict=True))
        return inputs, target

    def _numbers(self, row: int, what: str, value: Any) -> Array:
        if type(value).__module__.startswith("PIL."):
            self._refuse(row, f"{what} must be numbers", "an image; make a tensor of it in the Dataset's transform")
        array = value.numpy(force=True) if isinstance(value, Tensor) else np.asarray(value)
        if not np.issubdtype(array.dtype, np.number) and array.dtype != np.bool_:
            self._refuse(row, f"{what} must be numbers", kind_name(value))
        if np.iscomplexobj(array):
            self._refuse(row, f"{what} must be real numbers", f"dtype {array.dtype}")
        return array

    def _refuse(self, row: int, rule: str, came: str) -> NoReturn:
        raise DataError(f"task {self.where}: row {row}: {rule}, got {came}")

    def chunks(self) -> Iterator[range]:
        """All rows in order, as many at a time as take little memory."""
        return self._parted(int(np.prod(self.shape)) * _BYTES_OF_FLOAT)

    def _parted(self, bytes_of_row: int) -> Iterator[range]:
        size = max(1, min(_MOST_ROWS, _CHUNK_BYTES // max(1, bytes_of_row)))
        yield from (range(start, min(start + size, len(self))) for start in range(0, len(self), size))

    @cached_property
    def of_bytes(self) -> bool:
        """Whether inputs are bytes, as those of the first row tell."""
        with isolated(0, torch.device("cpu")):
            return bool(self._item(0)[0].dtype == np.uint8)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Of the inputs of one row."""
        return tuple(self.read([0], 0).inputs.shape[1:])

    @cached_property
    def targets(self) -> Array:
        """Of all rows, which are read once for them, one after the other, and looked at.

        Raises:
            DataError: inputs that are not finite, or not of one shape; names the row.
        """
        found = []
        for rows in self.chunks():
            chunk = self.read(rows, 0)
            if chunk.inputs.shape[1:] != self.shape:
                self._refuse(
                    rows[0], f"inputs must be of the shape of row 0, {self.shape}", str(chunk.inputs.shape[1:])
                )
            finite = (np.abs(chunk.inputs) <= _LARGEST).reshape(len(rows), -1).all(1)
            if not finite.all():
                self._refuse(rows[int(finite.argmin())], "inputs must be finite in float32", "NaN or infinity")
            found.append(chunk.targets)
        try:
            return np.concatenate(found)
        except ValueError as error:
            raise DataError(f"task {self.where}: targets must all have one shape, got {in_one_line(error)}") from error
