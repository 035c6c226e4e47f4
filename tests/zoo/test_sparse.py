"""Sparse probabilities: few candidates and all classes give the same, against bisection in float64."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from losszoo_plugins.classification.cross_entropy import topk_softmax
from losszoo_plugins.classification.simplex import _by_bisection, candidates, shares
from losszoo_plugins.classification.sparse import entmax, sparsemax

ALPHAS = [1.000001, 1.1, 1.3, 1.5, 1.75, 2.0, 3.0]
SCALES = [0.0, 1e-3, 0.1, 1.0, 30.0, 1e4]


def draw(*shape: int, scale: float = 1.0, dtype: torch.dtype = torch.float64) -> Tensor:
    return scale * torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=dtype)


def probabilities(logits: Tensor, alpha: float) -> Tensor:
    """Off the gradient of the loss, which is p - q, for targets spread evenly."""
    leaf = logits.clone().requires_grad_()
    even = torch.full_like(logits, 1 / logits.shape[1])
    return torch.autograd.grad(entmax(leaf, even, alpha=alpha).sum(), leaf)[0] + even


def by_bisection(logits: Tensor, alpha: float) -> Tensor:
    wide = logits.double()
    return _by_bisection(wide - wide.amax(-1, keepdim=True), alpha)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("scale", SCALES)
def test_newton_finds_what_bisection_finds(alpha, scale, dtype):
    logits = draw(20, 400, scale=scale, dtype=dtype)
    atol = 1e-6 if dtype == torch.float32 else 1e-13
    expected = by_bisection(logits, alpha).to(dtype)
    torch.testing.assert_close(probabilities(logits, alpha), expected, rtol=0, atol=atol)


@pytest.mark.parametrize("alpha", [1.3, 1.5, 2.0])
def test_a_long_tail_of_candidates_is_followed_to_its_end(alpha):
    # Each share is half the one before it: a step of Newton's method drops few of them.
    logits = -(2.0 ** -torch.arange(200, dtype=torch.float64)).flip(0)[None]
    torch.testing.assert_close(probabilities(logits, alpha), by_bisection(logits, alpha), rtol=0, atol=1e-14)


@pytest.mark.parametrize("alpha", [1.3, 1.5, 2.0, 3.0])
def test_rows_of_few_and_of_many_candidates_stand_together(alpha):
    logits = draw(50, 2000)
    logits[7] = 0.25  # ties everywhere
    logits[8, 1:] -= 1e4  # one candidate
    logits[9, ::2] = -torch.inf
    torch.testing.assert_close(probabilities(logits, alpha), by_bisection(logits, alpha), rtol=0, atol=1e-13)


def test_candidates_are_few_rows_or_all_columns():
    logits = draw(30, 1000)
    top = logits.amax(-1, keepdim=True)
    few, everything = candidates(logits, top, 2.0), candidates(logits, top, 1.1)
    assert everything.columns is None
    assert few.values.shape == few.columns.shape
    assert few.values.shape[1] == int((logits >= top - 1).sum(1).max())
    spread = torch.zeros_like(logits).scatter_add(-1, few.columns, shares(few.values, 2.0))
    torch.testing.assert_close(spread, shares(logits - top, 2.0), rtol=0, atol=1e-15)


@pytest.mark.parametrize("loss", [sparsemax, entmax, partial(entmax, alpha=1.3), partial(entmax, alpha=3.0)])
@pytest.mark.parametrize("soft", [False, True])
def test_losses_of_many_classes_are_those_of_the_plain_formula(loss, soft):
    logits = draw(12, 700)
    targets = draw(12, 700).softmax(1).roll(1, 0) if soft else torch.arange(12) * 50
    leaf = logits.clone().requires_grad_()
    values = loss(leaf, targets)
    (gradient,) = torch.autograd.grad(values.sum(), leaf)
    # A function transform takes operations on all classes.
    expected, plain = torch.func.grad_and_value(lambda x: loss(x, targets).sum())(logits)
    torch.testing.assert_close(values.sum(), plain, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradient, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("wrong", [torch.nan, torch.inf])
@pytest.mark.parametrize("alpha", [1.5, 2.0])
def test_a_row_with_a_wrong_number_is_nan_and_no_other_row_is(wrong, alpha):
    logits = draw(20, 500)
    logits[3, 4] = wrong
    leaf = logits.requires_grad_()
    values = entmax(leaf, torch.zeros(20, dtype=torch.int64), alpha=alpha)
    (gradient,) = torch.autograd.grad(values.sum(), leaf)
    bad = torch.arange(20) == 3
    assert torch.equal(values.isnan(), bad)
    assert torch.equal(gradient.isnan().any(1), bad)


@pytest.mark.parametrize("classes", [5, 400])  # of many, few may have a share, and only those are kept
@pytest.mark.parametrize("alpha", [1.2, 1.5, 2.0, 2.5])
def test_the_gradient_can_be_derived_any_number_of_times(classes, alpha):
    logits, labels = 2 * draw(3, classes).requires_grad_(), torch.tensor([0, 1, 2])
    soft = draw(3, classes).softmax(1)
    for targets in (labels, soft):
        assert torch.autograd.gradgradcheck(
            lambda x, q=targets: entmax(x, q, alpha=alpha), (logits,), atol=1e-4, fast_mode=True
        )

    def slope(x: Tensor) -> Tensor:
        return torch.autograd.grad(entmax(x, labels, alpha=alpha).sum(), x, create_graph=True)[0]

    if classes == 5:
        assert torch.autograd.gradgradcheck(slope, (logits,), atol=1e-4)


def kept(loss: Any, *inputs: Tensor) -> int:
    sizes: dict[int, int] = {}

    def keep(x: Tensor) -> Tensor:
        sizes[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        values = loss(*inputs)
    del values
    return sum(sizes.values())


@pytest.mark.parametrize("loss", [sparsemax, partial(topk_softmax, k=5)])
def test_little_is_kept_for_the_gradient(loss):
    logits = draw(40, 3000).requires_grad_()
    assert kept(loss, logits, torch.arange(40)) < logits.numel() * 8 / 10


def test_the_gradient_of_topk_can_be_derived_again():
    logits, labels = draw(6, 9).requires_grad_(), torch.arange(6)
    torch.autograd.gradcheck(lambda x: topk_softmax(x, labels, k=3), (logits,))
    torch.autograd.gradgradcheck(lambda x: topk_softmax(x, labels, k=3), (logits,))


def test_topk_counts_the_target_once_among_classes_that_are_ruled_out():
    logits = torch.tensor([[-torch.inf, 1.0, -torch.inf, -torch.inf]])
    assert topk_softmax(logits, torch.tensor([1]), k=3).item() == 0
