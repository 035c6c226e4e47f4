"""Grids, folds, copies, pickles, refusals: the estimators as scikit-learn's users have them."""

from __future__ import annotations

import pickle
import random
import threading
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import torch
from own_losses import Scaled, brier, control_c, never
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from losszoo.errors import NonFiniteError, UnknownNameError, UsageError
from losszoo.sklearn import LossClassifier, LossRegressor, LossTransformer

IRIS = load_iris(return_X_y=True)
DIABETES = load_diabetes(return_X_y=True)
QUICK: dict[str, Any] = {"epochs": 3, "dim": 4, "random_state": 0}


def state() -> tuple[Any, ...]:
    """Of every global source of chance."""
    return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()


@pytest.mark.parametrize("loss", ["cross-entropy", "modern-nca", "triplet", "info-nce"])
def test_the_same_seed_gives_the_same_bits(loss: str) -> None:
    before = state()
    first = LossClassifier(loss, **QUICK).fit(*IRIS).predict_proba(IRIS[0])
    assert state() == before
    torch.rand(3)
    np.testing.assert_array_equal(first, LossClassifier(loss, **QUICK).fit(*IRIS).predict_proba(IRIS[0]))
    other = LossClassifier(loss, **{**QUICK, "random_state": 1}).fit(*IRIS).predict_proba(IRIS[0])
    assert not np.array_equal(first, other)


def test_without_a_seed_numpy_gives_one() -> None:
    found = []
    for _ in range(2):
        np.random.seed(3)
        found.append(LossClassifier("bce", **{**QUICK, "random_state": None}).fit(*IRIS).predict_proba(IRIS[0]))
    np.testing.assert_array_equal(*found)
    source = np.random.RandomState(0)
    model = LossClassifier("bce", **{**QUICK, "random_state": source})
    assert not np.array_equal(*(model.fit(*IRIS).predict_proba(IRIS[0]) for _ in range(2)))


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_folds_at_the_same_time(backend: str) -> None:
    model = LossClassifier("modern-nca", **QUICK)
    alone = cross_val_score(model, *IRIS, cv=3)
    with joblib.parallel_backend(backend):
        np.testing.assert_allclose(cross_val_score(model, *IRIS, cv=3, n_jobs=2), alone)


def test_a_grid_over_losses_rates_and_widths() -> None:
    grid = {
        "lossclassifier__loss": ["cross-entropy", "modern-nca", "0.5*bce + triplet-batch-hard"],
        "lossclassifier__lr": np.logspace(-3, -2, 2),
        "lossclassifier__dim": np.arange(2, 4),
    }
    pipeline = make_pipeline(MinMaxScaler(), LossClassifier(epochs=10, random_state=0))
    search = GridSearchCV(pipeline, grid, cv=2, scoring=["accuracy", "neg_log_loss"], refit="accuracy").fit(*IRIS)
    assert len(search.cv_results_["params"]) == 12
    assert search.best_score_ > 0.8
    assert np.isfinite(search.cv_results_["mean_test_neg_log_loss"]).all()


def test_an_embedding_inside_a_pipeline() -> None:
    pipeline = make_pipeline(LossTransformer(dim=2, epochs=20, random_state=0), KNeighborsClassifier())
    pipeline.set_output(transform="default")
    assert (cross_val_predict(pipeline, *IRIS, cv=3) == IRIS[1]).mean() > 0.85


@pytest.mark.parametrize(
    "loss",
    ["cross-entropy + 1e-4*l2", "modern-nca", "sup-con", brier, Scaled()],
    ids=["sum", "nca", "cosine", "function", "module"],
)
def test_copies_and_pickles_predict_alike(loss: Any, tmp_path: Path) -> None:
    model = LossClassifier(loss, **QUICK).fit(*IRIS)
    expected = model.predict_proba(IRIS[0])
    joblib.dump(model, tmp_path / "model.joblib")
    for other in (pickle.loads(pickle.dumps(model)), joblib.load(tmp_path / "model.joblib"), clone(model).fit(*IRIS)):
        np.testing.assert_array_equal(other.predict_proba(IRIS[0]), expected)
    assert not hasattr(clone(model), "model_")


def test_a_pickle_does_not_hold_the_training_rows() -> None:
    rows = np.random.default_rng(0).normal(size=(2000, 200))
    model = LossClassifier("cross-entropy", dim=2, epochs=1, random_state=0).fit(rows, rows[:, 0] > 0)
    assert len(pickle.dumps(model)) < rows.nbytes / 10


def test_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    LossClassifier(**QUICK).fit(*IRIS).predict(IRIS[0])
    with pytest.raises(NonFiniteError):
        LossClassifier(never, **QUICK).fit(*IRIS)
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr() == ("", "")


