"""A loss of torch that hides a saturated activation is found; one operation for both cures it, as tried."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from collection.case import binary, normal, uniform
from silently import line_of, told
from torch import Tensor, nn

X, BITS, COUNTS = normal(8, 5), binary(8, 5), uniform(8, 5, low=0.0, high=6.0).round()


def two_steps(logits: Tensor, targets: Tensor) -> Tensor:
    p = torch.sigmoid(logits)
    return F.binary_cross_entropy(p, targets)


def by_module(logits: Tensor, targets: Tensor) -> Tensor:
    p = logits.sigmoid()
    return nn.BCELoss(reduction="sum")(p, targets)


def weighted(logits: Tensor, targets: Tensor) -> Tensor:
    p = logits.sigmoid()
    return F.binary_cross_entropy(p, targets, weight=torch.full_like(targets, 2.0))


def clamped(logits: Tensor, targets: Tensor) -> Tensor:
    p = torch.sigmoid(logits).clamp(1e-7, 1 - 1e-7)
    return F.binary_cross_entropy(p, targets)


def clamped_from_above(logits: Tensor, targets: Tensor) -> Tensor:
    p = torch.sigmoid(logits).clamp(min=1e-6, max=0.9999)
    return F.binary_cross_entropy(p, targets)


def with_epsilon(logits: Tensor, targets: Tensor) -> Tensor:
    p = torch.sigmoid(logits) + 1e-8
    return F.binary_cross_entropy(p, targets)


def rate(log_rate: Tensor, counts: Tensor) -> Tensor:
    r = log_rate.exp()
    return F.poisson_nll_loss(r, counts, log_input=False)


@pytest.mark.parametrize(
    ("loss", "inputs", "line", "remedy"),
    [
        (two_steps, (X, BITS), "p =", "binary_cross_entropy_with_logits(logits, targets)"),
        (by_module, (X, BITS), "p =", "binary_cross_entropy_with_logits(logits"),
        (weighted, (X, BITS), "p =", "weight=torch.full_like(targets, 2.0)"),
        (clamped, (X, BITS), "p =", "binary_cross_entropy_with_logits(logits, targets)"),
        (clamped_from_above, (X, BITS), "p =", "binary_cross_entropy_with_logits(logits, targets)"),
        (with_epsilon, (X, BITS), "p =", "binary_cross_entropy_with_logits(logits, targets)"),
        (rate, (X, COUNTS), "r =", "poisson_nll_loss(log_rate, counts)"),
    ],
)
def test_a_saturated_activation(loss: Callable[..., Any], inputs: tuple[Any, ...], line: str, remedy: str) -> None:
    (finding,) = told(loss, *inputs, symptom="vanished-gradient")
    assert finding.source == line_of(loss, line)
    assert remedy in finding.remedy
    assert finding.verified


def test_the_error_of_the_value_is_told() -> None:
    (finding,) = told(two_steps, X, BITS, symptom="vanished-gradient")
    assert "where the truth is" in finding.cause
    assert "no gradient" in finding.cause


def with_logits(logits: Tensor, targets: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, targets)


def of_probabilities(probabilities: Tensor, targets: Tensor) -> Tensor:
    return F.binary_cross_entropy(probabilities, targets)


def bounded(logits: Tensor, targets: Tensor) -> Tensor:
    return F.binary_cross_entropy(0.9 * logits.sigmoid() + 0.05, targets)


def bounded_logits(logits: Tensor, targets: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(4 * logits.tanh(), targets)


def by_product(first: Tensor, second: Tensor) -> Tensor:
    return F.binary_cross_entropy(first.sigmoid() * second.sigmoid() * 0.9 + 0.05, torch.ones_like(first))


def poisson(log_rate: Tensor, counts: Tensor) -> Tensor:
    return F.poisson_nll_loss(log_rate, counts)


def softplus_rate(raw: Tensor, counts: Tensor) -> Tensor:
    return F.poisson_nll_loss(F.softplus(raw) + 0.1, counts, log_input=False)


@pytest.mark.parametrize(
    ("loss", "inputs"),
    [
        (with_logits, (X, BITS)),
        (of_probabilities, (uniform(8, 5), BITS)),
        (bounded, (X, BITS)),
        (bounded_logits, (X, BITS)),
        (by_product, (X, normal(8, 5, seed=1))),
        (poisson, (X, COUNTS)),
        (softplus_rate, (X, COUNTS)),
    ],
)
def test_what_does_not_saturate_is_no_fault(loss: Callable[..., Any], inputs: tuple[Any, ...]) -> None:
    assert not told(loss, *inputs, symptom="vanished-gradient")
