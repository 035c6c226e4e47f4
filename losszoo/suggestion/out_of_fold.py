"""What a model of scikit-learn says of rows that it was not fitted on: labels that it contradicts, and its errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
# Of some rows, (n, columns): no others are read.
Inputs = Callable[[Array], Array]

# They bound the time: some seconds on one core, whatever the task.
_MOST_ROWS = 4000
_MOST_COLUMNS = 4096
_MOST_CLASSES = 100
_FEWEST_ROWS = 30
_FOLDS = 5
_TREES = {"n_estimators": 100, "min_samples_leaf": 3, "max_features": "sqrt", "random_state": 0, "n_jobs": 1}


@dataclass(frozen=True)
class Predicted:
    """Rows of the training part, each predicted by a model of the other folds.

    Args:
        targets: (N,) labels or numbers.
        values: (N, C) probabilities, or (N,) numbers.
    """

    targets: Array
    values: Array


def why_not(shape: Sequence[int], targets: Array, classes: int, groups: Array | None) -> str:
    """The reason for which rows, with inputs of that shape, are not predicted; "" where they are."""
    columns = int(np.prod(shape))
    if targets.ndim != 1:
        return f"targets of shape {targets.shape[1:]} for each row"
    if columns > _MOST_COLUMNS:
        return f"{columns} inputs, more than {_MOST_COLUMNS}"
    if len(targets) < _FEWEST_ROWS:
        return f"{len(targets)} training rows, fewer than {_FEWEST_ROWS}"
    if classes > _MOST_CLASSES:
        return f"{classes} classes, more than {_MOST_CLASSES}"
    if groups is not None and len(np.unique(groups)) < 2:
        return "all training rows are of one group"
    return ""


def predict_labels(inputs: Inputs, labels: Array, classes: int, groups: Array | None) -> Predicted:
    """Probabilities by cross-validation, of the rows whose class other folds have too.

    Args:
        inputs: of the training rows.
        labels: (N,).
        classes: how many.
        groups: (N,), of which each is in one fold: rows that belong together know each other's label. None: no groups.
    """
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    rows = _some(labels, classes)
    rows = rows[np.isin(labels[rows], np.flatnonzero(np.bincount(labels[rows]) >= 2))]
    x, y, together = inputs(rows), labels[rows], None if groups is None else groups[rows]
    count = min(_folds(together), int(np.bincount(y)[np.unique(y)].min()))
    splitter = StratifiedKFold if together is None else StratifiedGroupKFold
    values, known = np.zeros((len(y), classes)), np.zeros(len(y), bool)
    for train, test in splitter(count, shuffle=True, random_state=0).split(x, y, together):
        if len(test):  # few groups may leave a fold without any
            model = ExtraTreesClassifier(**_TREES).fit(x[train], y[train])
            values[np.ix_(test, model.classes_)] = model.predict_proba(x[test])
            known[test] = np.isin(y[test], model.classes_)
    return Predicted(y[known], values[known])


def predict_numbers(inputs: Inputs, targets: Array, groups: Array | None) -> Predicted:
    """Numbers by cross-validation; arguments as of :func:`predict_labels`."""
    from sklearn.ensemble import ExtraTreesRegressor
    from sklearn.model_selection import GroupKFold, KFold, cross_val_predict

    rows = _some(targets, 0)
    x, y, together = inputs(rows), targets[rows].astype(np.float64), None if groups is None else groups[rows]
    count = _folds(together)
    folds = KFold(count, shuffle=True, random_state=0) if together is None else GroupKFold(count)
    return Predicted(y, cross_val_predict(ExtraTreesRegressor(**_TREES), x, y, cv=folds, groups=together))


def _folds(groups: Array | None) -> int:
    """As many as there may be."""
    return _FOLDS if groups is None else min(_FOLDS, len(np.unique(groups)))


def contradicted(predicted: Predicted) -> Array:
    r"""(N,) whether the label of a row is contradicted with confidence.

    The model prefers another class j, and is at least as sure of it as it is on average for rows with the label j
    (Northcutt, Jiang, Chuang, "Confident Learning", JAIR 2021, arXiv:1911.00068, whose threshold this is).
    """
    labels, values = predicted.targets, predicted.values
    sure = np.array([values[labels == j, j].mean() if (labels == j).any() else np.inf for j in range(values.shape[1])])
    best = values.argmax(1)
    wrong: Array = (best != labels) & (values[np.arange(len(labels)), best] >= sure[best])
    return wrong


def _some(targets: Array, classes: int) -> Array:
    """Rows, at most as many as the time allows; every class keeps its share, and at least two rows."""
    count = len(targets)
    if count <= _MOST_ROWS:
        return np.arange(count)
    order = np.random.default_rng(0).permutation(count)
    if not classes:
        return np.sort(order[:_MOST_ROWS])
    kept = []
    for label in np.unique(targets):
        own = order[targets[order] == label]
        kept.append(own[: max(2, round(len(own) * _MOST_ROWS / count))])
    return np.sort(np.concatenate(kept))
