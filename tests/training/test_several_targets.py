"""Targets (N, K): several labels, or several numbers, for each row."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics as sk

import losszoo
from losszoo import DataError, Recipe, Setup, Split, Splits, Task, TaskSpec, UsageError
from losszoo.training.data.prepared_data import Part, Prepared, prepare
from losszoo.training.evaluation.outputs import output_metrics

CPU = torch.device("cpu")
RANDOM = np.random.default_rng(0)
SCORES = np.round(RANDOM.normal(size=(60, 4)), 1)  # with ties
TRUTH = (RANDOM.random((60, 4)) < [0.5, 0.2, 0.7, 0.0]).astype(np.int64)  # no row has the last label


class Several(Task):
    """Rows that tell three labels, or three numbers of scales far apart."""

    class_names: tuple[str, ...] = ("low", "middle", "high")

    def __init__(self, kind: str, targets: Any = None) -> None:
        metric = "macro_f1" if kind == "multilabel" else "r2"
        self.spec = TaskSpec(name="several", target="here:Several", kind=kind, summary="rows", metric=metric)
        inputs = np.random.default_rng(1).normal(size=(100, 3)).astype(np.float32)
        numbers = inputs @ np.diag([1e-3, 1.0, 1e4]) + [5.0, 0.0, -1e5]
        self.inputs, told = inputs, (inputs > 0).astype(np.int64) if kind == "multilabel" else numbers
        self.targets = told if targets is None else targets(told)

    def splits(self, seed: int = 0) -> Splits:
        return Splits(*(Split(self.inputs[rows], self.targets[rows]) for rows in np.split(np.arange(100), [60, 80])))

    def setup(self, signature: str) -> Setup:
        return Setup(trunk="linear", model={"dim": 8}, recipe=Recipe(lr=3e-2, batch_size=16, epochs=30, patience=0))


def judged(kind: str, outputs: Any, targets: Any, expects: str = "logits", **unit: Any) -> dict[str, float]:
    """The metrics of a kind, as a run computes them."""
    part = Part(torch.zeros(len(targets), 1), torch.from_numpy(np.asarray(targets, np.float32)))
    data = Prepared(part, part, part, kind, 0, **unit)
    return output_metrics(torch.from_numpy(np.asarray(outputs, np.float32)), part, data, expects)


def test_metrics_of_several_labels_are_those_of_scikit_learn() -> None:
    said = (SCORES > 0).astype(int)
    with_positives = TRUTH.any(0)
    expected = {
        # The last label is given to some rows and true of none: its F1 is 0, and no ranking of it is right or wrong.
        "macro_f1": sk.f1_score(TRUTH, said, average="macro"),
        "micro_f1": sk.f1_score(TRUTH, said, average="micro"),
        "average_precision": sk.average_precision_score(TRUTH[:, with_positives], SCORES[:, with_positives]),
        "subset_accuracy": sk.accuracy_score(TRUTH, said),
    }
    assert judged("multilabel", SCORES, TRUTH) == pytest.approx(expected, rel=1e-6)
    probabilities = 1 / (1 + np.exp(-SCORES))
    assert judged("multilabel", probabilities, TRUTH, "probabilities") == pytest.approx(expected, rel=1e-6)


def test_a_label_that_is_neither_true_nor_given_counts_in_no_mean() -> None:
    absent = SCORES - [0, 0, 0, 100]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = judged("multilabel", absent, TRUTH)
    assert found["macro_f1"] == pytest.approx(sk.f1_score(TRUTH, absent > 0, average="macro", zero_division=np.nan))
    nothing = judged("multilabel", -np.ones((5, 2)), np.zeros((5, 2)))
    assert nothing["subset_accuracy"] == 1
    assert all(math.isnan(nothing[name]) for name in ("macro_f1", "micro_f1", "average_precision"))


def test_metrics_of_several_numbers_are_those_of_scikit_learn_in_the_units_of_the_data() -> None:
    center, scale = np.array([1e3, -2.0, 0.0, 5.0]), np.array([10.0, 0.1, 3.0, 1e4])
    truth = RANDOM.normal(size=(60, 4)).astype(np.float32)
    wanted, numbers = (np.float32(x).astype(np.float64) * scale + center for x in (truth, SCORES))
    found = judged("multi-output", SCORES, truth, center=center, scale=scale)
    expected = {
        "r2": sk.r2_score(wanted, numbers),
        "rmse": sk.root_mean_squared_error(wanted, numbers),
        "mae": sk.mean_absolute_error(wanted, numbers),
    }
    assert found == pytest.approx(expected, rel=1e-6)
    # An output that is not finite is not left out of the mean.
    broken = judged("multi-output", np.where(np.arange(4) == 2, np.nan, SCORES), truth, center=center, scale=scale)
    assert all(math.isnan(value) for value in broken.values())


def test_each_output_is_scaled_by_its_own_training_rows() -> None:
    task = Several("multi-output", lambda told: np.concatenate([told, np.full((100, 1), 7.0)], 1))
    task.class_names = ()
    data = prepare(task, 0, CPU)
    train = task.splits().train.targets
    np.testing.assert_allclose(data.center, train.mean(0))
    np.testing.assert_allclose(data.scale, [*train.std(0)[:3], 1.0])  # a constant output is 0
    np.testing.assert_allclose(data.train.targets.std(0, correction=0), [1, 1, 1, 0], rtol=1e-5)


@pytest.mark.parametrize(
    ("loss", "kind", "least"),
    [
        ("focal", "multilabel", 0.8),
        ("bce-probabilities", "multilabel", 0.9),
        ("0.5*bce + 0.5*hinge + 1e-5*l2", "multilabel", 0.9),
        ("huber", "multi-output", 0.95),
        ("mse", "multi-output", 0.95),
    ],
)
def test_losses_of_the_natural_signature_learn_them(loss: str, kind: str, least: float, tmp_path: Any) -> None:
    result = losszoo.run(loss, Several(kind), out=tmp_path)
    assert result.status == "completed"
    assert next(iter(result.metrics["test"].values())) > least


@pytest.mark.parametrize(
    ("loss", "kind", "match"),
    [
        ("nca-stable", "multilabel", "nca-stable is an embedding loss and does not fit several, a multilabel task"),
        ("modern-nca", "multi-output", "modern-nca is a neighbors loss and does not fit several, a multi-output task"),
        ("cross-entropy", "multilabel", "several takes losses of binary, .*, such as "),
    ],
)
def test_a_loss_without_predictions_of_each_output_is_refused(loss: str, kind: str, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        losszoo.run(loss, Several(kind))


@pytest.mark.parametrize(
    ("kind", "targets", "match"),
    [
        ("multilabel", lambda t: t[:, 0], r"train targets must have shape \(N, K\), got \(60,\)"),
        ("multi-output", lambda t: t[:, 0], r"train targets must have shape \(N, K\), got \(60,\)"),
        ("multilabel", lambda t: 2 * t, "train targets must be 0 or 1, whether the row has the label, got 2"),
        ("multilabel", lambda t: np.where(t, 1.0, np.nan), "train targets must be finite in float32, got nan in row"),
        ("multilabel", lambda t: t.astype(str), "train targets must be numbers, got dtype <U"),
        ("multilabel", lambda t: t[:, :2], "class_names must be one for each output, got 3 names for 2 outputs"),
    ],
)
def test_targets_of_another_form_are_refused(kind: str, targets: Any, match: str) -> None:
    with pytest.raises(DataError, match=f"task several.*{match}"):
        losszoo.run("bce" if kind == "multilabel" else "mse", Several(kind, targets))


def test_parts_with_another_number_of_outputs_are_refused() -> None:
    class Uneven(Several):
        def splits(self, seed: int = 0) -> Splits:
            train, val, test = super().splits(seed)
            return Splits(train, val, Split(test.inputs, test.targets[:, :2]))

    with pytest.raises(DataError, match=r"test targets must have shape \(N, 3\), as in training, got \(20, 2\)"):
        losszoo.run("mse", Uneven("multi-output"))
