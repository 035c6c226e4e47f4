"""A task from arrays of yours: inputs and targets, parted by us or by you."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from losszoo.common.text import counted, in_one_line, kind_name
from losszoo.errors import DataError, UsageError
from losszoo.tasks.own_targets import read_targets
from losszoo.tasks.own_task import OwnTask
from losszoo.tasks.tables.row_parts import check_classes, held_out, random_parts
from losszoo.tasks.tables.several_targets import label_sets
from losszoo.tasks.task import Array, Split, Splits


class ArrayTask(OwnTask):
    """Rows that are in memory; see :meth:`losszoo.Task.from_arrays`.

    Args:
        name: of the task.
        given: the rows, and those of validation and test; None where they are drawn from the first.
        kind: None: told from the targets.
        class_names: of the labels, or of several outputs; empty: of labels told from the targets.
    """

    def __init__(self, name: str, given: Sequence[Split | None], kind: str | None, class_names: Sequence[str]) -> None:
        parts = [part for part in given if part is not None]
        targets = read_targets([part.targets for part in parts], kind, class_names)
        self._digest = _digest_of(parts)
        self.bytes_are_pixels = parts[0].inputs.dtype == np.uint8
        pixels = self.bytes_are_pixels
        inputs = [part.inputs.astype(np.float32) / 255 if pixels else part.inputs for part in parts]
        of_parts = iter(map(Split, inputs, targets.parts))
        self._given = [None if part is None else next(of_parts) for part in given]
        count = sum(map(len, inputs))
        self._settle(name, targets, inputs[0].shape[1:], count, f"{counted(count, 'row')} of arrays")
        self.notes += ("inputs: bytes, taken as pixels from 0 to 1",) if pixels else ()
        self._options = {"kind": kind, "class_names": list(class_names)}

    def splits(self, seed: int = 0) -> Splits:
        whole, *others = self._given
        if whole is None:
            raise UsageError("the rows must be given, got none")
        missing = others.count(None)
        drawn = iter(self._drawn(whole, missing, seed))
        train = next(drawn)
        return Splits(train, *(next(drawn) if part is None else part for part in others))

    def _drawn(self, whole: Split, missing: int, seed: int) -> list[Split]:
        """The training rows, and as many parts drawn from the rows as are missing."""
        if not missing:
            return [whole]
        labels = whole.targets if self.class_names and whole.targets.ndim == 1 else None
        count = len(whole.inputs)
        if labels is not None:
            check_classes("the targets", labels, self.class_names, 1 + missing)
        if self.spec.kind == "multilabel":
            labels = label_sets(whole.targets)
        if missing == 1:
            rows: tuple[Array, ...] = held_out(np.arange(count), labels, seed)
        else:
            rows = random_parts(labels, count, seed)
        return [Split(whole.inputs[chosen], whole.targets[chosen]) for chosen in rows]

    def identity(self) -> Mapping[str, Any]:
        return {"arrays": self.spec.name, "sha256": self._digest, **self._options}


def _digest_of(parts: Sequence[Split]) -> str:
    digest = hashlib.sha256()
    for array in (array for part in parts for array in part):
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(repr(array.tolist()).encode() if array.dtype.hasobject else np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _split(what: str, inputs: Any, targets: Any) -> Split:
    """Two arrays of as many rows.

    Raises:
        DataError: they are no arrays, or of different lengths.
    """
    try:
        arrays = [x.numpy(force=True) if isinstance(x, Tensor) else np.asarray(x) for x in (inputs, targets)]
    except (TypeError, ValueError) as error:
        raise DataError(f"{what} must be arrays, got what makes none: {in_one_line(error)}") from error
    if arrays[0].dtype.kind not in "biuf":
        raise DataError(
            f"inputs of {what} must be numbers, got dtype {arrays[0].dtype}; losszoo.Task.from_table takes words too"
        )
    if arrays[0].ndim < 2 or arrays[1].ndim < 1 or len(arrays[0]) != len(arrays[1]) or not arrays[0].size:
        raise DataError(
            f"{what} must be inputs of shape (N, ...) and N targets, got shapes {arrays[0].shape} and {arrays[1].shape}"
        )
    return Split(*arrays)


def make_array_task(
    inputs: Any, targets: Any, *, kind: str | None, val: Any, test: Any, class_names: Sequence[str], name: str
) -> ArrayTask:
    """:meth:`losszoo.Task.from_arrays`."""
    given: list[Split | None] = [_split("rows", inputs, targets)]
    for what, part in (("val", val), ("test", test)):
        if part is not None and (not isinstance(part, tuple | list) or len(part) != 2):
            raise UsageError(f"{what} must be a pair, inputs and targets, got {kind_name(part)}")
        given.append(None if part is None else _split(what, *part))
    return ArrayTask(name, given, kind, class_names)
