"""What a model of scikit-learn says of rows that it was not fitted on: labels that it contradicts, and its errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

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


def why_not(inputs: Array, targets: Array, classes: int) -> str:
    """The reason for which rows are not predicted; "" where they are."""
    columns = int(np.prod(inputs.shape[1:]))
    if targets.ndim != 1:
        return f"targets of shape {targets.shape[1:]} for each row"
    if columns > _MOST_COLUMNS:
        return f"{columns} inputs, more than {_MOST_COLUMNS}"
    if len(targets) < _FEWEST_ROWS:
        return f"{len(targets)} training rows, fewer than {_FEWEST_ROWS}"
    if classes > _MOST_CLASSES:
        return f"{classes} classes, more than {_MOST_CLASSES}"
    return ""


def predict_labels(inputs: Array, labels: Array, classes: int) -> Predicted:
    """Probabilities by cross-validation; a class of fewer than two rows has none."""
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.model_selection import StratifiedKFold

    rows = _some(labels, classes)
    rows = rows[np.isin(labels[rows], np.flatnonzero(np.bincount(labels[rows]) >= 2))]
    x, y = inputs[rows].reshape(len(rows), -1), labels[rows]
    folds = min(_FOLDS, int(np.bincount(y)[np.unique(y)].min()))
    values = np.zeros((len(y), classes))
    for train, test in StratifiedKFold(folds, shuffle=True, random_state=0).split(x, y):
        model = ExtraTreesClassifier(**_TREES).fit(x[train], y[train])
        values[np.ix_(test, model.classes_)] = model.predict_proba(x[test])
    return Predicted(y, values)


def predict_numbers(inputs: Array, targets: Array) -> Predicted:
    """Numbers by cross-validation."""
    from sklearn.ensemble import ExtraTreesRegressor
    from sklearn.model_selection import KFold, cross_val_predict

    rows = _some(targets, 0)
    x, y = inputs[rows].reshape(len(rows), -1), targets[rows].astype(np.float64)
    folds = KFold(_FOLDS, shuffle=True, random_state=0)
    return Predicted(y, cross_val_predict(ExtraTreesRegressor(**_TREES), x, y, cv=folds))


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
