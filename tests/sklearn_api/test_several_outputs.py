"""y (N, K): several labels for a classifier, several numbers for a regressor, as in scikit-learn's own networks."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import check_classifier_multioutput

from losszoo.sklearn import LossClassifier, LossRegressor, LossTransformer

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(200, 4))
LABELS = (X[:, :3] > 0).astype(int)
NUMBERS = X[:, :3] * [1e-3, 1.0, 1e4] + [0.0, -5.0, 1e5]


@pytest.fixture(scope="module")
def labelled() -> Any:
    return LossClassifier("bce", lr=1e-2, epochs=15, random_state=0).fit(X, LABELS)


def test_a_classifier_gives_the_indicator_its_probabilities_and_its_logits(labelled: Any) -> None:
    indicator, shares, logits = labelled.predict(X), labelled.predict_proba(X), labelled.decision_function(X)
    assert indicator.shape == shares.shape == logits.shape == (200, 3)
    assert (indicator.dtype, labelled.classes_.tolist()) == (np.int64, [0, 1, 2])
    np.testing.assert_array_equal(indicator, logits > 0)
    np.testing.assert_allclose(shares, 1 / (1 + np.exp(-logits)), rtol=1e-12)
    assert labelled.score(X, LABELS) == accuracy_score(LABELS, indicator) > 0.8
    assert set(labelled.history_[0]["val"]) == {"macro_f1", "micro_f1", "average_precision", "subset_accuracy"}
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(labelled)).predict(X), indicator)


@pytest.mark.parametrize("form", [LABELS.tolist(), LABELS.astype(bool), LABELS * 1.0, sparse.csr_matrix(LABELS)])
def test_every_form_of_an_indicator_is_the_same(labelled: Any, form: Any) -> None:
    again = LossClassifier("bce", lr=1e-2, epochs=15, random_state=0).fit(X, form)
    np.testing.assert_array_equal(again.decision_function(X), labelled.decision_function(X))


def test_two_labels_are_not_two_classes() -> None:
    model = LossClassifier("focal", epochs=2, random_state=0).fit(X, LABELS[:, :2])
    assert model.predict(X).shape == model.predict_proba(X).shape == model.decision_function(X).shape == (200, 2)


def test_a_check_of_scikit_learn_beside_those_of_the_tags() -> None:
    check_classifier_multioutput("LossClassifier", LossClassifier("bce", lr=1e-2, epochs=10, random_state=0))


def test_sets_of_labels_are_held_out_in_their_shares() -> None:
    y = np.repeat([[0, 0], [1, 0], [1, 1]], [120, 60, 20], axis=0)
    model = LossClassifier("bce", epochs=1, validation_fraction=0.2, random_state=0).fit(X, y)
    # The prepared data keep the training rows: four fifths of each set.
    assert np.bincount(model._fitted.data.train.targets.sum(1).long()).tolist() == pytest.approx([96, 48, 16], abs=1)


def test_a_regressor_predicts_each_output_in_its_own_unit() -> None:
    model = LossRegressor("huber", lr=1e-2, epochs=40, random_state=0).fit(X, NUMBERS)
    predicted = model.predict(X)
    assert (predicted.shape, predicted.dtype) == ((200, 3), np.float64)
    for k in range(3):
        assert r2_score(NUMBERS[:, k], predicted[:, k]) > 0.9
    assert model.score(X, NUMBERS) == pytest.approx(r2_score(NUMBERS, predicted))
    assert set(model.history_[0]["val"]) == {"r2", "rmse", "mae"}


def test_a_loss_of_ones_own_and_a_search_take_several_outputs() -> None:
    def doubled(predicted: Any, wanted: Any) -> Any:
        return 2 * (predicted - wanted).square()

    assert LossRegressor(doubled, epochs=1).fit(X, NUMBERS).predict(X).shape == (200, 3)
    search = GridSearchCV(LossClassifier(epochs=1), {"loss": ["bce", "focal"]}, cv=2).fit(X, LABELS)
    assert search.predict(X).shape == (200, 3)


@pytest.mark.parametrize(
    ("estimator", "y", "match"),
    [
        (
            LossClassifier("cross-entropy"),
            LABELS,
            "loss of LossClassifier on y of 3 columns must have one",
        ),
        (
            LossClassifier(),
            LABELS,
            "binary, got modern-nca of the signature neighbors; those that fit: bce",
        ),
        (
            LossRegressor(),
            NUMBERS,
            "regression, .*, got modern-nca of the signature neighbors; those that fit: ",
        ),
        (LossClassifier("bce"), LABELS + 1, "y of several columns must hold 0 and 1, .*, got 2; fit one estimator"),
        (LossClassifier("bce"), LABELS.astype(str), "y of several columns must hold 0 and 1, .*, got '[01]'"),
        (LossClassifier("bce"), np.where(LABELS, 1.0, np.nan), "Input y contains NaN"),
        (LossRegressor("mse"), np.where(LABELS, 1.0, np.inf), "Input y contains infinity"),
        (LossRegressor("mse"), sparse.csr_matrix(NUMBERS), "y of a regressor must be dense, got a sparse matrix"),
        (LossTransformer(), LABELS, "y should be a 1d array"),
    ],
)
def test_what_cannot_be_learned_is_refused(estimator: Any, y: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        estimator.fit(X, y)


@pytest.mark.parametrize(
    ("estimator", "several"),
    [
        (LossClassifier("bce"), True),
        (LossClassifier("0.5*bce + 0.5*focal"), True),
        (LossClassifier("cross-entropy"), False),
        (LossClassifier("no-such-loss"), False),
        (LossRegressor("mse + 1e-4*l2"), True),
        (LossRegressor(), False),
    ],
)
def test_the_tags_say_whether_the_loss_takes_several(estimator: Any, several: bool) -> None:
    tags = get_tags(estimator)
    of_kind = tags.target_tags.multi_output if tags.classifier_tags is None else tags.classifier_tags.multi_label
    assert of_kind is several
