"""Predictions against scikit-learn and against closed forms in numpy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, average_precision_score, mean_absolute_error, root_mean_squared_error
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor, nn

from losszoo.registry.registry import installed
from losszoo.training.data.batch_inputs import Model
from losszoo.training.data.prepared_data import Part, Prepared
from losszoo.training.evaluation.knn import best_k, knn_votes
from losszoo.training.evaluation.outputs import output_metrics
from losszoo.training.evaluation.predict import Prediction, probe

ACCURACY = ("accuracy", "max")


def scores_of(prediction: Prediction, *rest: Any, **how: Any) -> dict[str, dict[str, float]]:
    """Metrics of parts, by their names."""
    return {name: found.metrics for name, found in prediction.judge(*rest, **how)[0].items()}


def part(rows: int, classes: int, seed: int, spread: float = 1.0) -> Part:
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, rows)
    inputs = random.standard_normal((rows, 3)) * spread + labels[:, None]
    return Part(torch.tensor(inputs, dtype=torch.float32), torch.tensor(labels))


def data_of(kind: str = "multiclass", classes: int = 3, spread: float = 1.0) -> Prepared:
    train, val, test = (part(rows, classes, seed, spread) for seed, rows in enumerate((120, 40, 60)))
    return Prepared(train, val, test, kind, classes)


def identity() -> Model:
    return Model(nn.Identity(), {})


def features_of(data: Prepared) -> dict[str, Tensor]:
    return {name: getattr(data, name).inputs for name in ("train", "val", "test")}


def fitted(k: int, data: Prepared, metric: str = "euclidean") -> KNeighborsClassifier:
    model = KNeighborsClassifier(n_neighbors=k, metric=metric)
    return model.fit(data.train.inputs.numpy(), data.train.targets.numpy())


@pytest.mark.parametrize("k", [1, 3, 7, 51])
def test_votes_are_those_of_scikit_learn(k: int) -> None:
    data = data_of("binary", classes=2)  # an odd k and two classes: no ties
    votes = knn_votes(data.test.inputs, data.train.inputs, data, (1, k), own=False)[1]
    shares = fitted(k, data).predict_proba(data.test.inputs.numpy())
    assert votes.argmax(1).tolist() == shares.argmax(1).tolist()
    # Half a vote more for the nearest.
    nearest = fitted(1, data).predict(data.test.inputs.numpy())
    expected = (shares * k + np.eye(2)[nearest] / 2) / (k + 0.5)
    np.testing.assert_allclose(votes, expected, atol=1e-6)


def test_a_tie_falls_to_the_nearest() -> None:
    train = Part(torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([2, 0, 1]))
    data = Prepared(train, train, train, "multiclass", 3)
    votes = knn_votes(torch.zeros(1, 1), train.inputs, data, (3,), own=False)[0]
    assert votes.argmax(1).tolist() == [2]
    np.testing.assert_allclose(votes, [[1 / 3.5, 1 / 3.5, 1.5 / 3.5]])


def test_a_training_row_does_not_vote_for_itself() -> None:
    # Pairs of other labels beside each other: with itself a row is right, without itself it is wrong.
    rows = torch.tensor([[0.0], [0.1], [9.0], [9.1]])
    mixed = Part(rows, torch.tensor([0, 1, 0, 1]))
    data = Prepared(mixed, mixed, mixed, "multiclass", 2)
    scores = scores_of(Prediction("embedding"), identity(), data, ("train", "val"), ACCURACY)
    assert scores["val"] == {"accuracy": 1.0}
    assert scores["train"] == {"accuracy": 0.0}
    soft = scores_of(Prediction("neighbors", temperature=0.01), identity(), data, ("train", "val"), ACCURACY)
    assert (soft["val"], soft["train"]) == ({"accuracy": 1.0}, {"accuracy": 0.0})


def test_more_neighbors_than_rows() -> None:
    few = Part(torch.tensor([[0.0], [1.0], [5.0]]), torch.tensor([0, 0, 1]))
    data = Prepared(few, few, few, "multiclass", 2)
    assert best_k(features_of(data), data, ACCURACY) == 1
    alone = knn_votes(few.inputs, few.inputs, data, (1, 51), own=True)[1]
    np.testing.assert_allclose(alone, [[1.5 / 2.5, 1 / 2.5], [1.5 / 2.5, 1 / 2.5], [2.5 / 2.5, 0]])


def test_votes_far_from_the_origin_keep_their_digits() -> None:
    data = data_of()
    moved = Part(data.train.inputs + 3000, data.train.targets)
    near = knn_votes(data.test.inputs, data.train.inputs, data, (5,), own=False)[0]
    far = knn_votes(data.test.inputs + 3000, moved.inputs, data, (5,), own=False)[0]
    assert (near.argmax(1) == far.argmax(1)).float().mean() > 0.99


@pytest.mark.parametrize("kind", ["multiclass", "binary"])
def test_k_is_chosen_on_validation_by_the_metric_that_decides(kind: str) -> None:
    classes = 2 if kind == "binary" else 3
    data = data_of(kind, classes, spread=2.0)
    choices = (1, 3, 5, 7, 11, 15, 21, 31, 51)
    for metric in installed().kinds[kind].metrics:
        measured = []
        for k in choices:
            votes = knn_votes(data.val.inputs, data.train.inputs, data, (k,), own=False)[0]
            measured.append(output_metrics(votes, data.val, data, "probabilities")[metric])
        best = max(k for k, value in zip(choices, measured, strict=True) if value == max(measured))
        assert best_k(features_of(data), data, (metric, "max")) == best
        scores = scores_of(Prediction("triplet"), identity(), data, ("test",), (metric, "max"))
        votes = knn_votes(data.test.inputs, data.train.inputs, data, (best,), own=False)[0]
        assert scores["test"] == output_metrics(votes, data.test, data, "probabilities")


def test_k_where_nothing_can_be_measured() -> None:
    train, negatives = part(80, 2, 0), part(30, 1, 1)  # validation without a positive
    data = Prepared(train, negatives, negatives, "binary", 2)
    assert best_k(features_of(data), data, ("average_precision", "max")) == 51


@pytest.mark.parametrize("similarity", ["euclidean", "cosine"])
def test_neighbors_are_looked_for_as_the_loss_did(similarity: str) -> None:
    data = data_of("binary", 2)
    scores = scores_of(Prediction("embedding", similarity=similarity), identity(), data, ("test",), ACCURACY)
    inputs = {name: rows.numpy().astype(np.float64) for name, rows in features_of(data).items()}
    if similarity == "cosine":
        inputs = {name: rows / np.linalg.norm(rows, axis=1, keepdims=True) for name, rows in inputs.items()}
    found = {}
    for k in (1, 3, 5, 7, 11, 15, 21, 31, 51):
        model = KNeighborsClassifier(k).fit(inputs["train"], data.train.targets)
        found[k] = (accuracy_score(data.val.targets, model.predict(inputs["val"])), k, model)
    model = max(found.values(), key=lambda entry: entry[:2])[2]
    assert scores["test"]["accuracy"] == pytest.approx(accuracy_score(data.test.targets, model.predict(inputs["test"])))


def soft(data: Prepared, name: str, temperature: float, of: Any) -> Any:
    """Weighted mean over the training rows by softmax of the negative distance, row by row."""
    train = data.train.inputs.numpy().astype(np.float64)
    mixed = []
    for place, row in enumerate(getattr(data, name).inputs.numpy().astype(np.float64)):
        weights = np.exp(-np.linalg.norm(train - row, axis=1) / temperature)
        if name == "train":
            weights[place] = 0
        mixed.append(weights @ of / weights.sum())
    return np.array(mixed)


@pytest.mark.parametrize("temperature", [0.5, 2.0])
@pytest.mark.parametrize("name", ["train", "val", "test"])
def test_soft_neighbors_of_classes(name: str, temperature: float) -> None:
    data = data_of()
    scores = scores_of(Prediction("neighbors", temperature=temperature), identity(), data, (name,), ACCURACY)
    shares = soft(data, name, temperature, np.eye(3)[data.train.targets])
    assert scores[name]["accuracy"] == accuracy_score(getattr(data, name).targets, shares.argmax(1))


@pytest.mark.parametrize("name", ["train", "test"])
def test_soft_neighbors_of_numbers_in_their_own_unit(name: str) -> None:
    parts = [Part(rows.inputs, rows.inputs.sum(1)) for rows in (part(90, 2, 0), part(30, 2, 1), part(30, 2, 2))]
    data = Prepared(*parts, kind="regression", classes=0, center=10.0, scale=4.0)
    scores = scores_of(Prediction("neighbors"), identity(), data, (name,), ("rmse", "min"))[name]
    numbers = soft(data, name, 1.0, data.train.targets.numpy()) * 4 + 10
    truth = getattr(data, name).targets.numpy() * 4 + 10
    assert scores["rmse"] == pytest.approx(root_mean_squared_error(truth, numbers), rel=1e-5)
    assert scores["mae"] == pytest.approx(mean_absolute_error(truth, numbers), rel=1e-5)


OUTPUTS = torch.tensor([[-3.0], [-0.1], [0.1], [0.4], [2.0]])
TRUTH = torch.tensor([0, 1, 1, 0, 1])


@pytest.mark.parametrize(
    ("expects", "outputs"),
    [
        ("logits", OUTPUTS),
        ("probabilities", OUTPUTS.sigmoid()),
        ("log-probabilities", nn.functional.logsigmoid(OUTPUTS)),
    ],
)
def test_the_threshold_stands_where_the_loss_put_it(expects: str, outputs: Tensor) -> None:
    rows = Part(torch.zeros(5, 1), TRUTH)
    data = Prepared(rows, rows, rows, "binary", 2)
    measured = output_metrics(outputs, rows, data, expects)
    assert measured["accuracy"] == 3 / 5  # 0, 0, 1, 1, 1 is predicted
    assert measured["average_precision"] == pytest.approx(average_precision_score(TRUTH, OUTPUTS[:, 0]))


def test_two_outputs_of_a_binary_task() -> None:
    rows = Part(torch.zeros(5, 1), TRUTH)
    data = Prepared(rows, rows, rows, "binary", 2)
    measured = output_metrics(torch.cat([torch.ones(5, 1), OUTPUTS + 1], 1), rows, data, "logits")
    assert measured == output_metrics(OUTPUTS, rows, data, "logits")


@pytest.mark.parametrize("expects", ["logits", "probabilities"])
def test_maps(expects: str) -> None:
    outputs = torch.tensor([[-1.0, 1.0], [2.0, -3.0]]).view(1, 1, 2, 2)
    rows = Part(torch.zeros(1, 1, 2, 2), torch.tensor([[0.0, 1.0], [0.0, 1.0]]).view(1, 1, 2, 2))
    data = Prepared(rows, rows, rows, "segmentation", 0)
    given = outputs.sigmoid() if expects == "probabilities" else outputs
    assert output_metrics(given, rows, data, expects) == {"iou": 1 / 3}  # two are marked, two are right, one is both


def test_outputs_of_a_head_are_linked() -> None:
    rows = Part(OUTPUTS, TRUTH)
    data = Prepared(rows, rows, rows, "binary", 2)
    model = Model(nn.Identity(), {"binary": nn.Identity()})
    for expects in ("logits", "probabilities", "log-probabilities"):
        assert scores_of(Prediction("binary", expects), model, data, ("val",), ACCURACY)["val"]["accuracy"] == 3 / 5


def test_the_model_is_left_in_the_mode_it_was_in() -> None:
    data, model = data_of(), identity()
    for mode in (True, False):
        model.train(mode)
        scores_of(Prediction("embedding"), model, data, ("val",), ACCURACY)
        assert model.training is mode


def test_views_are_judged_by_neighbors_and_by_a_probe() -> None:
    data = data_of("views")
    scores = scores_of(Prediction("views"), identity(), data, ("val", "test"), ("knn_accuracy", "max"))
    plain = scores_of(Prediction("views"), identity(), data_of("multiclass"), ("val", "test"), ACCURACY)
    for name in ("val", "test"):
        assert scores[name]["knn_accuracy"] == plain[name]["accuracy"]
        assert scores[name]["probe_accuracy"] == probe(features_of(data), (name,), data)[name] > 0.5
    quick = scores_of(Prediction("views"), identity(), data, ("val",), ("knn_accuracy", "max"), thorough=False)
    assert quick["val"] == {"knn_accuracy": scores["val"]["knn_accuracy"]}


def test_a_probe_of_what_is_not_finite() -> None:
    data = data_of("views")
    features = features_of(data) | {"val": torch.full((40, 3), torch.inf)}
    assert math.isnan(probe(features, ("val",), data)["val"])


def test_retrieval_looks_into_its_own_part_only() -> None:
    data = data_of("retrieval")
    far = Part(torch.arange(4.0).view(4, 1).repeat(1, 3), torch.tensor([8, 8, 9, 9]))
    moved = Prepared(data.train, data.val, far, "retrieval", 3)
    scores = scores_of(Prediction("embedding"), identity(), moved, ("test",), ("recall_at_1", "max"))
    # 0 1 | 2 3: of equally near rows the first counts, so row 1 finds 0, and row 2 finds 1.
    assert scores["test"] == {"recall_at_1": 0.75, "map_at_r": 0.75}


@pytest.mark.parametrize("kind", installed().kinds)
def test_every_kind_is_measured_by_what_is_announced(kind: str) -> None:
    of_kind = {
        "regression": ("neighbors", torch.randn(4)),
        "segmentation": ("segmentation", torch.ones(4, 3, 4, 4)),
        "multilabel": ("binary", torch.eye(4, 3)),
        "multi-output": ("regression", torch.randn(4, 3)),
        "counts": ("counts", torch.tensor([0.0, 3.0, 1.0, 9.0])),
        "preference": ("preference", torch.arange(4.0)),
        "ranking": ("ranking", torch.arange(4.0)),
        "survival": ("survival", torch.tensor([[1.0, 1.0], [2.0, 0.0], [3.0, 1.0], [4.0, 0.0]])),
        "boxes": ("boxes", torch.tensor([[0.0, 0.0, 2.0, 1.0]]).repeat(4, 1)),
    }
    classes = {"binary": 2, **dict.fromkeys(of_kind, 0)}.get(kind, 3)
    signature, targets = of_kind.get(kind, ("embedding", None))
    outputs = signature not in ("neighbors", "embedding", "binary")
    rows = part(40, max(classes, 2), 0)
    if targets is not None:
        one = targets.ndim == 1 or kind == "survival"
        shape = ((4, 1) if one else targets.shape) if outputs else (4, 3)
        rows = Part(torch.randn(shape), targets)
    unit = (np.zeros(3), np.ones(3)) if kind == "multi-output" else (0.0, 1.0)
    data = Prepared(rows, rows, rows, kind, classes, *unit)
    model = Model(nn.Identity(), {} if signature == "neighbors" else {signature: nn.Identity()})
    scores = scores_of(
        Prediction(signature), model, data, ("train", "val"), (installed().kinds[kind].metrics[0], "max")
    )
    assert tuple(scores["train"]) == tuple(scores["val"]) == installed().kinds[kind].metrics
