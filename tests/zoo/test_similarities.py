"""Losses on cosines, against pytorch-metric-learning 2.9, torch, scipy and mpmath at 50 digits."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
import torch
from hard import HARD
from scipy.special import logsumexp
from torch import Tensor, nn

import losszoo

pml = pytest.importorskip("pytorch_metric_learning")
from pytorch_metric_learning import losses, reducers  # noqa: E402

F64 = torch.float64
CLOSE = {F64: {"rtol": 1e-9, "atol": 1e-11}, torch.float32: {"rtol": 1e-5, "atol": 1e-5}}
DTYPES = pytest.mark.parametrize("dtype", list(CLOSE), ids=str)


def rows(count: int, width: int = 8, dtype: torch.dtype = F64, seed: int = 0) -> Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed), dtype=F64).to(dtype)


def value_and_gradient(loss: Callable[..., Any], *inputs: Tensor) -> tuple[Tensor, Tensor]:
    leaf = inputs[0].clone().requires_grad_()
    value = loss(leaf, *inputs[1:]).sum()
    return value.detach(), torch.autograd.grad(value, leaf)[0]


# Multi-similarity and circle


@DTYPES
@pytest.mark.parametrize(
    ("name", "options", "peer"),
    [
        ("multi-similarity", {}, losses.MultiSimilarityLoss()),
        ("multi-similarity", {"alpha": 5.0, "beta": 1e-2, "base": -0.2}, losses.MultiSimilarityLoss(5.0, 1e-2, -0.2)),
        ("circle", {}, losses.CircleLoss(reducer=reducers.MeanReducer())),
        ("circle", {"margin": 0.25, "gamma": 256.0}, losses.CircleLoss(0.25, 256, reducer=reducers.MeanReducer())),
    ],
)
def test_value_and_gradient_are_those_of_pml(name: str, options: Any, peer: nn.Module, dtype: torch.dtype) -> None:
    """Five classes of uneven size; each row has a positive and a negative."""
    points, labels = rows(30, dtype=dtype), torch.tensor([0] * 2 + [1] * 3 + [2] * 5 + [3] * 8 + [4] * 12)
    ours = value_and_gradient(losszoo.create(name, **options), points, labels)
    theirs = value_and_gradient(peer, points, labels)
    for found, expected in zip(ours, theirs, strict=True):
        # Each entry of a gradient is a sum in which larger terms cancel.
        size = max(1.0, float(expected.abs().max()))
        torch.testing.assert_close(found / size, expected / size, **CLOSE[dtype])


def test_a_row_without_positives_still_pushes_as_in_pml() -> None:
    points, labels = rows(4), torch.tensor([0, 0, 1, 2])
    expected = losses.MultiSimilarityLoss()(points, labels)
    torch.testing.assert_close(losszoo.create("multi-similarity")(points, labels), expected)
    # One class has nothing to push, and classes of one nothing to pull.
    for alone in (torch.zeros(4, dtype=torch.long), torch.arange(4)):
        found = losszoo.create("multi-similarity")(points, alone)
        torch.testing.assert_close(found, losses.MultiSimilarityLoss()(points, alone))


def test_embeddings_times_1e20_have_the_gradient_that_pml_loses() -> None:
    """The cosine does not change, and its gradient is 1e-20 times as large; seen in pytorch-metric-learning: 0."""
    points, labels = rows(6, dtype=torch.float32), torch.tensor([0, 0, 0, 1, 1, 1])
    for name, peer in (("multi-similarity", losses.MultiSimilarityLoss()), ("circle", losses.CircleLoss())):
        value, gradient = value_and_gradient(losszoo.create(name), points, labels)
        far, small = value_and_gradient(losszoo.create(name), points * 1e20, labels)
        torch.testing.assert_close(far, value)
        torch.testing.assert_close(small * 1e20, gradient)
        assert value_and_gradient(peer, points * 1e20, labels)[1].abs().max() == 0


@pytest.mark.parametrize("gamma", [1.0, 256.0, 1e4])
def test_circle_of_cosines_at_their_ends(gamma: float) -> None:
    """Positives at -1 and negatives at 1, the worst there is: e^(256 * 2.4 * 1.6) leaves every float."""
    points = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0]], dtype=F64)
    value = losszoo.create("circle", gamma=gamma, margin=0.4, reduction="none")(points, torch.tensor([0, 0, 1]))
    mpmath.mp.dps = 50
    m, g = mpmath.mpf("0.4"), mpmath.mpf(gamma)
    near, far = g * (1 + m + 1) * (1 - m + 1), {0: g * (1 + m) * (1 - m), 1: mpmath.mpf(0)}
    expected = [float(mpmath.log1p(mpmath.exp(near + far[i]))) for i in (0, 1)]
    assert value[:2].tolist() == pytest.approx(expected, rel=1e-12)
    assert value[2] == 0


def test_circle_weights_have_no_gradient() -> None:
    """By hand, of one positive at c and one negative at s: sigmoid of the exponent, times gamma times the weight."""
    angles = torch.tensor([0.0, 0.7, 1.1], dtype=F64, requires_grad=True)
    points = torch.stack([angles.cos(), angles.sin()], 1)
    value = losszoo.create("circle", gamma=3.0, margin=0.3, reduction="none")(points, torch.tensor([0, 0, 1]))[0]
    gradient = torch.autograd.grad(value, angles)[0]
    c, s = math.cos(0.7), math.cos(1.1)
    exponent = 3 * ((1.3 - c) * (0.7 - c) + (s + 0.3) * (s - 0.3))
    share = 1 / (1 + math.exp(-exponent))
    by_positive, by_negative = share * 3 * (1.3 - c) * math.sin(0.7), -share * 3 * (s + 0.3) * math.sin(1.1)
    assert gradient.tolist() == pytest.approx([-by_positive - by_negative, by_positive, by_negative])


@pytest.mark.parametrize("case", HARD)
@pytest.mark.parametrize("name", ["multi-similarity", "circle"])
def test_hard_batches_are_finite(name: str, case: str) -> None:
    points, labels = HARD[case]
    value, gradient = value_and_gradient(losszoo.create(name), points, torch.tensor(labels, dtype=torch.long))
    assert value.isfinite()
    assert gradient.isfinite().all()


# Cosine-embedding


@DTYPES
@pytest.mark.parametrize("margin", [-1.0, -0.3, 0.0, 0.5, 1.0])
def test_cosine_embedding_is_called_as_torch_and_gives_the_same(margin: float, dtype: torch.dtype) -> None:
    first, second = rows(40, dtype=dtype), rows(40, dtype=dtype, seed=1)
    target = torch.tensor([1, -1]).repeat(20)
    torch_loss = nn.CosineEmbeddingLoss(margin=margin, reduction="none")
    ours = losszoo.create("cosine-embedding", margin=margin, reduction="none")
    for target_ in (target, target.double(), target.to(dtype)):
        for found, expected in zip(
            value_and_gradient(ours, first, second, target_),
            value_and_gradient(torch_loss, first, second, target_),
            strict=True,
        ):
            torch.testing.assert_close(found, expected, **CLOSE[dtype])
    torch.testing.assert_close(ours(first, second, target), ours(first, second, target == 1), rtol=0, atol=0)


@pytest.mark.parametrize("angle", [1e-2, 1e-4, 1e-6])
def test_directions_that_are_nearly_one_keep_their_digits(angle: float) -> None:
    """1 - cos(a) = 2 sin(a/2)^2, in float32; torch's own gives 0 at 1e-4 and at 1e-6."""
    first, second = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, angle]])
    value = losszoo.create("cosine-embedding")(first, second, torch.ones(1))
    assert value.item() == pytest.approx(2 * math.sin(math.atan(angle) / 2) ** 2, rel=1e-5)
    torchs = nn.CosineEmbeddingLoss()(first, second, torch.ones(1)).item()
    assert angle > 1e-3 or abs(torchs / value.item() - 1) > 0.5


