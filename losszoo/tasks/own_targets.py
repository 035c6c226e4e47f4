"""What the targets of one's own arrays are: the kind of task, labels and their names, and the metric that decides."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from losszoo.common.text import in_one_line
from losszoo.errors import DataError, UsageError, suggest
from losszoo.registry.registry import installed
from losszoo.tasks.tables.columns import gap_classes
from losszoo.tasks.tables.several_targets import KINDS as SEVERAL
from losszoo.tasks.tables.table_task import KINDS, MOST_LABELS, deciding_metric
from losszoo.tasks.task import Array


@dataclass(frozen=True)
class Targets:
    """Targets as a task gives them.

    Args:
        kind: of the task.
        parts: those of train, and of the other parts that there are.
        class_names: of the labels, or of several outputs; empty where they have none.
        class_values: what the targets held for each label; empty without labels.
        notes: of what was told from them.
    """

    kind: str
    parts: tuple[Array, ...]
    class_names: tuple[str, ...] = ()
    class_values: tuple[str | float | bool, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def metric(self) -> tuple[str, str]:
        """The metric that decides, and its direction; of a kind of a plugin as its own tasks say it.

        Raises:
            UsageError: no task of that kind is installed, so that nobody says it.
        """
        if self.kind in (*KINDS, *SEVERAL):
            return deciding_metric(self.kind, self.parts[0])
        known = next((task for task in installed().tasks.values() if task.kind == self.kind), None)
        if known is None:
            raise UsageError(
                f"a {self.kind} task must say which metric decides, got arrays alone; write a losszoo.Task, whose spec "
                "has metric and direction"
            )
        return known.metric, known.direction


def read_targets(given: Sequence[Any], kind: str | None, class_names: Sequence[str]) -> Targets:
    """Kind, labels and names.

    Args:
        given: targets of train, and of the other parts that there are.
        kind: of the task; None: told from them.
        class_names: of the labels, or of several outputs, in their order; empty: of labels told from them.

    Raises:
        DataError: they do not fit the kind or the names; says the value.
        UsageError: whole numbers that may be labels or counts; a kind that is not installed.
    """
    if kind is not None and kind not in installed().kinds:
        known = list(installed().kinds)
        raise UsageError(f"kind must be one of {', '.join(known)}, got {kind!r}; {suggest(kind, known)}")
    if isinstance(class_names, str):
        raise UsageError(f"class_names must be a list of names, got {class_names!r}; write [{class_names!r}, ...]")
    arrays = [np.asarray(part) for part in given]
    names = tuple(map(str, class_names))
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"class_names must be another name for each class, got {twice!r} twice")
    if kind is not None and kind not in (*KINDS, *SEVERAL):
        return Targets(kind, tuple(arrays), names)
    if kind in SEVERAL or (kind is None and all(array.ndim == 2 and array.shape[1] > 1 for array in arrays)):
        return _several(arrays, kind, names)
    arrays = [array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array for array in arrays]
    shaped = next((array for array in arrays if array.ndim != 1), None)
    if shaped is not None:
        kinds = ", ".join(_kinds_of_shape(shaped)) or "those of losszoo info, which have other shapes"
        raise UsageError(f"kind must be given for targets of shape {shaped.shape}; one of {kinds}")
    arrays = [_without_gaps(array) for array in arrays]
    try:
        different = np.unique(np.concatenate(arrays))
    except TypeError as error:
        raise DataError(f"targets must be numbers or words of one type, got {in_one_line(error)}") from error
    if len({array.dtype.kind in "US" for array in arrays}) > 1:
        raise DataError("targets must be numbers in all parts, or words in all, got both")
    if len(different) < 2:
        raise DataError(f"targets must have at least two values, got {different[:1].tolist()} alone")
    told, notes = (kind, ()) if kind else _told_kind(different, arrays[0].dtype, len(names))
    if told == "regression":
        if different.dtype.kind == "U":
            raise DataError(f"targets of a regression must be numbers, got words ({str(different[0])!r})")
        return Targets(told, tuple(array.astype(np.float64) for array in arrays))
    labels, names, values = _labels(different, arrays, names)
    if told == "binary" and len(names) != 2:
        raise DataError(f"a binary task must have two classes, got {len(names)}")
    if different.dtype.kind == "U":
        counts = np.bincount(np.concatenate(labels), minlength=len(names)).tolist()
        notes += tuple(f"targets: {note}" for note in gap_classes(dict(zip(names, counts, strict=True))))
    return Targets(told, labels, names, values, notes)


def _kinds_of_shape(targets: Array) -> Iterator[str]:
    """Kinds, of those that cannot be told, that take targets of this shape."""
    for name in installed().kinds:
        if name in (*KINDS, *SEVERAL):
            continue
        with contextlib.suppress(DataError):
            installed().kind(name).check_targets(name, np.zeros_like(targets))
            yield name


def _several(arrays: Sequence[Array], kind: str | None, names: tuple[str, ...]) -> Targets:
    """Targets (N, K): labels where all of them are 0 or 1, else numbers."""
    for array in arrays:
        if array.ndim != 2 or array.shape[1:] != arrays[0].shape[1:]:
            raise DataError(
                f"several targets must have shape (N, K) with one K, got {' and '.join(str(x.shape) for x in arrays)}"
            )
        if array.dtype.kind not in "biuf":
            raise DataError(f"several targets of a row must be numbers, got dtype {array.dtype}; train on them apart")
        gaps = np.isnan(array).any(1)
        if gaps.any():
            raise DataError(
                f"targets must have a value in each row, got none in row {int(gaps.argmax())}; leave it out"
            )
    columns = arrays[0].shape[1]
    if names and len(names) != columns:
        raise DataError(f"class_names must be one for each of {columns} targets, got {len(names)}")
    strange = [array[(array != 0) & (array != 1)] for array in arrays]
    other = next((values[0] for values in strange if values.size), None)
    if kind == "multilabel" and other is not None:
        raise DataError(f"targets of a multilabel task must be 0 or 1, got {other}")
    told = kind or ("multilabel" if other is None else "multi-output")
    one_hot = kind is None and other is None and all(bool((array.sum(1) == 1).all()) for array in arrays)
    notes = ("targets: one 1 in each row, taken as labels that may come together; targets.argmax(1) else",)
    typed = tuple(array.astype(np.int64 if told == "multilabel" else np.float64) for array in arrays)
    return Targets(told, typed, names, notes=notes if one_hot else ())


def _without_gaps(array: Array) -> Array:
    """Words as texts, numbers as they are.

    Raises:
        DataError: a target that is missing; names its row.
    """
    gaps = np.array([x is None or x != x for x in array.tolist()], bool)
    if gaps.any():
        raise DataError(f"targets must have a value in each row, got none in row {int(gaps.argmax())}; leave it out")
    if array.dtype.kind in "OS" and all(isinstance(x, str | bytes) for x in array.tolist()):
        return np.array([x.decode() if isinstance(x, bytes) else x for x in array.tolist()], dtype=str)
    if array.dtype.kind == "O":
        words = next((x for x in array.tolist() if isinstance(x, str | bytes)), None)
        if words is not None:  # numpy would make words of the numbers
            other = next(x for x in array.tolist() if not isinstance(x, str | bytes))
            raise DataError(f"targets must be numbers alone, or words alone, got {words!r} and {other!r}")
        array = np.array(array.tolist())
    if array.dtype.kind not in "Ubiuf":
        raise DataError(f"targets must be numbers or words, got dtype {array.dtype}")
    return array


def _told_kind(different: Array, dtype: Any, named: int) -> tuple[str, tuple[str, ...]]:
    """The kind, and a note where it could be another one. What has names is a label."""
    count, words = named or len(different), dtype.kind == "U"
    if count == 2:
        return "binary", ()
    if named:
        return "multiclass", ()
    if words:
        return "multiclass", ()
    if dtype.kind in "iu" and np.array_equal(different, np.arange(count)):
        return "multiclass", (f"targets: the whole numbers 0 to {count - 1}, taken as labels; kind='regression' else",)
    if count <= MOST_LABELS and bool((different == np.round(different)).all()):
        raise UsageError(
            f"kind must be given for targets of {count} different whole numbers, which may be labels or counts; say "
            "kind='multiclass' or kind='regression'"
        )
    return "regression", ()


def _labels(
    different: Array, arrays: Sequence[Array], names: tuple[str, ...]
) -> tuple[tuple[Array, ...], tuple[str, ...], tuple[str | float | bool, ...]]:
    """Labels 0..C-1 of all parts, their names, and what the targets held for each."""
    if different.dtype.kind == "U":
        strange = [word for word in different.tolist() if names and word not in names]
        if strange:
            raise DataError(f"targets must be among class_names, {', '.join(names)}, got {strange[0]!r}")
        place: Mapping[str, int] = {word: label for label, word in enumerate(names or different.tolist())}
        labels = tuple(np.array([place[word] for word in array.tolist()], np.int64) for array in arrays)
        words = names or tuple(different.tolist())
        return labels, words, words
    truths, whole = different.dtype.kind == "b", bool((different == np.round(different)).all())
    if names and whole and different.min() >= 0 and different.max() < len(names):
        held = (False, True) if truths else tuple(range(len(names)))
        return tuple(array.astype(np.int64) for array in arrays), names, held
    if names and len(names) != len(different):
        raise DataError(f"class_names must be as many as classes, {len(different)}, got {len(names)}")
    if not names:
        names = tuple(str(int(value)) if whole and not truths else str(value) for value in different)
    labels = tuple(np.searchsorted(different, array).astype(np.int64) for array in arrays)
    return labels, names, tuple(different.tolist())
