"""Losses of one positive against drawn negatives, against SciPy, torch's cross-entropy and numbers by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import expit, log_expit, logsumexp, softmax

import losszoo

RANDOM = np.random.default_rng(0)
POSITIVE, NEGATIVES = RANDOM.normal(size=7), RANDOM.normal(size=(7, 4)) * 3
HIT = RANDOM.random((7, 4)) < 0.3
HIT[3] = True


def made(name, dtype=torch.float64, **params):
    inputs = [torch.tensor(x, dtype=dtype, requires_grad=True) for x in (POSITIVE, NEGATIVES)]
    return losszoo.create(name, reduction="none", **params), inputs


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_values_are_what_scipy_gives(dtype, rtol):
    loss, inputs = made("bpr", dtype)
    expected = -log_expit(POSITIVE[:, None] - NEGATIVES).mean(1)
    np.testing.assert_allclose(loss(*inputs).detach().numpy(), expected, rtol=rtol)

    loss, inputs = made("sampled-softmax", dtype)
    expected = logsumexp(np.column_stack([POSITIVE, NEGATIVES]), 1) - POSITIVE
    np.testing.assert_allclose(loss(*inputs).detach().numpy(), expected, rtol=rtol)

    loss, inputs = made("self-adversarial", dtype, margin=2.0, temperature=0.5)
    weights = softmax(0.5 * NEGATIVES, axis=1)
    expected = -log_expit(2 + POSITIVE) - (weights * log_expit(-2 - NEGATIVES)).sum(1)
    np.testing.assert_allclose(loss(*inputs).detach().numpy(), expected, rtol=rtol)


def test_sampled_softmax_over_a_whole_catalogue_is_cross_entropy():
    logits, labels = torch.randn(5, 4, dtype=torch.float64), torch.tensor([0, 3, 1, 1, 2])
    own = torch.nn.functional.one_hot(labels, 4).bool()
    value = losszoo.create("sampled-softmax")(logits[own], logits[~own].view(5, 3))
    torch.testing.assert_close(value, torch.nn.functional.cross_entropy(logits, labels))


def test_log_q_makes_the_sum_that_over_the_whole_catalogue():
    """Over all draws of two of three candidates, the mean of the estimate of the sum is the sum, by enumeration."""
    scores, q = np.array([1.0, -0.5, 2.0]), np.array([0.2, 0.5, 0.3])
    loss, positive = losszoo.create("sampled-softmax", reduction="none"), torch.zeros(1, dtype=torch.float64)
    total = 0.0
    for first in range(3):
        for second in range(3):
            drawn = torch.tensor([[scores[first], scores[second]]], dtype=torch.float64)
            log_q = torch.tensor([[math.log(q[first]), math.log(q[second])]], dtype=torch.float64)
            value = loss(positive, drawn, log_q=log_q).item()
            total += q[first] * q[second] * (math.exp(value) - 1)  # e^value - 1 is the sum over the positive's own 1
    assert total == pytest.approx(np.exp(scores).sum(), rel=1e-12)


@pytest.mark.parametrize("name", ["bpr", "sampled-softmax", "self-adversarial"])
def test_an_accidental_hit_takes_no_part(name):
    loss, inputs = made(name)
    values = loss(*inputs, accidental=torch.tensor(HIT))
    values.sum().backward()
    for row, hit in enumerate(HIT):
        if hit.all():
            alone = {"bpr": 0.0, "sampled-softmax": 0.0, "self-adversarial": -log_expit(9 + POSITIVE[row])}
            assert values[row].item() == pytest.approx(alone[name], rel=1e-12)
        else:
            expected = loss(inputs[0][row : row + 1], inputs[1][row : row + 1, ~hit])
            torch.testing.assert_close(values[row : row + 1], expected)
    assert inputs[1].grad.isfinite().all()
    assert (inputs[1].grad[torch.tensor(HIT)] == 0).all()


def test_the_weights_have_no_gradient():
    """By hand: the derivative towards a negative is its weight times sigma(margin + score), and no more."""
    loss, inputs = made("self-adversarial", margin=1.0)
    loss(*inputs).sum().backward()
    weights = softmax(NEGATIVES, axis=1)
    np.testing.assert_allclose(inputs[1].grad.numpy(), weights * expit(1 + NEGATIVES), rtol=1e-12)


@pytest.mark.parametrize("name", ["bpr", "sampled-softmax", "self-adversarial"])
@pytest.mark.parametrize("size", [104.0, 1e4, 1e30])
def test_far_apart_scores_have_a_gradient_where_they_are_wrong(name, size):
    positive = torch.tensor([-size], requires_grad=True)
    value = losszoo.create(name)(positive, torch.tensor([[size]]))
    value.backward()
    assert value.isfinite()
    assert positive.grad.item() == -1.0


def test_a_popular_negative_near_1e8_keeps_its_digits():
    """1e8 - (1e8 + 8) = -8 is exact in float32, and log(1 + e^-8) = 3.354e-4."""
    value = losszoo.create("sampled-softmax")(torch.tensor([1e8 + 8]), torch.tensor([[1e8]]))
    assert value.item() == pytest.approx(math.log1p(math.exp(-8)), rel=1e-6)


@pytest.mark.parametrize(
    ("name", "more", "rule"),
    [
        ("bpr", {"log_q": torch.zeros(4)}, r"log_q must be left out, as this loss does not use it"),
        ("self-adversarial", {"log_q": torch.zeros(4)}, r"log_q must be left out"),
        ("sampled-softmax", {"log_q": torch.ones(4)}, r"log_q must be finite log-probabilities, <= 0, got 1"),
        ("sampled-softmax", {"log_q": torch.zeros(3)}, r"log_q must have shape \(M,\) or \(N, M\), M=4"),
        ("bpr", {"accidental": torch.zeros(7, 4)}, r"accidental must be boolean of shape \(7, 4\)"),
    ],
)
def test_what_is_refused(name, more, rule):
    loss, inputs = made(name)
    with pytest.raises(losszoo.UsageError, match=f"^{name}: {rule}"):
        loss(*inputs, **more)


@pytest.mark.parametrize("shape", [(7, 0), (6, 4), (7,), (7, 4, 1)])
def test_negatives_of_another_shape_are_refused(shape):
    with pytest.raises(losszoo.UsageError, match=r"negatives must have shape \(N, M\), N=7, M >= 1"):
        losszoo.create("bpr")(torch.zeros(7), torch.zeros(shape))
