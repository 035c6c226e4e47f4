"""Weights of rows and classes in the estimators."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import AdaBoostClassifier
from sklearn.metrics import recall_score
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from losszoo import UsageError
from losszoo.sklearn import LossClassifier, LossRegressor, LossTransformer

RANDOM = np.random.default_rng(0)
ROWS = RANDOM.normal(size=(64, 3))
LABELS = np.where(ROWS[:, 0] > 0, "yes", "no")
WEIGHTS = np.where(np.arange(64) % 4 == 0, 0.0, 1.0)

ESTIMATORS = [
    *(LossClassifier(loss) for loss in ("cross-entropy", "bce", "mse", "modern-nca", "sup-con", "triplet", "nt-xent")),
    LossRegressor("huber"),
    LossTransformer("nca-stable"),
]


def fitted(estimator: Any, *rows: Any, **how: Any) -> dict[str, np.ndarray]:
    estimator.set_params(epochs=1, random_state=0).fit(*rows, **how)
    return {name: x.numpy() for name, x in estimator.model_.state_dict().items()}


def targets_of(estimator: Any) -> Any:
    return ROWS[:, 1] if isinstance(estimator, LossRegressor) else LABELS


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=str)
def test_a_row_of_weight_0_is_absent(estimator: Any) -> None:
    """To the bit: of the columns, the validation rows, the batches and the parameters."""
    targets, there = targets_of(estimator), WEIGHTS > 0
    inputs = np.where(there[:, None], ROWS, 1e6)  # so that a scaler that saw them would say so
    weighted = fitted(estimator, inputs, targets, sample_weight=WEIGHTS)
    for name, x in fitted(estimator, inputs[there], targets[there]).items():
        np.testing.assert_array_equal(weighted[name], x)


def test_a_class_of_absent_rows_is_absent() -> None:
    labels = np.where(np.arange(64) % 4 == 0, "gone", LABELS)
    model = LossClassifier("cross-entropy", epochs=1).fit(ROWS, labels, WEIGHTS)
    assert model.classes_.tolist() == ["no", "yes"]


@pytest.mark.parametrize("estimator", [LossClassifier("cross-entropy"), LossRegressor("mse")], ids=str)
def test_a_weight_of_2_is_a_row_twice(estimator: Any) -> None:
    """With all rows in one batch, up to the rounding of float32: scikit-learn's rule of weights."""
    targets, twice = targets_of(estimator), np.r_[np.arange(64), np.arange(20)]
    how = {"validation_fraction": 0, "batch_size": 100}
    estimator.set_params(**how)
    weighted = fitted(estimator, ROWS, targets, sample_weight=np.bincount(twice))
    for name, x in fitted(estimator, ROWS[twice], targets[twice]).items():
        np.testing.assert_allclose(weighted[name], x, atol=1e-3)


