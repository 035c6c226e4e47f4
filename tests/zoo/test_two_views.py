"""SimCLR, CLIP, SigLIP and n-pairs, against pytorch-metric-learning 2.9, torch's cross-entropy, scipy and mpmath."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import pytest
import torch
from scipy.special import log_expit, log_softmax
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

import losszoo

pytest.importorskip("pytorch_metric_learning")
from pytorch_metric_learning import distances, losses

F64 = torch.float64
CLOSE = {F64: {"rtol": 1e-9, "atol": 1e-11}, torch.float32: {"rtol": 1e-5, "atol": 1e-5}}
DTYPES = pytest.mark.parametrize("dtype", list(CLOSE), ids=str)
WAYS = {"all": {}, "dense": {"streaming": losszoo.Streaming(dense=True)}}


def rows(count: int, width: int = 8, dtype: torch.dtype = F64, seed: int = 0) -> Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed), dtype=F64).to(dtype)


def value_and_gradients(loss: Callable[..., Tensor], *inputs: Tensor) -> list[Tensor]:
    leaves = [x.clone().requires_grad_() for x in inputs]
    value = loss(*leaves)
    return [value.detach(), *torch.autograd.grad(value, leaves)]


# NT-Xent


@DTYPES
@pytest.mark.parametrize("temperature", [0.5, 0.07])
@pytest.mark.parametrize("way", WAYS)
def test_nt_xent_is_that_of_pml(way: str, temperature: float, dtype: torch.dtype) -> None:
    def peer(first: Tensor, second: Tensor) -> Tensor:
        found: Tensor = losses.NTXentLoss(temperature)(torch.cat([first, second]), torch.arange(12).repeat(2))
        return found

    inputs = rows(12, dtype=dtype), rows(12, dtype=dtype, seed=1)
    ours = losszoo.create("nt-xent", temperature=temperature, **WAYS[way])
    for found, expected in zip(value_and_gradients(ours, *inputs), value_and_gradients(peer, *inputs), strict=True):
        torch.testing.assert_close(found, expected, **CLOSE[dtype])


def _nt_xent(queries: Tensor, keys: Tensor, temperature: float) -> list[float]:
    """scipy's log-softmax of each row without itself, row by row; further keys are candidates of all."""
    count = len(queries)
    both = normalize(torch.cat([queries, keys]), dim=1)
    scores = (both[: 2 * count] @ both.T / temperature).numpy()
    values = []
    for i in range(2 * count):
        others = [j for j in range(len(both)) if j != i]
        values.append(-log_softmax(scores[i, others])[others.index((i + count) % (2 * count))])
    return [(a + b) / 2 for a, b in zip(values[:count], values[count:], strict=True)]


@pytest.mark.parametrize("further", [0, 5])
@pytest.mark.parametrize("way", WAYS)
def test_each_value_is_the_mean_of_a_query_and_its_key(way: str, further: int) -> None:
    queries, keys = rows(7), rows(7 + further, seed=1)
    loss = losszoo.create("nt-xent", reduction="none", **WAYS[way])
    assert loss(queries, keys).tolist() == pytest.approx(_nt_xent(queries, keys, 0.5), rel=1e-12)
    # What is masked is neither a row nor a candidate, on either side.
    mask = torch.tensor([1, 1, 0, 1, 1, 0, 1], dtype=torch.bool)
    left = torch.cat([mask, torch.ones(further, dtype=torch.bool)])
    spoilt = torch.where(mask.unsqueeze(1), queries, torch.nan)
    expected = torch.zeros(7, dtype=F64)
    expected[mask] = torch.tensor(_nt_xent(queries[mask], keys[left], 0.5), dtype=F64)
    torch.testing.assert_close(loss(spoilt, keys, mask=mask), expected)
    weight = torch.arange(7, dtype=F64)
    mean = losszoo.create("nt-xent", **WAYS[way])
    torch.testing.assert_close(
        mean(spoilt, keys, mask=mask, weight=weight), (expected * weight).sum() / weight[mask].sum()
    )


def test_nt_xent_keeps_a_loss_that_pml_cuts_off() -> None:
    """Opposite views at tau = 0.01: -log of e^-100 / (e^-100 + 2 e^0 ...); PML adds 1.2e-38 to the share."""
    first, second = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[-1.0, 0.0], [0.0, -1.0]])
    value = losszoo.create("nt-xent", temperature=0.01)(first, second)
    # Each row has its own view at -100, and two others at 0.
    assert value.item() == pytest.approx(100 + math.log(2), rel=1e-6)
    peer = losses.NTXentLoss(0.01)(torch.cat([first, second]), torch.arange(2).repeat(2))
    assert peer.item() == pytest.approx(87.3365, abs=1e-3)
    # Off the exact opposite, where a cosine has a gradient, it is 1 over the temperature times the sine, in both.
    aside = torch.tensor([[-1.0, 0.02], [0.02, -1.0]])
    ours = value_and_gradients(losszoo.create("nt-xent", temperature=0.01), first, aside)[1]
    theirs = value_and_gradients(
        lambda a, b: losses.NTXentLoss(0.01)(torch.cat([a, b]), torch.arange(2).repeat(2)), first, aside
    )[1]
    assert ours.abs().max() > 0.5
    assert theirs.abs().max() < 1e-3
    half = losszoo.create("nt-xent", temperature=0.01)(first.half(), second.half())
    assert half.item() == pytest.approx(value.item(), rel=1e-6)


