"""What a trained plan says of new rows: the same that it is scored by."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import losszoo
from losszoo.registry.registry import installed
from losszoo.training.data.batch_inputs import Model
from losszoo.training.data.prepared_data import Part, Prepared
from losszoo.training.evaluation.knn import best_k
from losszoo.training.evaluation.metrics import labels_of, numbers_of
from losszoo.training.evaluation.outputs import output_metrics
from losszoo.training.evaluation.predict import Prediction

ACCURACY = ("accuracy", "max")


def scores_of(prediction: Prediction, *rest: Any, **how: Any) -> dict[str, dict[str, float]]:
    """Metrics of parts, by their names."""
    return {name: found.metrics for name, found in prediction.judge(*rest, **how)[0].items()}


def part(rows: int, seed: int) -> Part:
    random = torch.Generator().manual_seed(seed)
    labels = torch.randint(3, (rows,), generator=random)
    return Part(torch.randn(rows, 2, generator=random) + labels[:, None], labels)


DATA = Prepared(part(90, 0), part(30, 1), part(40, 2), "multiclass", 3)


def model() -> Model:
    torch.manual_seed(0)
    return Model(nn.Identity(), {"multiclass": nn.Linear(2, 3)})


@pytest.mark.parametrize("signature", ["multiclass", "neighbors", "embedding", "triplet"])
@pytest.mark.parametrize("similarity", ["euclidean", "cosine"])
def test_outputs_are_those_that_are_scored(signature: str, similarity: str) -> None:
    prediction, trained = Prediction(signature, similarity=similarity), model()
    known = prediction.known(trained, DATA, ACCURACY)
    outputs = prediction.outputs(trained, DATA, DATA.test.inputs, known)
    scored = scores_of(prediction, trained, DATA, ("test",), ACCURACY)["test"]
    assert output_metrics(outputs, DATA.test, DATA, "logits") == scored
    assert (known is None) == (signature == "multiclass")
    assert trained.training


@pytest.mark.parametrize("signature", ["multiclass", "neighbors", "embedding"])
def test_a_part_without_rows_has_no_metrics(signature: str) -> None:
    data = replace(DATA, val=Part(DATA.val.inputs[:0], DATA.val.targets[:0]))
    for parts in (("val",), ("train", "val")):
        scores = scores_of(Prediction(signature), model(), data, parts, ACCURACY)
        assert math.isnan(scores["val"]["accuracy"])
        assert all(scores[name]["accuracy"] > 0 for name in parts[:-1])


@pytest.mark.parametrize("kind", sorted(spec.name for spec in losszoo.list_kinds()))
def test_nothing_is_measured_of_nothing(kind: str) -> None:
    nothing = Part(torch.zeros(0, 2), torch.zeros(0))
    scores = scores_of(
        Prediction("embedding"), model(), Prepared(nothing, nothing, nothing, kind, 0), ("test",), ACCURACY
    )
    assert list(scores["test"]) == list(installed().kinds[kind].metrics)
    assert all(map(math.isnan, scores["test"].values()))


def test_without_validation_each_row_is_predicted_by_the_others() -> None:
    # Pairs of one label far from each other: the nearest other row is right, and the three nearest are not.
    places = torch.arange(0.0, 60, 10)
    rows = Part(torch.cat([places, places + 1])[:, None], torch.tensor([0, 1, 2] * 4))
    data = Prepared(rows, Part(rows.inputs[:0], rows.targets[:0]), rows, "multiclass", 3)
    assert best_k({"train": rows.inputs, "val": rows.inputs[:0]}, data, ACCURACY) == 1


@pytest.mark.parametrize(("outputs", "expects", "labels"), [
    ([[-1.0], [0.0], [2.0]], "logits", [0, 0, 1]),
    ([[0.4], [0.5], [0.6]], "probabilities", [0, 0, 1]),
    ([[math.log(0.4)], [math.log(0.6)]], "log-probabilities", [0, 1]),
    ([[0.0, 1.0, 0.5], [3.0, 1.0, 2.0]], "logits", [1, 0]),
])  # fmt: skip
def test_labels(outputs: Any, expects: str, labels: list[int]) -> None:
    assert labels_of(torch.tensor(outputs), expects).tolist() == labels


@pytest.mark.parametrize("outputs", [torch.tensor([[1.0], [-1.0]]), torch.tensor([1.0, -1.0])])
def test_numbers_have_the_unit_of_the_targets(outputs: Tensor) -> None:
    data = replace(DATA, kind="regression", center=1e9, scale=0.5)
    found = numbers_of(outputs, data)
    assert found.dtype == torch.float64
    np.testing.assert_array_equal(found, [1e9 + 0.5, 1e9 - 0.5])
