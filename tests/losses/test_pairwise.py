"""Losses over pairs: labels of every kind, masks, similarities, views."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import losszoo
from losszoo import UsageError

ROWS = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0], [3.0, 3.0], [-1.0, 1.0]])


def test_multi_hot_labels_are_positive_where_they_share_one() -> None:
    hot = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]])
    seen = {}

    @losszoo.pairwise()
    def spy(logits: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        seen.update(positive=positive, negative=negative)
        return logits.sum(1)

    losszoo.create(spy)(ROWS, hot)
    expected = torch.zeros(5, 5, dtype=torch.bool)
    for i, j in [(0, 1), (1, 2), (3, 4)]:
        expected[i, j] = expected[j, i] = True
    assert torch.equal(seen["positive"], expected)
    assert torch.equal(seen["negative"], ~expected & ~torch.eye(5, dtype=torch.bool))


def test_one_hot_labels_are_class_labels() -> None:
    labels = torch.tensor([0, 1, 0, 1, 2])
    loss = losszoo.create("nca-stable")
    torch.testing.assert_close(loss(ROWS, F.one_hot(labels, 3)), loss(ROWS, labels))


def test_rows_that_lack_a_positive_count_nothing() -> None:
    labels = torch.tensor([0, 0, 1, 1, 2])
    loss = losszoo.create("nca-stable", reduction="none")
    values = loss(ROWS, labels)
    assert values[4] == 0
    assert losszoo.create("nca-stable").count(ROWS, labels) == 4
    torch.testing.assert_close(losszoo.create("nca-stable")(ROWS, labels), values.sum() / 4)


def test_info_nce_is_the_cross_entropy_of_the_similarity_matrix() -> None:
    queries, keys = torch.randn(6, 4), torch.randn(6, 4)
    logits = F.normalize(queries) @ F.normalize(keys).T / 0.2
    there, back = F.cross_entropy(logits, torch.arange(6)), F.cross_entropy(logits.T, torch.arange(6))
    torch.testing.assert_close(losszoo.create("info-nce", temperature=0.2)(queries, keys), there)
    both = losszoo.create("info-nce", temperature=0.2, symmetric=True)(queries, keys)
    torch.testing.assert_close(both, (there + back) / 2)


@pytest.mark.parametrize("similarity", ["euclidean", "squared-euclidean", "cosine", "dot"])
def test_the_similarity_is_the_users_choice(similarity: str) -> None:
    logits = losszoo.pairwise_logits(ROWS, ROWS, similarity, 0.5)
    labels = torch.tensor([0, 0, 1, 1, 0])
    same = labels[:, None] == labels
    other = ~torch.eye(5, dtype=torch.bool)
    minus = torch.tensor(-torch.inf)
    expected = torch.logsumexp(torch.where(~same, logits, minus), 1) - torch.logsumexp(
        torch.where(same & other, logits, minus), 1
    )
    value = losszoo.create("nca-stable", similarity=similarity, temperature=0.5)(ROWS, labels)
    torch.testing.assert_close(value, expected.mean())


def test_a_row_function_returns_one_value_per_row() -> None:
    @losszoo.pairwise()
    def wrong(logits: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return logits

    with pytest.raises(
        UsageError,
        match=r"a row function must return one value per row, \(5,\), got \(5, 5\)",
    ):
        losszoo.create(wrong)(ROWS, torch.zeros(5).long())


def test_a_row_function_joins_only_rows() -> None:
    @losszoo.pairwise()
    def right(logits: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return logits.sum(1)

    with pytest.raises(
        UsageError,
        match="a row function must have the signature embedding, views or neighbors, got 'regression'",
    ):
        losszoo.create(right, signature="regression")
    with pytest.raises(UsageError, match="similarity must be one of"):
        losszoo.pairwise(similarity="manhattan")
    with pytest.raises(UsageError, match=r"has no parameter 'similarty': did you mean similarity\?"):
        losszoo.create(right, similarty="dot")


def test_weights_of_rows() -> None:
    labels, weight = torch.tensor([0, 0, 1, 1, 0]), torch.tensor([1.0, 0.0, 2.0, 1.0, 0.5])
    values = losszoo.create("nca", reduction="none")(ROWS, labels)
    torch.testing.assert_close(
        losszoo.create("nca")(ROWS, labels, weight=weight), (values * weight).sum() / weight.sum()
    )


def test_similarity_and_temperature_of_a_row_function_are_checked() -> None:
    @losszoo.pairwise(temperature=None)
    def plain(logits: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return logits.sum(1)

    @losszoo.pairwise()
    def warm(logits: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return logits.sum(1)

    for function, params, message in (
        (plain, {"similarity": "cosinus"}, "similarity must be one of"),
        (plain, {"temperature": 3.0}, "has no parameter 'temperature'"),
        (warm, {"temperature": 0}, "temperature must be a finite number > 0, got 0"),
        (warm, {"temperature": "a"}, "temperature must be a finite number > 0, got 'a'"),
        (warm, {"symmetric": True}, "symmetric must go with views"),
    ):
        with pytest.raises(UsageError, match=message):
            losszoo.create(function, **params)


def test_what_a_row_needs_is_spelt_right() -> None:
    with pytest.raises(UsageError, match="needs must be of positive and negative"):
        losszoo.pairwise(needs=("postive",))
    with pytest.raises(UsageError, match="temperature must be a finite number > 0, got -1"):
        losszoo.pairwise(temperature=-1)
