"""More keys than queries: those below the first N are negatives of all; against torch's cross_entropy."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import losszoo
from losszoo import MemoryBank, Streaming, UsageError

QUERIES, KEYS = 7, 12
T = 0.4


def drawn(count: int, seed: int) -> Tensor:
    rows = torch.randn(count, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return rows.requires_grad_()


def logits(rows: Tensor, columns: Tensor, similarity: str = "cosine") -> Tensor:
    if similarity == "cosine":
        return F.normalize(rows) @ F.normalize(columns).T / T
    if similarity == "dot":
        return rows @ columns.T / T
    squared = (rows.unsqueeze(1) - columns).square().sum(2)
    return -(squared.sqrt() if similarity == "euclidean" else squared) / T


def written_out(queries: Tensor, keys: Tensor, *, symmetric: bool, similarity: str = "cosine") -> Tensor:
    """Picking the own key among all keys; on the way back, the own query among all queries."""
    count = len(queries)
    places = torch.arange(count)
    there = F.cross_entropy(logits(queries, keys, similarity), places, reduction="none")
    back = F.cross_entropy(logits(keys[:count], queries, similarity), places, reduction="none")
    return (there + back) / 2 if symmetric else there


def made(way: Streaming, symmetric: bool, **options: object) -> losszoo.Loss:
    loss = losszoo.create("info-nce", symmetric=symmetric, temperature=T, streaming=way, **options)
    assert isinstance(loss, losszoo.Loss)
    return loss


def same(actual: Tensor, expected: Tensor, *leaves: Tensor) -> None:
    """Both have the same value, and the same gradient to every leaf."""
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-12)
    for one, other in zip(*(torch.autograd.grad(x.sum(), leaves) for x in (actual, expected)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean", "squared-euclidean"])
def test_further_keys_are_negatives_of_every_query(similarity: str, symmetric: bool, way: Streaming) -> None:
    queries, keys = drawn(QUERIES, 1), drawn(KEYS, 2)
    expected = written_out(queries, keys, symmetric=symmetric, similarity=similarity)
    same(made(way, symmetric, similarity=similarity)(queries, keys), expected.mean(), queries, keys)


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_weight_and_mask_are_of_the_queries(reduction: str, symmetric: bool, way: Streaming) -> None:
    """A pair that is masked is not there; the further keys are."""
    queries, keys = drawn(QUERIES, 1), drawn(KEYS, 2)
    mask = torch.arange(QUERIES) != 2
    weight = torch.linspace(0.5, 2.0, QUERIES, dtype=torch.float64)
    here = torch.cat([mask, mask.new_ones(KEYS - QUERIES)])
    values = written_out(queries[mask], keys[here], symmetric=symmetric) * weight[mask]
    if reduction == "none":
        values = torch.zeros(QUERIES, dtype=torch.float64).masked_scatter(mask, values)
    reduced = {"none": values, "sum": values.sum(), "mean": values.sum() / weight[mask].sum()}[reduction]
    loss = made(way, symmetric, reduction=reduction)
    same(loss(queries, keys, weight=weight, mask=mask), reduced, queries, keys)
    assert loss.count(queries, keys, weight=weight, mask=mask).item() == pytest.approx(float(weight[mask].sum()))


@pytest.mark.parametrize("symmetric", [False, True])
def test_gradcheck(symmetric: bool, way: Streaming) -> None:
    for reduction in ("mean", "none"):
        loss = made(way, symmetric, reduction=reduction)
        assert torch.autograd.gradcheck(loss, (drawn(4, 1), drawn(6, 2)))


@pytest.mark.parametrize("symmetric", [False, True])
def test_second_derivatives(symmetric: bool) -> None:
    assert torch.autograd.gradgradcheck(made(Streaming(dense=True), symmetric), (drawn(3, 1), drawn(5, 2)))


@pytest.mark.parametrize("symmetric", [False, True])
def test_a_memory_bank_is_further_keys_that_it_keeps_itself(symmetric: bool, way: Streaming) -> None:
    """Beside the older keys there may be others; what is kept are the keys of queries."""
    queries, keys, older = drawn(QUERIES, 1), drawn(KEYS, 2), drawn(3, 3)
    bank = MemoryBank(made(way, symmetric), size=16)
    bank(queries[:3], torch.cat([older, keys]))
    assert torch.equal(bank.embeddings[: bank.filled], older)
    below = torch.cat([keys, older.detach()])
    same(bank.eval()(queries, keys), written_out(queries, below, symmetric=symmetric).mean(), queries, keys)


@losszoo.pairwise(similarity="cosine", temperature=T, symmetric=False)
def told_of_labels(
    logits: Tensor, positive: Tensor, negative: Tensor, row_labels: Tensor, column_labels: Tensor
) -> Tensor:
    """Cross-entropy from the labels alone; whose own key is nowhere, or twice, would not be finite, or be too small."""
    own = row_labels.unsqueeze(1) == column_labels
    return logits.logsumexp(1) - logits.where(own, 0.0).sum(1)


@pytest.mark.parametrize("symmetric", [False, True])
def test_labels_that_a_row_function_asks_for(symmetric: bool, way: Streaming) -> None:
    queries, keys = drawn(QUERIES, 1), drawn(KEYS, 2)
    loss = losszoo.create(told_of_labels, signature="views", symmetric=symmetric, streaming=way)
    same(loss(queries, keys), written_out(queries, keys, symmetric=symmetric).mean(), queries, keys)


@pytest.mark.parametrize("symmetric", [False, True])
def test_one_query_and_none(symmetric: bool, way: Streaming) -> None:
    keys = drawn(KEYS, 2)
    one = drawn(1, 1)
    same(made(way, symmetric)(one, keys), written_out(one, keys, symmetric=symmetric).mean(), one, keys)
    for nobodys in (keys, drawn(0, 2)):
        nobody = drawn(0, 1)
        value = made(way, symmetric)(nobody, nobodys)
        value.backward()
        assert value.item() == 0.0


@pytest.mark.parametrize(
    ("keys", "came"), [((6, 3), "(6, 3)"), ((12, 2), "(12, 2)"), ((7, 5, 3), "(7, 5, 3)"), ((12,), "(12,)")]
)
def test_keys_that_are_none_of_these_are_refused(keys: tuple[int, ...], came: str) -> None:
    with pytest.raises(UsageError, match=r"keys must have shape \(M, 3\), M >= 7: the key of each query") as caught:
        losszoo.create("info-nce")(torch.zeros(7, 3), torch.zeros(keys))
    assert f"got shape {came} (" in str(caught.value)


def test_keys_that_are_negatives_get_a_gradient_and_say_where_they_are_not_finite() -> None:
    queries, keys = drawn(QUERIES, 1), drawn(KEYS, 2)
    losszoo.create("info-nce")(queries, keys).backward()
    assert keys.grad is not None
    assert bool((keys.grad[QUERIES:] != 0).any(1).all())
    spoilt = keys.detach().clone()
    spoilt[9, 1] = torch.nan
    with pytest.raises(UsageError, match="keys must be finite, got NaN or infinity in row 9"):
        losszoo.create("info-nce", validate=True)(queries, spoilt)


def test_a_function_of_ones_own_is_called_with_all_keys() -> None:
    def contrast(queries: Tensor, keys: Tensor) -> Tensor:
        return F.cross_entropy(logits(queries, keys), torch.arange(len(queries)), reduction="none")

    queries, keys = drawn(QUERIES, 1), drawn(KEYS, 2)
    loss = losszoo.create(contrast, signature="views")
    same(loss(queries, keys), written_out(queries, keys, symmetric=False).mean(), queries, keys)


@losszoo.softmax_row(similarity="cosine", temperature=T, symmetric=True)
def both_ways(odds: Tensor) -> Tensor:
    return F.softplus(odds)


def test_what_is_symmetric_by_default_is_so_over_two_views_only(way: Streaming) -> None:
    """Where the candidates are given, or are the rows, there is one way."""
    rows, labels = drawn(KEYS, 2), torch.arange(KEYS) % 3
    one_way = losszoo.softmax_row(similarity="cosine", temperature=T)(both_ways.__wrapped__)  # type: ignore[attr-defined]
    embedding, plain = (losszoo.create(row, signature="embedding", streaming=way) for row in (both_ways, one_way))
    same(embedding(rows, labels), plain(rows, labels), rows)
    given, there = (losszoo.create(row, signature="neighbors", streaming=way) for row in (both_ways, one_way))
    inputs = rows[:5], labels[:5], rows, labels
    same(given(*inputs), there(*inputs), rows)


def test_a_query_against_a_queue_is_momentum_contrast():
    """One query has no other query's key beside it: then it is torch's cross-entropy of (own key, queue)."""
    generator = torch.Generator().manual_seed(0)
    query, key, queue = (
        F.normalize(torch.randn(n, 8, dtype=torch.float64, generator=generator), dim=1) for n in (1, 1, 20)
    )
    logits = torch.cat([(query * key).sum(1, keepdim=True), query @ queue.T], 1) / 0.07
    found = losszoo.create("info-nce", temperature=0.07)(query, torch.cat([key, queue]))
    assert found.item() == pytest.approx(F.cross_entropy(logits, torch.tensor([0])).item(), rel=1e-12)
