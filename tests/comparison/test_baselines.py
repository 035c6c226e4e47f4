"""Baselines against scikit-learn called by hand, on every kind of task that they fit."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.metrics import accuracy_score, root_mean_squared_error
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

import losszoo
from losszoo import Splits
from losszoo.comparison.baselines import NAMES, compute

TASKS = {
    "multiclass": "digits",
    "binary": "breast-cancer",
    "multilabel": "digits-properties",
    "regression": "diabetes",
    "multi-output": "breast-cancer-worst",
    "retrieval": "digits-retrieval",
    "views": "digits-views",
}
# Least test metric that is to be expected of each, in words of the task: (metric, bound), smaller for rmse.
EXPECTED = {
    ("logistic-regression", "multiclass"): ("accuracy", 0.94),
    ("logistic-regression", "binary"): ("accuracy", 0.93),
    ("logistic-regression", "multilabel"): ("macro_f1", 0.88),
    ("ridge", "regression"): ("rmse", 60.0),
    ("ridge", "multi-output"): ("r2", 0.75),
    ("knn", "multiclass"): ("accuracy", 0.96),
    ("knn", "binary"): ("accuracy", 0.93),
    ("knn", "multilabel"): ("macro_f1", 0.95),
    ("knn", "regression"): ("rmse", 65.0),
    ("knn", "multi-output"): ("r2", 0.7),
    ("knn", "retrieval"): ("recall_at_1", 0.97),
    ("knn", "views"): ("knn_accuracy", 0.96),
    ("gradient-boosting", "multiclass"): ("accuracy", 0.93),
    ("gradient-boosting", "binary"): ("accuracy", 0.92),
    ("gradient-boosting", "regression"): ("rmse", 65.0),
    ("nca-knn", "multiclass"): ("accuracy", 0.96),
    ("nca-knn", "binary"): ("accuracy", 0.92),
    ("nca-knn", "retrieval"): ("recall_at_1", 0.95),
}


@pytest.mark.parametrize(("name", "kind"), EXPECTED, ids=lambda part: part)
def test_every_baseline_gives_what_is_to_be_expected(name: str, kind: str) -> None:
    metric, bound = EXPECTED[name, kind]
    found = compute(name, TASKS[kind], {})
    assert list(found["metrics"]) == ["train", "val", "test"]
    assert found["seconds"] > 0
    value = found["metrics"]["test"][metric]
    assert value < bound if metric == "rmse" else value > bound
    assert all(math.isfinite(number) for part in found["metrics"].values() for number in part.values())


def test_the_table_is_that_of_the_baselines() -> None:
    # Ordered classes have the baselines of classes.
    kinds = [kind for kind in losszoo.list_kinds() if kind.name != "ordinal"]
    assert set(EXPECTED) == {(name, kind.name) for kind in kinds for name in kind.baselines}
    assert {name for name, _ in EXPECTED} == set(NAMES)
    without = {kind.name for kind in losszoo.list_kinds() if not kind.baselines}
    assert without == {
        *("segmentation", "semantic-segmentation", "counts", "preference", "ranking", "boxes", "survival")
    }


def scaled(splits: Splits) -> list[np.ndarray]:
    scaler = StandardScaler().fit(splits.train.inputs)
    return [scaler.transform(part.inputs) for part in splits]


def test_knn_is_that_of_scikit_learn_with_the_k_that_is_best_on_validation() -> None:
    splits = losszoo.load_task("breast-cancer").splits(seed=5)
    train, val, test = scaled(splits)
    scores = {}
    for k in (1, 3, 5, 7, 11, 15, 21, 31, 51):
        model = KNeighborsClassifier(k).fit(train, splits.train.targets)
        scores[k] = (model.score(val, splits.val.targets), k, accuracy_score(splits.test.targets, model.predict(test)))
    found = compute("knn", "breast-cancer", {"set": {"task.split": 5}})["metrics"]
    assert found["test"]["accuracy"] == pytest.approx(max(scores.values())[2], abs=1e-12)


def test_ridge_with_little_penalty_is_linear_regression() -> None:
    """Within the little that the penalty, chosen on validation, changes."""
    splits = losszoo.load_task("diabetes").splits(seed=0)
    train, _, test = scaled(splits)
    linear = LinearRegression().fit(train, splits.train.targets)
    expected = root_mean_squared_error(splits.test.targets, linear.predict(test))
    found = compute("ridge", "diabetes", {})["metrics"]["test"]["rmse"]
    assert found == pytest.approx(expected, rel=0.03)


def test_the_split_and_the_options_of_the_task_are_those_of_the_grid() -> None:
    first, second = (compute("knn", "digits", {"set": {"task.split": split}}) for split in (0, 1))
    assert first["metrics"] != second["metrics"]