def test_many_rows_are_streamed_with_the_same_numbers() -> None:
    queries, keys = rows(800, dtype=torch.float32), rows(803, dtype=torch.float32, seed=1)
    small = losszoo.create("nt-xent", streaming=losszoo.Streaming(memory=1))
    whole = losszoo.create("nt-xent", streaming=losszoo.Streaming(dense=True))
    for found, expected in zip(
        value_and_gradients(small, queries, keys), value_and_gradients(whole, queries, keys), strict=True
    ):
        torch.testing.assert_close(found, expected)


def test_a_bank_of_keys_serves_nt_xent() -> None:
    bank = losszoo.MemoryBank("nt-xent", size=4)
    old, queries, keys = rows(4, seed=2), rows(3), rows(3, seed=1)
    bank(old, old)
    torch.testing.assert_close(bank(queries, keys), losszoo.create("nt-xent")(queries, torch.cat([keys, old])))


# CLIP


@DTYPES
def test_clip_is_the_mean_of_two_cross_entropies(dtype: torch.dtype) -> None:
    """As open_clip writes it, with torch's own cross-entropy; the scale gets its gradient."""

    def peer(images: Tensor, texts: Tensor, scale: Tensor) -> Tensor:
        logits = scale.exp() * normalize(images, dim=1) @ normalize(texts, dim=1).T
        labels = torch.arange(len(images))
        return (cross_entropy(logits, labels) + cross_entropy(logits.T, labels)) / 2

    images, texts = rows(9, dtype=dtype), rows(9, dtype=dtype, seed=1)
    loss = losszoo.create("clip").to(dtype)
    assert [name for name, _ in loss.named_parameters()] == ["log_temperature"]
    found = value_and_gradients(loss, images, texts)
    loss(images, texts).backward()
    *expected, by_scale = value_and_gradients(peer, images, texts, -loss.log_temperature.detach())
    for ours, theirs in zip([*found, -loss.log_temperature.grad], [*expected, by_scale], strict=True):  # type: ignore[operator]
        torch.testing.assert_close(ours, theirs, **CLOSE[dtype])


def test_the_scale_of_clip_is_bounded_and_may_be_a_number() -> None:
    loss = losszoo.create("clip")
    assert loss.temperature == pytest.approx(0.07)
    with torch.no_grad():
        loss.log_temperature.fill_(-50.0)
    images, texts = rows(5, dtype=torch.float32), rows(5, dtype=torch.float32, seed=1)
    value = loss(images, texts)
    fixed = losszoo.create("clip(learned_temperature=false, temperature=0.01)")
    assert list(fixed.parameters()) == []
    torch.testing.assert_close(value, fixed(images, texts))
    assert loss.temperature == pytest.approx(0.01)
    given = losszoo.create("clip", temperature=torch.nn.Parameter(torch.tensor(0.2)))
    assert [name for name, _ in given.named_parameters()] == ["temperature"]


# SigLIP


@pytest.mark.parametrize("way", WAYS)
def test_siglip_is_a_sum_over_keys_and_a_mean_over_queries(way: str) -> None:
    """scipy's log of the logistic function, over all pairs, divided by N."""
    queries, keys = rows(6), rows(6, seed=1)
    loss = losszoo.create("siglip", temperature=0.25, bias=-1.5, **WAYS[way]).double()
    scale = (-loss.log_temperature).exp().item()  # 4, as float32 knows it
    scores = scale * (normalize(queries, dim=1) @ normalize(keys, dim=1).T).numpy() - 1.5
    signs = 2 * torch.eye(6).numpy() - 1
    expected = -log_expit(signs * scores).sum() / 6
    assert loss(queries, keys).item() == pytest.approx(expected, rel=1e-9)
    both = losszoo.create("siglip", temperature=0.25, bias=-1.5, symmetric=True, **WAYS[way]).double()
    torch.testing.assert_close(both(queries, keys), loss(queries, keys))


@pytest.mark.parametrize("bias", [-10.0, 80.0, -200.0, 1e4])
def test_siglip_at_the_ends_of_the_logistic_function(bias: float) -> None:
    """mpmath at 50 digits, in float64: one pair at t + b, one at b."""
    mpmath.mp.dps = 50
    queries = torch.eye(2, dtype=F64)
    loss = losszoo.create("siglip", bias=bias, temperature=0.1).double()
    value = loss(queries, queries)
    t = mpmath.exp(-mpmath.mpf(loss.log_temperature.item()))
    expected = mpmath.log1p(mpmath.exp(-(t + bias))) + mpmath.log1p(mpmath.exp(bias))
    assert value.item() == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", ["siglip"])