def test_weights_of_1_change_nothing() -> None:
    model = LossClassifier("cross-entropy")
    plain = fitted(model, ROWS, LABELS)
    for name, x in fitted(model, ROWS, LABELS, sample_weight=np.ones(64)).items():
        np.testing.assert_array_equal(plain[name], x)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        (np.r_[-1.0, np.ones(63)], r"sample_weight must be >= 0, got -1.0 in row 0"),
        (np.zeros(64), "sample_weight must be above 0 for some row, got only zero weights"),
        (np.r_[np.nan, np.ones(63)], "sample_weight contains NaN"),
        (np.ones(63), r"sample_weight must have shape \(64,\), one number for each row, got \(63,\)"),
        (np.ones((64, 1)), r"sample_weight must have shape \(64,\)"),
        (np.r_[1.0, np.zeros(63)], "sample_weight must be above 0 for at least two rows, of two classes"),
        (np.where(LABELS == "yes", 1.0, 0.0), "y must hold at least two classes, got only one class, 'yes'"),
    ],
)
def test_other_weights_are_refused(weights: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        LossClassifier("cross-entropy", epochs=1).fit(ROWS, LABELS, sample_weight=weights)


def test_a_loss_that_returns_one_number_refuses_weights() -> None:
    def whole(logits: Any, targets: Any) -> Any:
        import torch

        return torch.nn.functional.cross_entropy(logits, targets)

    with pytest.raises(UsageError, match="weight must be left out"):
        LossClassifier(whole, epochs=1).fit(ROWS, LABELS, sample_weight=RANDOM.uniform(1, 2, 64))


def rare(seed: int, rows: int = 300) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    inputs = random.normal(size=(rows, 2))
    return inputs, np.where(inputs[:, 0] + 0.7 * random.normal(size=rows) > 1.9, "rare", "usual")


@pytest.mark.parametrize("class_weight", ["balanced", {"rare": 20}])
@pytest.mark.parametrize("loss", ["cross-entropy", "bce", "modern-nca"])
def test_a_rare_class_is_found_more_often(loss: str, class_weight: Any) -> None:
    plain, weighted = (
        LossClassifier(loss, epochs=8, lr=1e-2, random_state=0, class_weight=given).fit(*rare(1))
        for given in (None, class_weight)
    )
    inputs, labels = rare(2, 2000)
    recall = [recall_score(labels, model.predict(inputs), pos_label="rare") for model in (plain, weighted)]
    assert recall[1] > recall[0] + 0.2


@pytest.mark.parametrize("given", ["auto", [1, 2], np.ones(2), {"yess": 2.0}])
def test_other_class_weights_are_refused(given: Any) -> None:
    with pytest.raises(UsageError, match="class_weight must be"):
        LossClassifier("cross-entropy", epochs=1, class_weight=given).fit(ROWS, LABELS)


def test_estimators_that_weigh_rows_work() -> None:
    boosted = AdaBoostClassifier(LossClassifier("cross-entropy", epochs=3, lr=1e-2), n_estimators=3, random_state=0)
    boosted.fit(ROWS, LABELS)
    assert len(boosted.estimators_) > 1
    assert boosted.score(ROWS, LABELS) > 0.8
    calibrated = CalibratedClassifierCV(LossClassifier("cross-entropy", epochs=3, lr=1e-2), cv=2)
    calibrated.fit(ROWS, LABELS, sample_weight=RANDOM.uniform(0.5, 2, 64))
    np.testing.assert_allclose(calibrated.predict_proba(ROWS).sum(1), 1)


def test_weights_are_routed() -> None:
    with sklearn.config_context(enable_metadata_routing=True):
        model = LossClassifier("cross-entropy", epochs=1).set_fit_request(sample_weight=True)
        model.set_score_request(sample_weight=True)
        pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), model)
        scored = cross_validate(pipeline, ROWS, LABELS, cv=2, params={"sample_weight": WEIGHTS + 0.5})
        assert np.isfinite(scored["test_score"]).all()
        asking = LossClassifier("cross-entropy", epochs=1).set_score_request(sample_weight=True)
        with pytest.raises(ValueError, match=r"\[sample_weight\] are passed but are not explicitly set"):
            cross_validate(asking, ROWS, LABELS, cv=2, params={"sample_weight": WEIGHTS})


def test_a_table_in_a_pipeline_of_columns_and_a_grid_over_the_loss() -> None:
    table = pd.DataFrame({"size": ROWS[:, 0], "age": ROWS[:, 1], "color": np.where(ROWS[:, 2] > 0, "red", "blue")})
    columns = make_column_transformer((StandardScaler(), ["size", "age"]), (OneHotEncoder(), ["color"]))
    model = LossClassifier("softmax-focal", epochs=2, lr=1e-2, random_state=0)
    grid = {
        "lossclassifier__loss": ["cross-entropy", "softmax-focal", "bce"],
        "lossclassifier__class_weight": [None, "balanced"],
    }
    search = GridSearchCV(make_pipeline(columns, model), grid, cv=2, error_score="raise").fit(table, LABELS)
    assert len(search.cv_results_["params"]) == 6
    nested = {"lossclassifier__loss__gamma": [0.5, 2.0]}
    search = GridSearchCV(make_pipeline(columns, model), nested, cv=2, error_score="raise").fit(table, LABELS)
    assert search.best_estimator_[-1].loss.startswith("softmax-focal(gamma=")