def test_a_zero_row_has_no_direction() -> None:
    first = torch.tensor([[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]], requires_grad=True)
    second = torch.tensor([[3.0, 4.0], [0.0, 0.0], [3.0, 4.0]], requires_grad=True)
    value = losszoo.create("cosine-embedding", reduction="none", margin=-0.25)(first, second, torch.tensor([1, 1, -1]))
    assert value.tolist() == [1.0, 1.0, 0.25]
    value.sum().backward()
    assert first.grad is not None
    assert first.grad.abs().max() == 0
    assert second.grad is not None
    assert second.grad.abs().max() < 1e-7


@pytest.mark.parametrize("scale", [1e-30, 1e4, 1e30])
def test_lengths_say_nothing(scale: float) -> None:
    first, second, same = rows(9, dtype=torch.float32), rows(9, dtype=torch.float32, seed=1), torch.arange(9) % 2
    for name in ("cosine-embedding", "cosent"):
        loss = losszoo.create(name)
        torch.testing.assert_close(loss(first * scale, second / scale, same), loss(first, second, same))


def test_minus_one_is_zero_for_every_pair_loss_and_nothing_else_below_zero_is() -> None:
    first, second = rows(4), rows(4, seed=1)
    for name in ("contrastive", "cosine-embedding", "cosent"):
        loss = losszoo.create(name)
        signs, bits = torch.tensor([1, -1, -1, 1]), torch.tensor([1, 0, 0, 1])
        torch.testing.assert_close(loss(first, second, signs), loss(first, second, bits), rtol=0, atol=0)
        with pytest.raises(losszoo.UsageError, match=r"same must be in \[0, 1\], or -1 in place of 0, got -0.5"):
            loss(first, second, torch.tensor([1.0, -0.5, 0.0, 1.0]))