def test_verbose_tells_every_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    LossRegressor("mse", verbose=1, **QUICK).fit(*DIABETES)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("epoch 1/3: loss ")
    assert "validation rmse" in lines[0]


@pytest.mark.parametrize("labels", [
    np.array(["setosa", "versicolor", "virginica"])[IRIS[1]], np.array(["a", "b", "c"], dtype=object)[IRIS[1]],
    IRIS[1] * 1.0, IRIS[1] == 1, (IRIS[1] * 10 - 5).tolist(), IRIS[1].astype(np.uint8),
])  # fmt: skip
def test_labels_of_any_type(labels: Any) -> None:
    model = LossClassifier("cross-entropy", epochs=30, lr=1e-2, random_state=0).fit(IRIS[0].tolist(), labels)
    assert model.score(IRIS[0].astype(np.float32), labels) > 0.85
    assert model.classes_.tolist() == np.unique(labels).tolist()


def test_what_is_known_after_a_fit() -> None:
    model = LossClassifier("cross-entropy", epochs=5, patience=0, random_state=0, clip_norm=1e-3).fit(*IRIS)
    assert model.n_iter_ == len(model.history_) == 5
    assert set(model.history_[0]["val"]) == {"accuracy"}
    assert model.guard_["clipped"] > 0
    assert model.guard_["first"] is None
    assert next(model.model_.parameters()).dtype == torch.float64
    assert model.n_features_in_ == 4


def test_without_validation_all_epochs_are_trained() -> None:
    model = LossClassifier("cross-entropy", epochs=7, patience=1, validation_fraction=0, random_state=0).fit(*IRIS)
    assert model.n_iter_ == 7
    assert all(np.isnan(line["val"]["accuracy"]) for line in model.history_)
    stopped = LossClassifier("cross-entropy", epochs=90, patience=1, lr=0.03, random_state=0).fit(*IRIS)
    assert stopped.n_iter_ < 90


def test_numeric_columns_alone_are_scaled() -> None:
    rows = np.column_stack([IRIS[0], IRIS[1] == 0])
    predicted = [
        LossClassifier("bce", numeric=numeric, trunk="plr", **QUICK).fit(rows, IRIS[1]).predict_proba(rows)
        for numeric in (4, [0, 1, 2, 3], np.arange(5) < 4, None)
    ]
    np.testing.assert_array_equal(predicted[0], predicted[1])
    np.testing.assert_array_equal(predicted[0], predicted[2])
    assert not np.array_equal(predicted[0], predicted[3])


