"""What the estimators predict, against scikit-learn, scipy and closed forms in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from own_losses import Scaled, absolute, brier, logistic
from scipy.special import expit, softmax
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.linear_model import LinearRegression
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import KNeighborsClassifier

import losszoo
from losszoo.sklearn import LossClassifier, LossRegressor, LossTransformer

IRIS = load_iris(return_X_y=True)
CANCER = tuple(rows[::3] for rows in load_breast_cancer(return_X_y=True))
DIABETES = load_diabetes(return_X_y=True)
QUICK: dict[str, Any] = {"epochs": 3, "dim": 4, "random_state": 0}
WHOLE = {**QUICK, "validation_fraction": 0}


def named(*signatures: str) -> list[str]:
    """Every registered loss of these signatures."""
    return [spec.name for spec in losszoo.list_losses() if spec.signature in signatures]


REGRESSION = named("regression")
HEADED = [*named("multiclass", "binary"), *REGRESSION]
EMBEDDING = named("embedding", "pair", "triplet", "views")
OWN: dict[str, Any] = {
    "function": brier,
    "class": Scaled,
    "module": Scaled(),
    "torch's": torch.nn.CrossEntropyLoss(),
    "torch's of signature binary": losszoo.create(torch.nn.BCEWithLogitsLoss(), signature="binary"),
    "of predictions and targets": logistic,
    "of the zoo": losszoo.create("focal", gamma=1.0),
    "sum": losszoo.create("bce + 1e-4*l2"),
}


@pytest.mark.parametrize("data", [CANCER, IRIS], ids=["two classes", "three classes"])
@pytest.mark.parametrize("loss", [*HEADED, *EMBEDDING, "modern-nca"])
def test_every_loss_that_fits_labels(loss: str, data: tuple[Any, Any]) -> None:
    model = LossClassifier(loss, **QUICK).fit(*data)
    labels = model.predict(data[0])
    assert set(labels) <= set(model.classes_)
    assert hasattr(model, "predict_proba") == (loss not in REGRESSION)
    assert hasattr(model, "decision_function") == (loss in HEADED)
    if hasattr(model, "predict_proba"):
        shares = model.predict_proba(data[0])
        np.testing.assert_allclose(shares.sum(1), 1)
        np.testing.assert_array_equal(model.classes_[shares.argmax(1)], labels)
    if hasattr(model, "decision_function"):
        scores = model.decision_function(data[0])
        assert scores.shape == ((len(labels),) if len(model.classes_) == 2 else (len(labels), 3))
        chosen = (scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(1)
        np.testing.assert_array_equal(model.classes_[chosen], labels)


@pytest.mark.parametrize("loss", [*REGRESSION, "modern-nca"])
def test_every_loss_that_fits_numbers(loss: str) -> None:
    model = LossRegressor(loss, epochs=20, lr=1e-2, random_state=0).fit(*DIABETES)
    assert model.predict(DIABETES[0]).dtype == np.float64
    # Errors relative to the target predict less than the mean, and the default quantile is the median.
    assert model.score(*DIABETES) > {"quantile": -0.4, "mape": 0.1}.get(loss, 0.2)


@pytest.mark.parametrize("loss", [*EMBEDDING, "modern-nca"])
def test_every_loss_that_gives_an_embedding(loss: str) -> None:
    model = LossTransformer(loss, **QUICK)
    features = model.fit_transform(*IRIS)
    assert features.shape == (150, 4)
    assert np.isfinite(features).all()
    assert list(model.get_feature_names_out()) == [f"losstransformer{i}" for i in range(4)]


def test_probabilities_are_those_of_the_logits() -> None:
    # scipy's expit and softmax.
    model = LossClassifier("bce", **QUICK).fit(*CANCER)
    np.testing.assert_allclose(model.predict_proba(CANCER[0])[:, 1], expit(model.decision_function(CANCER[0])))
    model = LossClassifier("nll", **QUICK).fit(*IRIS)
    np.testing.assert_allclose(model.predict_proba(IRIS[0]), softmax(model.decision_function(IRIS[0]), axis=1))
    model = LossClassifier("bce-probabilities", **QUICK).fit(*IRIS)
    against_the_rest = expit(model.decision_function(IRIS[0]))
    expected = against_the_rest / against_the_rest.sum(1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(IRIS[0]), expected)


def test_a_row_that_every_class_refuses_is_shared_out_alike() -> None:
    model = LossClassifier("bce", **QUICK).fit(*IRIS)
    torch.nn.init.constant_(model.model_.heads["binary"].bias, -1e4)
    np.testing.assert_allclose(model.predict_proba(IRIS[0]), 1 / 3)


@pytest.mark.parametrize("loss", ["nca-stable", "sup-con"])
def test_embeddings_vote_as_neighbors_of_scikit_learn_do(loss: str) -> None:
    classifier, transformer = (kind(loss, **WHOLE).fit(*CANCER) for kind in (LossClassifier, LossTransformer))
    features = transformer.transform(CANCER[0])
    if loss == "sup-con":  # compares by cosine
        np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1)
    k = classifier._fitted.known.k
    neighbors = KNeighborsClassifier(k).fit(features, CANCER[1])
    np.testing.assert_array_equal(classifier.predict(CANCER[0]), neighbors.predict(features))


def test_modern_nca_is_a_soft_vote() -> None:
    classifier, transformer = (kind("modern-nca", **WHOLE).fit(*IRIS) for kind in (LossClassifier, LossTransformer))
    features = transformer.transform(IRIS[0])
    expected = softmax(-pairwise_distances(features), axis=1) @ np.eye(3)[IRIS[1]]
    np.testing.assert_allclose(classifier.predict_proba(IRIS[0]), expected, rtol=1e-5)


def test_modern_nca_is_a_soft_mean() -> None:
    model = LossRegressor("modern-nca", **WHOLE).fit(*DIABETES)
    features = model._fitted.known.features.numpy()
    expected = softmax(-pairwise_distances(features), axis=1) @ DIABETES[1]
    np.testing.assert_allclose(model.predict(DIABETES[0]), expected, rtol=1e-5)


def test_a_linear_network_learns_least_squares() -> None:
    expected = LinearRegression().fit(*DIABETES).predict(DIABETES[0])
    options: dict[str, Any] = {"trunk": "linear", "dim": 10, "weight_decay": 0, "batch_size": 442}
    model = LossRegressor("mse", lr=1e-2, epochs=600, validation_fraction=0, random_state=0, **options).fit(*DIABETES)
    assert np.abs(model.predict(DIABETES[0]) - expected).max() < 2  # numbers from 25 to 346


def test_targets_of_any_unit() -> None:
    rows, numbers = DIABETES
    plain = LossRegressor("mse", **QUICK).fit(rows, numbers).predict(rows)
    moved = LossRegressor("mse", **QUICK).fit(rows, 1e9 + 1e-2 * numbers).predict(rows)
    np.testing.assert_allclose((moved - 1e9) * 1e2, plain, atol=1e-2)
    constant = LossRegressor("mse", epochs=200, random_state=0).fit(rows, np.full(442, 7.0)).predict(rows)
    np.testing.assert_allclose(constant, 7, atol=0.1)


@pytest.mark.parametrize(
    "loss",
    [
        "0.5*bce + cross-entropy",
        "cross-entropy + 1e-4*l2",
        "uncertainty(bce, cross-entropy)",
        "linear(0, 1, epochs=3)*sup-con + bce",
    ],
)
def test_expressions(loss: str) -> None:
    model = LossClassifier(loss, **{**QUICK, "epochs": 30, "lr": 1e-2}).fit(*CANCER)
    assert model.score(*CANCER) > 0.9
    assert set(model.history_[0]["terms"]) == {term.label for term in model.loss_.terms}


@pytest.mark.parametrize("data", [CANCER, IRIS], ids=["two classes", "three classes"])
@pytest.mark.parametrize("kind", OWN)
def test_losses_of_ones_own(kind: str, data: tuple[Any, Any]) -> None:
    model = LossClassifier(OWN[kind], **{**QUICK, "epochs": 60, "lr": 1e-2}).fit(*data)
    assert model.score(*data) > 0.9


def test_a_function_of_numbers() -> None:
    assert LossRegressor(absolute, epochs=20, lr=1e-2, random_state=0).fit(*DIABETES).score(*DIABETES) > 0.3


def test_what_a_loss_learns_is_not_left_in_the_parameter() -> None:
    loss = Scaled()
    model = LossClassifier(loss, **QUICK).fit(*IRIS)
    assert loss.scale.item() == 1.0
    assert next(model.loss_.parameters()).item() != 1.0


def test_a_loss_of_a_file(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = "def margin(logits, targets):\n    return logits.logsumexp(1) - logits.gather(1, targets[:, None])[:, 0]\n"
    (tmp_path / "mine.py").write_text(text)
    mine = LossClassifier("mine.py:margin", **QUICK).fit(*IRIS).predict_proba(IRIS[0])
    np.testing.assert_allclose(
        mine, LossClassifier("cross-entropy", **QUICK).fit(*IRIS).predict_proba(IRIS[0]), rtol=1e-3
    )