# CoSENT


def _cosent(first: Tensor, second: Tensor, same: Tensor, scale: float) -> float:
    cosines = scale * nn.functional.cosine_similarity(first, second, eps=0.0)
    terms = [(b - a).item() for (a, y), (b, z) in itertools.product(zip(cosines, same, strict=True), repeat=2) if y > z]
    return float(logsumexp([0.0, *terms]))


@pytest.mark.parametrize("scale", [1e-3, 20.0, 1e4])
@pytest.mark.parametrize("grades", [[0.0, 1.0] * 5, [0.1 * i for i in range(10)], [0.2, 0.2, 0.8, 0.5, 0.5] * 2])
def test_cosent_is_the_sum_over_all_pairs_of_pairs(grades: list[float], scale: float) -> None:
    """scipy's logsumexp over what sentence-transformers writes as a matrix."""
    first, second, same = rows(10), rows(10, seed=1), torch.tensor(grades, dtype=F64)
    value = losszoo.create("cosent", scale=scale)(first, second, same)
    assert value.item() == pytest.approx(_cosent(first, second, same, scale), rel=1e-10)
    # The order of the rows is nothing.
    turned = losszoo.create("cosent", scale=scale)(first.flip(0), second.flip(0), same.flip(0))
    torch.testing.assert_close(turned, value)


def test_cosent_in_the_right_and_in_the_wrong_order() -> None:
    """Cosines of 1 and -1: log(1 + e^-40) and 40, where e^40 in a sum of float32 would lose the 1."""
    first, second = torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([[2.0, 0.0], [-3.0, 0.0]])
    loss = losszoo.create("cosent")
    assert loss(first, second, torch.tensor([1.0, 0.0])).item() == pytest.approx(np.log1p(np.exp(-40.0)), rel=1e-6)
    assert loss(first, second, torch.tensor([0.0, 1.0])).item() == pytest.approx(40.0)


def test_cosent_without_an_order_and_with_a_mask() -> None:
    first, second, same = rows(6), rows(6, seed=1), torch.tensor([0.0, 0.3, 1.0, 0.3, 0.9, 0.0])
    equal = losszoo.create("cosent", empty="nan")
    assert equal(first, second, torch.full((6,), 0.5)).isnan()
    assert equal(first[:1], second[:1], same[:1]).isnan()
    value, gradient = value_and_gradient(losszoo.create("cosent"), first, second, torch.full((6,), 0.5))
    assert value == 0
    assert gradient.abs().max() == 0
    mask = torch.tensor([True, False, True, True, False, True])
    spoilt = torch.where(mask.unsqueeze(1), first, torch.nan)
    loss = losszoo.create("cosent")
    torch.testing.assert_close(loss(spoilt, second, same, mask=mask), loss(first[mask], second[mask], same[mask]))