def test_two_rows_and_one_column() -> None:
    rows = np.array([[0.0], [1.0]])
    for loss in ("cross-entropy", "modern-nca", "nca-stable", "triplet"):
        assert LossClassifier(loss, **QUICK).fit(rows, ["no", "yes"]).predict(rows).shape == (2,)
    assert LossRegressor(**QUICK).fit(rows, [1.0, 2.0]).predict(rows).shape == (2,)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (LossClassifier("dice"), "loss of LossClassifier must have one of the signatures multiclass, .*, got dice "
         "of the signature segmentation; those that fit: .*cross-entropy"),
        (LossClassifier("bce + 0.1*dice"), "got dice of the signature segmentation"),
        (LossTransformer("cross-entropy"), "loss of LossTransformer must .*multiclass; those that fit: .*sup-con"),
        (LossTransformer("cross-entropy + sup-con"), "got cross-entropy of the signature multiclass"),
        (LossClassifier(lambda logits, targets, extra=1: logits, epochs=1, dim=0), "option dim of trunk mlp must be"),
        (LossClassifier("l2"), "a penalty must stand in a sum"),
        (LossClassifier(3), r"loss must be a name, an expression or a callable, got 3"),
        (LossClassifier(lr=-1), r"recipe.lr must be .*, got -1"),
        (LossClassifier(epochs=2.5), r"recipe.epochs must be .*, got 2.5"),
        (LossClassifier(validation_fraction=1.0), r"validation_fraction must be None or a number in \[0, 1\), got"),
        (LossClassifier(validation_fraction="0.1"), r"validation_fraction must be .*, got '0.1'"),
        (LossClassifier(numeric=5), "numeric must be .* among 4 columns, got 5"),
        (LossClassifier(on_nonfinite="ignore"), "on_nonfinite must be one of raise, skip, rollback"),
        (LossClassifier(device="nowhere"), "device must be one that this machine has"),
        (LossClassifier(clip_norm=-1.0), "clip_norm must be"),
    ],
)  # fmt: skip
def test_what_cannot_be(model: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        model.fit(*IRIS)


def test_a_regressor_says_what_fits_it() -> None:
    for loss in ("cross-entropy", "triplet", brier):
        rule = "loss of LossRegressor must have one of the signatures regression, .*neighbors, got "
        with pytest.raises(UsageError, match=rule):
            LossRegressor(loss).fit(*DIABETES)


def test_names_that_nobody_offers() -> None:
    with pytest.raises(UnknownNameError, match="did you mean modern-nca"):
        LossClassifier("modern-nka").fit(*IRIS)
    with pytest.raises(UnknownNameError, match=r"trunk must be one of linear, mlp, .* got 'mpl'"):
        LossClassifier(trunk="mpl").fit(*IRIS)


def test_a_wrong_loss_does_not_hide_its_methods() -> None:
    assert hasattr(LossClassifier("modern-nka"), "predict_proba")
    with pytest.raises(NotFittedError):
        LossClassifier("modern-nka").predict_proba(IRIS[0])


def test_one_class_is_none() -> None:
    with pytest.raises(ValueError, match=r"y must hold at least two classes, got only one class, 0\.0"):
        LossClassifier().fit(IRIS[0], np.zeros(150))


@pytest.mark.parametrize(("X", "y", "message"), [
    (IRIS[0] * 1e60, IRIS[1], "Input X contains infinity or a value too large for dtype"),
    (np.where(IRIS[0] > 6, np.nan, IRIS[0]), IRIS[1], "Input X contains NaN"),
    (IRIS[0][:1], IRIS[1][:1], "1 sample"),
    (IRIS[0], IRIS[1] + 0.5, "Unknown label type"),
])  # fmt: skip
def test_data_are_refused_in_scikit_learns_words(X: Any, y: Any, message: str) -> None:  # noqa: N803
    with pytest.raises(ValueError, match=message):
        LossClassifier().fit(X, y)


def test_numbers_beyond_float32_are_refused() -> None:
    with pytest.raises(ValueError, match="Input y contains infinity or a value too large for dtype"):
        LossRegressor().fit(DIABETES[0], DIABETES[1] * 1e60)
    model = LossRegressor("mse", **QUICK).fit(*DIABETES)
    with pytest.raises(ValueError, match="Input X contains infinity or a value too large for dtype"):
        model.predict(DIABETES[0] * 1e60)


@pytest.mark.filterwarnings("ignore:the weight of nca-ratio is 0:UserWarning")
def test_a_loss_that_is_not_finite() -> None:
    with pytest.raises(NonFiniteError, match=r"LossClassifier\(loss='never'\) stopped after 0 epochs: "):
        LossClassifier(never, **QUICK).fit(*IRIS)
    with pytest.raises(NonFiniteError, match="stopped after"):
        LossClassifier(never, on_nonfinite="skip", **{**QUICK, "epochs": 500}).fit(*IRIS)
    scores = cross_val_score(LossClassifier("0*nca-ratio + cross-entropy", **QUICK), *IRIS, cv=2)
    assert np.isfinite(scores).all()


def test_control_c_in_the_main_thread() -> None:
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals come to the main thread alone")
    with pytest.raises(KeyboardInterrupt):
        LossClassifier(control_c, **QUICK).fit(*IRIS)


def test_on_another_device_it_predicts_in_float32_and_stays_where_it_is() -> None:
    for loss in ("cross-entropy", "modern-nca"):
        fitted = LossClassifier(loss, **QUICK).fit(*IRIS)._fitted
        there = fitted._on(torch.device("meta"))
        assert {(p.device.type, p.dtype) for p in there.model.parameters()} == {("meta", torch.float32)}
        assert {(p.device.type, p.dtype) for p in fitted.model.parameters()} == {("cpu", torch.float64)}
        assert (there.data.train.targets.device.type, there.data.train.targets.dtype) == ("meta", torch.int64)
        if loss == "modern-nca":
            assert (there.known.features.device.type, there.known.features.dtype) == ("meta", torch.float32)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("loss", ["cross-entropy", "modern-nca", "nca-stable"])
def test_on_a_gpu(loss: str) -> None:
    model = LossClassifier(loss, device="cuda", epochs=20, random_state=0).fit(*IRIS)
    shares = model.predict_proba(IRIS[0])
    here = pickle.loads(pickle.dumps(model)).set_params(device="cpu")
    np.testing.assert_allclose(here.predict_proba(IRIS[0]), shares, atol=1e-3)


def test_the_loss_has_a_learning_rate_of_its_own() -> None:
    """With one of 1e-12 what it learns stays where it was: the weights of the terms at 0."""
    slow, usual = (
        LossClassifier("uncertainty(bce, cross-entropy)", loss_lr=lr, **QUICK).fit(*IRIS) for lr in (1e-12, None)
    )
    moved = [next(model.loss_.parameters()).abs().max().item() for model in (slow, usual)]
    assert moved[0] < 1e-9 < 1e-3 < moved[1]
    with pytest.raises(UsageError, match=r"recipe.loss_lr must be in \(0, inf\), .*got 0"):
        LossClassifier("bce", loss_lr=0.0).fit(*IRIS)