def test_what_a_row_function_learns_is_streamed(name: str, reduction: str) -> None:
    """800 rows in blocks, against the whole matrix under autograd: gradients of both views and of every parameter."""
    queries, keys = rows(800, 4, torch.float32), rows(807, 4, torch.float32, seed=1)
    found = []
    for way in (losszoo.Streaming(memory=1), losszoo.Streaming(dense=True)):
        loss = losszoo.create(name, reduction=reduction, streaming=way)
        factors = torch.linspace(0, 1, 800) if reduction == "none" else 1.0
        parts = [queries.clone().requires_grad_(), keys.clone().requires_grad_()]
        leaves = [*parts, *loss.parameters()]
        value = (factors * loss(*parts, weight=torch.linspace(0.5, 2, 800))).sum()
        found.append([value.detach(), *torch.autograd.grad(value, leaves)])
    assert len(found[0]) == 5
    for ours, expected in zip(*found, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


def test_only_what_is_learned_wants_a_gradient() -> None:
    """A frozen encoder: no gradient of the embeddings, and that of the bias by hand: sigmoid(-z) and sigmoid(z)."""
    queries = torch.eye(2, dtype=F64).repeat(400, 1)
    loss = losszoo.create("siglip", bias=0.0, temperature=1.0, streaming=losszoo.Streaming(memory=1)).double()
    loss(queries, queries).backward()
    near, far = 1 / (1 + math.exp(-1)), 0.5
    # Of 800 keys: itself, 399 like it that are negatives, and 400 across.
    by_hand = -(1 - near) + 399 * near + 400 * far
    assert loss.function.shift.grad.item() == pytest.approx(by_hand, rel=1e-9)


# N-pairs


@DTYPES
def test_n_pairs_is_that_of_pml(dtype: torch.dtype) -> None:
    """Its labels give one pair for each class: row i and row i + 9."""
    peer = losses.NPairsLoss(distance=distances.DotProductSimilarity(normalize_embeddings=False))
    first, second = rows(9, dtype=dtype), rows(9, dtype=dtype, seed=1)

    def theirs(a: Tensor, p: Tensor) -> Tensor:
        index = torch.arange(9)
        found: Tensor = peer(torch.cat([a, p]), torch.cat([index, index]), (index, index + 9, index[:0], index[:0]))
        return found

    for found, expected in zip(
        value_and_gradients(losszoo.create("n-pairs"), first, second),
        value_and_gradients(theirs, first, second),
        strict=True,
    ):
        torch.testing.assert_close(found, expected, **CLOSE[dtype])


def test_lengths_are_regularised_by_a_quarter() -> None:
    first, second = torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 4.0]])
    # One pair has no other: 0, and 0.25 * 0.2 * (9 + 16).
    assert losszoo.create("n-pairs", l2_reg=0.2)(first, second).item() == pytest.approx(1.25)


@pytest.mark.parametrize("scale", [1e-30, 1e4, 1e15])
@pytest.mark.parametrize("name", ["nt-xent", "clip", "siglip", "n-pairs"])
def test_extremes_are_finite(name: str, scale: float) -> None:
    for first, second in ((rows(5), rows(5, seed=1)), (torch.ones(4, 2), torch.ones(4, 2)), (rows(1), rows(1, seed=1))):
        found = value_and_gradients(losszoo.create(name), first.float() * scale, second.float() * scale)
        assert all(bool(x.isfinite().all()) for x in found)


def test_one_pair_and_none() -> None:
    """Alone, a row has its positive and nothing else: a share of 1. SigLIP still asks for it: log(1 + e^0)."""
    one = torch.ones(1, 2)
    values: dict[str, Any] = {name: losszoo.create(name)(one, one).item() for name in ("nt-xent", "clip", "n-pairs")}
    assert all(value == 0 for value in values.values())
    assert losszoo.create("siglip")(one, one).item() == pytest.approx(math.log(2), rel=1e-5)
    for name in (*values, "siglip"):
        assert losszoo.create(name)(one[:0], one[:0]) == 0


def test_many_n_pairs_are_streamed_with_the_same_numbers() -> None:
    """1100 x 1100 pairs, against the cross-entropy of torch; a mask takes a pair out of rows and candidates."""
    first, second = rows(1100, 4, torch.float32), rows(1100, 4, torch.float32, seed=1)
    mask = torch.arange(1100) % 3 > 0

    def theirs(a: Tensor, p: Tensor) -> Tensor:
        return cross_entropy(a[mask] @ p[mask].T, torch.arange(int(mask.sum())))

    loss = losszoo.create("n-pairs")
    ours = value_and_gradients(lambda a, p: loss(a, p, mask=mask), first, second)
    for found, expected in zip(ours, value_and_gradients(theirs, first, second), strict=True):
        torch.testing.assert_close(found, expected, **CLOSE[torch.float32])
    few = losszoo.create("n-pairs", reduction="none")(first[:9], second[:9], mask=mask[:9])
    expected = cross_entropy(first[:9][mask[:9]] @ second[:9][mask[:9]].T, torch.arange(6), reduction="none")
    torch.testing.assert_close(few[mask[:9]], expected)
