"""From arrays to a task: columns in the harness's order, scaled, and some rows held out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_array

from losszoo.common.text import counted
from losszoo.errors import UsageError
from losszoo.registry.specs import TaskSpec
from losszoo.tasks.task import Recipe, Setup, Split, Splits, Task
from losszoo.training.data.prepared_data import within_float32

Array = npt.NDArray[Any]

# Rows of validation where nothing is said: fewer than ten tell no epoch from another, a hundred mostly do.
FEWEST, ENOUGH = 10, 100
# Of a step of a loss over neighbors.
CANDIDATES = 2000
# Names of columns in an error.
_MOST_SHOWN = 5


@contextlib.contextmanager
def told_of_words(estimator: str, inputs: Any) -> Iterator[None]:
    """What scikit-learn refuses because of words in a column names the column, and the encoder that it takes.

    Args:
        estimator: its name.
        inputs: as the user gave them.

    Raises:
        UsageError: a column holds words.
    """
    try:
        yield
    except ValueError as error:
        words = _words(inputs)
        if not words:
            raise
        columns = list(words)
        shown = ", ".join(map(str, columns[:_MOST_SHOWN])) + (", ..." if len(columns) > _MOST_SHOWN else "")
        raise UsageError(
            f"X must hold numbers, got words in {counted(len(columns), 'column')}: {shown} "
            f"({words[columns[0]]!r}); encode them in a pipeline: make_pipeline(make_column_transformer("
            f"(OneHotEncoder(handle_unknown='ignore'), {columns[:_MOST_SHOWN]!r}), remainder=SimpleImputer(), "
            f"sparse_threshold=0), {estimator}(...)), as in docs/scikit-learn.md"
        ) from error


def _words(inputs: Any) -> dict[Any, str]:
    """The first word of each column that holds some, by the name of the column, or its place."""
    if hasattr(inputs, "iloc") and hasattr(inputs, "columns"):
        columns = {name: np.asarray(inputs.iloc[:, i]) for i, name in enumerate(inputs.columns)}
    else:
        array = np.asarray(inputs)
        columns = dict(enumerate(array.T)) if array.ndim == 2 else {}
    return {name: word for name, column in columns.items() if (word := _first_word(column))}


def _first_word(column: Array) -> str:
    """A text that is no number; "" where there is none."""
    texts = (cell for cell in column if isinstance(cell, str)) if column.dtype.kind in "OUT" else ()
    return next((str(text) for text in texts if not _is_number(text)), "")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class Columns:
    """The numeric columns, scaled to mean 0 and standard deviation 1, and after them the others as they are.

    Args:
        numeric: their places, ascending.
        others: places of the others, ascending.
        scaler: of the numeric ones; None where there are none.
    """

    numeric: Array
    others: Array
    scaler: Any = None

    @classmethod
    def fitted(cls, inputs: Array, numeric: Any, names: Array | None, weights: Array | None = None) -> Columns:
        """By what the training rows say, each as often as its weight."""
        chosen = _places(numeric, inputs.shape[1], names)
        numbers = inputs[:, chosen].astype(np.float64)
        scaler = StandardScaler().fit(numbers, sample_weight=weights) if len(chosen) else None
        return cls(chosen, np.setdiff1d(np.arange(inputs.shape[1]), chosen), scaler)

    def __call__(self, inputs: Array) -> Array:
        """(N, columns) in float64."""
        others = inputs[:, self.others].astype(np.float64)
        if self.scaler is None:
            return others
        return np.hstack([self.scaler.transform(inputs[:, self.numeric].astype(np.float64)), others])


def _places(numeric: Any, width: int, names: Array | None) -> Array:
    """Places of the numeric columns, ascending."""
    if numeric is None:
        return np.arange(width)
    wanted = np.asarray(numeric)
    if wanted.ndim == 0 and np.issubdtype(wanted.dtype, np.integer) and 0 <= wanted <= width:
        return np.arange(int(wanted))
    if wanted.shape == (width,) and wanted.dtype == np.bool_:
        return np.flatnonzero(wanted)
    if wanted.ndim == 1 and wanted.dtype.kind in "UO" and names is not None and set(wanted) <= set(names):
        return np.flatnonzero(np.isin(names, wanted.astype(object)))
    integers = wanted.ndim == 1 and (wanted.size == 0 or np.issubdtype(wanted.dtype, np.integer))
    if integers and ((wanted >= 0) & (wanted < width)).all():
        return np.unique(wanted).astype(np.int64)
    raise UsageError(
        f"numeric must be None, how many leading columns are numbers, or the mask, the places or the names of the "
        f"numeric ones among {width} columns, got {numeric!r}"
    )


def checked_weights(given: Any, rows: int) -> Array | None:
    """The weights of rows in float64; None where there are none.

    Raises:
        UsageError: another shape, a weight below 0 or not finite, or none above 0.
    """
    if given is None:
        return None
    weights = check_array(given, ensure_2d=False, dtype=np.float64, input_name="sample_weight")
    weights = np.full(rows, weights) if weights.ndim == 0 else weights
    if weights.shape != (rows,):
        raise UsageError(f"sample_weight must have shape ({rows},), one number for each row, got {weights.shape}")
    if (weights < 0).any():
        raise UsageError(f"sample_weight must be >= 0, got {weights.min()} in row {weights.argmin()}")
    if not weights.any():
        raise UsageError("sample_weight must be above 0 for some row, got only zero weights")
    return within_float32(weights)


def columns_of(y: Any) -> int:
    """How many columns y has; 1 where it is (N,), or no table at all, which is refused elsewhere."""
    try:
        shape = y.shape if hasattr(y, "shape") else np.asarray(y).shape
    except ValueError:  # rows of different lengths
        return 1
    return int(shape[1]) if len(shape) == 2 else 1


def strata_of(targets: Array) -> Array:
    """(N,) what is to be spread alike over training and validation: of targets (N, K) of 0 and 1 the set of labels.

    Several numbers have no order in which they could be spread.
    """
    if targets.ndim == 1:
        return targets
    if not np.issubdtype(targets.dtype, np.integer):
        return np.zeros(len(targets), np.int64)
    sets: Array = np.unique(targets, axis=0, return_inverse=True)[1].ravel()
    return sets


def held_out(targets: Array, fraction: float | None, seed: int, *, classes: bool) -> tuple[Array, Array]:
    """Row numbers of training and of validation.

    Evenly spaced among the rows sorted by target, so that labels and numbers are spread in both as in all rows.

    Args:
        targets: (N,).
        fraction: share that is held out, in [0, 1); None: see :func:`_count`.
        seed: of the order of equal targets, and of where the spacing begins.
        classes: keep a row of every label in training.
    """
    rows = len(targets)
    random = np.random.default_rng(seed)
    order = random.permutation(rows)
    order = order[np.argsort(targets[order], kind="stable")]
    if classes:
        # The first of each label stays.
        order = order[np.diff(targets[order], prepend=targets[order[:1]] - 1) == 0]
    count = min(_count(rows, fraction), len(order), rows - 2)
    if count <= 0:
        return np.arange(rows), np.arange(0)
    picked = order[((np.arange(count) + random.random()) * len(order) / count).astype(np.int64)]
    return np.setdiff1d(np.arange(rows), picked), np.sort(picked)


def _count(rows: int, fraction: float | None) -> int:
    """How many rows to hold out; by default a hundred or a tenth, but at most a fifth."""
    if fraction is not None:
        return round(rows * fraction)
    count = round(min(max(ENOUGH, rows / 10), rows / 5))
    return count if count >= FEWEST else 0


class Rows(Task):
    """A task of arrays.

    Args:
        spec: kind and metric.
        inputs: (N, columns), the numeric ones first.
        targets: (N,) labels or numbers; (N, K) of 0 and 1, or of numbers.
        val: row numbers of validation.
        numeric: how many columns are numeric.
        classes: how many labels there are.
        weights: (N,), how often each row counts; None: all alike.
    """

    def __init__(
        self,
        spec: TaskSpec,
        inputs: Array,
        targets: Array,
        val: Array,
        numeric: int,
        classes: int,
        weights: Array | None = None,
    ) -> None:
        self.spec, self.inputs, self.targets, self.val = spec, inputs, targets, val
        self.numeric, self.weights = numeric, weights
        self.class_names = tuple(str(label) for label in range(classes))

    def splits(self, seed: int = 0) -> Splits:
        """Training and validation rows; a part that is not used holds only the first row."""
        train = np.setdiff1d(np.arange(len(self.targets)), self.val)
        val = self.val if len(self.val) else train[:1]
        if self.weights is not None:
            self.row_weights = {"train": self.weights[train], "val": self.weights[val]}
        return Splits(*(Split(self.inputs[rows], self.targets[rows]) for rows in (train, val, train[:1])))

    def setup(self, signature: str) -> Setup:
        """A small network; batches and candidates such that an epoch of many rows stays cheap."""
        rows = len(self.targets) - len(self.val)
        recipe = Recipe(
            lr=3e-3,
            weight_decay=1e-3,
            batch_size=min(max(rows // 16, 64), 256),
            epochs=100,
            patience=16,
            sample_rate=min(1.0, CANDIDATES / rows),
        )
        return Setup(trunk="mlp", model={"dim": 32, "width": 64, "depth": 1}, recipe=recipe)
