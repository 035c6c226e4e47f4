"""Metrics of embeddings: counted by hand, and against scikit-learn's neighbors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import normalized_mutual_info_score
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from losszoo import UsageError, metrics

RANDOM = np.random.default_rng(0)
POINTS = RANDOM.normal(size=(120, 3))
LABELS = RANDOM.integers(0, 3, 120)
GALLERY = RANDOM.normal(size=(50, 3))
NAMES = RANDOM.integers(0, 3, 50)
EVERY = [
    metrics.recall_at_k,
    metrics.precision_at_1,
    metrics.r_precision,
    metrics.map_at_r,
    lambda x, y, **among: metrics.knn_accuracy(x, y, 1, **among),
]

# On a line: a=0(A) b=1(B) c=2.1(A) d=4(A) e=4.5(B).
LINE = np.array([[0.0], [1.0], [2.1], [4.0], [4.5]])
LETTERS = np.array(["A", "B", "A", "A", "B"])


@pytest.mark.parametrize(
    ("value", "by_hand"),
    [
        # a meets b c d e, b meets a c d e, c meets b d a e, d meets e c b a, e meets d c b a.
        (metrics.recall_at_k(LINE, LETTERS, 1), 0),
        (metrics.recall_at_k(LINE, LETTERS, 2), 3 / 5),  # a finds c, c finds d, d finds c
        (metrics.recall_at_k(LINE, LETTERS, 3), 4 / 5),  # and e finds b
        (metrics.recall_at_k(LINE, LETTERS, 4), 1),
        # R is 2 for A, 1 for B: one of two for a, c and d, none for b and e.
        (metrics.r_precision(LINE, LETTERS), (1 / 2 + 1 / 2 + 1 / 2) / 5),
        (metrics.map_at_r(LINE, LETTERS), 3 * (1 / 4) / 5),
        # a: b c d vote A; b: a c d vote A; c: b d a vote A; d: e c b vote B; e: d c b vote A.
        (metrics.knn_accuracy(LINE, LETTERS, 3), 2 / 5),
        # With two voters each tie falls to the nearer: b, a, b, e, d.
        (metrics.knn_accuracy(LINE, LETTERS, 2), 0),
        # A gallery is looked through whole: 1.9 finds c, 1.2 finds b.
        (metrics.precision_at_1([[1.9], [1.2]], ["A", "A"], gallery=LINE, gallery_labels=LETTERS), 1 / 2),
        (metrics.map_at_r([[1.9]], ["A"], gallery=LINE, gallery_labels=LETTERS), (1 + 0 + 2 / 3) / 3),
    ],
)  # fmt: skip
def test_counted_by_hand(value: float, by_hand: float) -> None:
    assert value == pytest.approx(by_hand)


@pytest.mark.parametrize("k", [1, 3, 10])
def test_recall_agrees_with_the_neighbors_of_scikit_learn(k: int) -> None:
    near = NearestNeighbors(n_neighbors=k).fit(POINTS).kneighbors(return_distance=False)
    expected = (LABELS[near] == LABELS[:, None]).any(1).mean()
    assert metrics.recall_at_k(POINTS, LABELS, k) == pytest.approx(expected)
    near = NearestNeighbors(n_neighbors=k).fit(GALLERY).kneighbors(POINTS, return_distance=False)
    expected = (NAMES[near] == LABELS[:, None]).any(1).mean()
    assert metrics.recall_at_k(POINTS, LABELS, k, gallery=GALLERY, gallery_labels=NAMES) == pytest.approx(expected)


@pytest.mark.parametrize("k", [1, 3, 7])
def test_the_vote_agrees_with_scikit_learn(k: int) -> None:
    # Two labels and an odd k: no ties.
    two, names = LABELS % 2, NAMES % 2
    model = KNeighborsClassifier(k).fit(GALLERY, names)
    found = metrics.knn_accuracy(POINTS, two, k, gallery=GALLERY, gallery_labels=names)
    assert found == pytest.approx(model.score(POINTS, two))


def test_clusters_that_are_the_classes() -> None:
    apart = LABELS[:, None] * 100.0 + POINTS
    assert metrics.nmi(apart, LABELS) == pytest.approx(1)
    # Two clusters far apart against labels that halve each: clusters are known, and tell nothing.
    labels = np.tile([0, 1], 60)
    halves = np.repeat([0, 1], 60)
    expected = normalized_mutual_info_score(labels, halves)
    assert metrics.nmi(halves[:, None] * 100.0 + POINTS, labels) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("metric", EVERY)
def test_blocks_and_tensors_change_nothing(metric: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = metric(POINTS, LABELS)
    rows = torch.tensor(POINTS, requires_grad=True)
    assert metric(rows, torch.tensor(LABELS)) == whole
    monkeypatch.setattr("losszoo.training.evaluation.retrieval._ENTRIES", 500)  # four rows at a time
    assert metric(POINTS, LABELS) == whole


@pytest.mark.parametrize("metric", EVERY)
def test_nothing_to_say_is_nan(metric: Any) -> None:
    assert math.isnan(metric(np.zeros((1, 2)), [0]))
    assert math.isnan(metric(np.zeros((0, 2)), []))
    assert math.isnan(metric([[0.0], [math.nan], [1.0]], [0, 0, 0]))
    assert math.isnan(metrics.nmi([[0.0], [math.inf]], [0, 1]))


@pytest.mark.parametrize("metric", EVERY[:-1])
def test_rows_that_nothing_is_like_do_not_count(metric: Any) -> None:
    assert math.isnan(metric(LINE, np.arange(5)))
    assert metric([[0.0], [0.1], [9.0]], [0, 0, 7]) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((LINE, LETTERS, 5), "k must be a whole number from 1 to 4, the rows that can be found, got 5"),
        ((LINE, LETTERS, 0), "k must be a whole number from 1 to 4, .* got 0"),
        ((LINE, LETTERS, 1.5), "k must be a whole number from 1 to 4, .* got 1.5"),
        ((LINE, LETTERS[:3], 1), r"labels must have shape \(5,\), one for each row, got \(3,\)"),
        ((LINE[:, 0], LETTERS, 1), r"embeddings must have shape \(N, D\), got \(5,\)"),
    ],
)
def test_what_does_not_go_together_is_refused(arguments: Any, message: str) -> None:
    for metric in (metrics.recall_at_k, metrics.knn_accuracy):
        with pytest.raises(UsageError, match=message):
            metric(*arguments)
    with pytest.raises(UsageError, match="gallery must have the width of embeddings, 1, got 3"):
        metrics.map_at_r(LINE, LETTERS, gallery=GALLERY, gallery_labels=NAMES)
    with pytest.raises(UsageError, match="gallery_labels must go with a gallery"):
        metrics.map_at_r(LINE, LETTERS, gallery_labels=NAMES)


def test_a_gallery_of_as_many_rows_as_k() -> None:
    with pytest.raises(UsageError, match="k must be a whole number from 1 to 5, the rows that can be found, got 6"):
        metrics.recall_at_k(LINE, LETTERS, 6, gallery=LINE, gallery_labels=LETTERS)
    assert metrics.recall_at_k(LINE, LETTERS, 5, gallery=LINE, gallery_labels=LETTERS) == 1
