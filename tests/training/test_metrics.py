"""Metrics against scikit-learn, and against values counted by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn import metrics as sk
from sklearn.neighbors import KNeighborsClassifier

from losszoo.training.evaluation.metrics import (
    accuracy,
    average_precision,
    iou,
    mae,
    map_at_r,
    probabilities_of,
    recall_at_1,
    rmse,
)

RANDOM = np.random.RandomState(0)
LABELS = RANDOM.randint(0, 3, 200)
OTHERS = RANDOM.randint(0, 3, 200)
NUMBERS = RANDOM.randn(200)
GUESSES = RANDOM.randn(200).astype(np.float32)
# Two decimals: many ties among the scores.
SCORES = np.round(RANDOM.rand(200), 2)


@pytest.mark.parametrize(
    ("ours", "source"),
    [
        (accuracy(LABELS, OTHERS), sk.accuracy_score(LABELS, OTHERS)),
        (rmse(NUMBERS, GUESSES), sk.root_mean_squared_error(NUMBERS, GUESSES)),
        (mae(NUMBERS, GUESSES), sk.mean_absolute_error(NUMBERS, GUESSES)),
        (average_precision(LABELS == 1, GUESSES), sk.average_precision_score(LABELS == 1, GUESSES)),
        (average_precision(LABELS == 1, SCORES), sk.average_precision_score(LABELS == 1, SCORES)),
        (average_precision(LABELS == 1, np.zeros(200)), np.mean(LABELS == 1)),
        (average_precision(LABELS >= 0, SCORES), 1.0),
        (iou(LABELS == 1, OTHERS == 1), sk.jaccard_score(LABELS == 1, OTHERS == 1)),
        (iou((LABELS == 1).reshape(2, 1, 10, 10), (OTHERS == 1).reshape(2, 1, 10, 10).astype(np.float32)),
         sk.jaccard_score(LABELS == 1, OTHERS == 1)),
    ],
)  # fmt: skip
def test_agrees_with_scikit_learn(ours: float, source: float) -> None:
    assert type(ours) is float
    assert ours == pytest.approx(source, rel=1e-6)


def test_recall_at_1_agrees_with_scikit_learn() -> None:
    embeddings = RANDOM.randn(200, 4)
    nearest = KNeighborsClassifier(1).fit(embeddings, LABELS).kneighbors(return_distance=False)[:, 0]
    assert recall_at_1(embeddings, LABELS) == pytest.approx(np.mean(LABELS[nearest] == LABELS))


def test_map_at_r_counted_by_hand() -> None:
    # On a line: a=0(A) b=1(B) c=2.1(A) d=4(A) e=4.5(B).
    # a: R=2, order b c d e, hits 0 1         -> (1/2)/2 = 1/4
    # b: R=1, nearest a                       -> 0
    # c: R=2, order b(1.1) d(1.9), hits 0 1   -> 1/4
    # d: R=2, order e(.5) c(1.9), hits 0 1    -> 1/4
    # e: R=1, nearest d                       -> 0
    embeddings = np.array([[0.0], [1.0], [2.1], [4.0], [4.5]])
    labels = np.array([0, 1, 0, 0, 1])
    assert map_at_r(embeddings, labels) == pytest.approx(3 / 20)
    assert recall_at_1(embeddings, labels) == 0


def test_map_at_r_is_one_exactly_when_classes_are_apart() -> None:
    embeddings = LABELS[:, None] * 10.0 + 0.01 * RANDOM.randn(200, 3)
    assert map_at_r(embeddings, LABELS) == 1
    assert recall_at_1(embeddings, LABELS) == 1


def test_ties_go_to_the_lower_index() -> None:
    # All rows equal. Row 0 meets row 1 first, the others meet row 0 first.
    same = np.full((4, 2), 1e4, dtype=np.float32) + np.float32(0.1)
    assert recall_at_1(same, np.array([0, 1, 0, 1])) == 0.25  # only row 2 meets its own label
    assert recall_at_1(same, np.array([0, 0, 1, 1])) == 0.5  # rows 0 and 1


def test_rows_alone_with_their_label_do_not_count() -> None:
    embeddings = np.array([[0.0], [1.0], [9.0]])
    assert recall_at_1(embeddings, np.array([0, 0, 7])) == 1
    assert map_at_r(embeddings, np.array([0, 0, 7])) == 1


def test_blocks_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    embeddings = RANDOM.randn(200, 4)
    whole = map_at_r(embeddings, LABELS)
    monkeypatch.setattr("losszoo.training.evaluation.retrieval._ROWS", 7)
    assert map_at_r(embeddings, LABELS) == whole


def test_the_own_row_never_counts_among_far_rows() -> None:
    embeddings = np.array([[-1e200], [1e200], [3e200], [1e308]])  # all distances overflow to infinity
    assert recall_at_1(embeddings, np.array([0, 0, 1, 1])) == 0.5  # ties: rows 0 and 1, as above


NONE = np.zeros(0)


@pytest.mark.parametrize(
    "value",
    [
        accuracy(NONE, NONE),
        rmse(NONE, NONE),
        mae(NONE, NONE),
        average_precision(NONE, NONE),
        average_precision(np.zeros(3), np.arange(3)),
        recall_at_1(np.zeros((0, 2)), NONE),
        map_at_r(np.zeros((1, 2)), np.zeros(1)),
    ],
)
def test_nothing_to_say_is_nan(value: float) -> None:
    assert math.isnan(value)


def test_iou_of_two_empty_masks_is_one() -> None:
    assert iou(np.zeros((2, 1, 4, 4)), np.zeros((2, 1, 4, 4), dtype=bool)) == 1
    assert iou(np.zeros((2, 2)), np.ones((2, 2))) == 0


def test_probabilities_that_are_nan_stay_nan() -> None:
    """A row that no class takes is shared out alike; one that nothing is known of is not."""
    shares = torch.tensor([[0.0, 0.0], [math.nan, 0.5], [0.1, 0.3]])
    found = probabilities_of(shares)
    assert found[0].tolist() == [0.5, 0.5]
    assert found[1].isnan().all()
    assert found[2].tolist() == pytest.approx([0.25, 0.75])
