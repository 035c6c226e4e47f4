"""What is learned does not depend on where the zero of a column, of a target or of the weights lies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas
import pytest
import torch

import losszoo
from losszoo.sklearn import LossClassifier, LossRegressor

# Seconds since 1970: float32 tells only steps of 128 of them apart.
FAR = 1_700_000_000
RNG = np.random.default_rng(0)
SECONDS = RNG.integers(0, 60, 300)
NOISE = RNG.normal(size=300)
HALVES = np.where(SECONDS > 29, "late", "early")


def accuracy(task: losszoo.Task, tmp_path: Any) -> float:
    return losszoo.run("bce", task, epochs=12, out=tmp_path).metrics["test"]["accuracy"]


def test_a_moment_in_a_column_keeps_its_seconds(tmp_path: Any) -> None:
    frame = pandas.DataFrame({"stamp": SECONDS + FAR, "noise": NOISE, "y": HALVES})
    far = losszoo.Task.from_table(frame, target="y")
    near = losszoo.Task.from_table(frame.assign(stamp=SECONDS), target="y")
    assert accuracy(far, tmp_path) == accuracy(near, tmp_path) > 0.9
    arrays = losszoo.Task.from_arrays(np.c_[SECONDS + FAR, NOISE], HALVES)
    assert accuracy(arrays, tmp_path) > 0.9


def test_a_trained_model_and_its_export_keep_them_too(tmp_path: Any) -> None:
    frame = pandas.DataFrame({"stamp": SECONDS + FAR, "noise": NOISE, "y": HALVES})
    result = losszoo.run("bce", losszoo.Task.from_table(frame, target="y"), epochs=12, out=tmp_path)
    trained = losszoo.load_run(result.run_dir)
    assert (trained.predict(frame) == HALVES).mean() > 0.9
    program = torch.export.load(trained.export(tmp_path / "model.pt2")).module()
    logits = program(torch.from_numpy(trained.inputs(frame)))
    assert ((logits[:, 0] > 0).numpy() == (trained.predict(frame) == "late")).all()


@pytest.mark.parametrize("targets", [("y",), ("y", "z")], ids=["one", "two"])
def test_targets_far_from_zero_are_told_apart(targets: tuple[str, ...], tmp_path: Any) -> None:
    line = RNG.normal(size=300)
    frame = pandas.DataFrame({"x": line, "noise": NOISE, "y": FAR + 100 * line, "z": FAR - 10 * line})
    task = losszoo.Task.from_table(frame[["x", "noise", *targets]], target=targets)
    result = losszoo.run("mse", task, epochs=30, metric=["r2"], out=tmp_path)
    assert result.metrics["test"]["r2"] > 0.98
    arrays = losszoo.Task.from_arrays(frame[["x", "noise"]], frame[list(targets)])
    assert losszoo.run("mse", arrays, epochs=30, metric=["r2"], out=tmp_path).metrics["test"]["r2"] > 0.98
    known = losszoo.load_run(result.run_dir).score(frame)
    assert known["r2"] > 0.98


@pytest.mark.parametrize("size", [1e-300, 1e-42, 1e38, 1e300])
def test_only_the_ratios_of_weights_count(size: float) -> None:
    inputs, labels = RNG.normal(size=(60, 3)), np.arange(60) % 3
    ratios = RNG.integers(1, 4, 60).astype(float)
    # A power of 2 changes no digit of any weight.
    scale = 2.0 ** np.round(np.log2(size))
    shares = [
        LossClassifier("cross-entropy", epochs=2, random_state=0)
        .fit(inputs, labels, sample_weight=weights)
        .predict_proba(inputs)
        for weights in (ratios * 2.0**-40, ratios * scale)
    ]
    np.testing.assert_array_equal(*shares)


@pytest.mark.parametrize(
    ("estimator", "loss"), [(LossClassifier, "bce"), (LossRegressor, "mse")], ids=["labels", "numbers"]
)
def test_several_targets_of_a_row_have_its_weight(estimator: Any, loss: str) -> None:
    inputs, targets = RNG.normal(size=(40, 3)), RNG.integers(0, 2, (40, 2))
    weights = np.repeat([0.0, 2.0], 20)
    made = estimator(loss, epochs=2, random_state=0, validation_fraction=0)
    weighted = made.fit(inputs, targets, sample_weight=weights).predict(inputs)
    absent = made.fit(inputs[20:], targets[20:]).predict(inputs)
    np.testing.assert_allclose(weighted, absent, atol=1e-6)
