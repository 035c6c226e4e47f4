"""Epsilons folded into a constant, epsilons that only together take the gradient, clamps that a logarithm undoes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from collection.case import Inputs, binary, classes, normal, simplex, uniform
from silently import line_of
from test_pushed_away import pushed
from torch import Tensor

Loss = Callable[..., Tensor]
_PICK: Inputs = lambda: (normal(8, 5), classes(8, 5))  # noqa: E731
_BITS: Inputs = lambda: (normal(8, 4), binary(8, 4))  # noqa: E731
_PAIR: Inputs = lambda: (normal(8, 1), normal(8, 1, seed=1))  # noqa: E731
_ROWS: Inputs = lambda: (normal(8, 5), normal(8, 5, seed=1))  # noqa: E731


def squares_beside_one(logits: Tensor, labels: Tensor, eps: float = 1e-5) -> Tensor:
    wrong = (logits.softmax(1) - F.one_hot(labels, 5)).square()
    return -torch.log(1.0 + eps - wrong).sum(1).mean()


def miss_beside_one(logits: Tensor, bits: Tensor) -> Tensor:
    miss = (logits.sigmoid() - bits).abs()
    return -(1.0001 - miss).log().mean()


def subtracted(logits: Tensor, labels: Tensor) -> Tensor:
    others = logits.softmax(1) * (1 - F.one_hot(labels, 5))
    return -torch.log(torch.sub(torch.tensor(1 + 1e-6), others.sum(1))).mean()


def smoothed_twice(logits: Tensor, labels: Tensor, smooth: float = 1e-5) -> Tensor:
    soft = F.one_hot(labels, 5).to(logits.dtype).clamp(smooth / 4, 1 - smooth)
    right = (soft * logits.softmax(1)).sum(1) + smooth
    return (-((1 - right) ** 2) * right.log()).mean()


def saved_twice(logits: Tensor, labels: Tensor) -> Tensor:
    right = logits.softmax(1).clamp(min=1e-7).gather(1, labels[:, None])
    kept = right + 1e-8
    return -kept.log().mean()


def case_and_control(case: Tensor, control: Tensor) -> Tensor:
    gap = torch.clamp(control - case, -3e38, 80.0)
    return torch.log(1.0 + torch.exp(gap)).mean()


def ranked(scores: Tensor) -> Tensor:
    gaps = (scores[:, 1:] - scores[:, :1]).clamp(max=60)
    return torch.log1p(gaps.exp().sum(1)).mean()


def logistic(scores: Tensor, bits: Tensor) -> Tensor:
    signed = torch.clamp(-scores, max=50.0)
    other = torch.clamp(scores, max=50.0)
    return (bits * torch.log(1 + signed.exp()) + (1 - bits) * torch.log(1 + other.exp())).mean()


@pytest.mark.parametrize(
    ("loss", "inputs", "op", "text"),
    [
        (squares_beside_one, _PICK, "sub", "1.0 + eps - wrong"),
        (miss_beside_one, _BITS, "sub", "1.0001 - miss"),
        (subtracted, _PICK, "sub", "torch.sub"),
        (smoothed_twice, _PICK, "add", "+ smooth"),
        (case_and_control, _PAIR, "clamp", "gap ="),
        (ranked, lambda: (normal(8, 5),), "clamp", "gaps ="),
        (logistic, _BITS, "clamp", "signed ="),
    ],
)
def test_what_takes_the_gradient_is_named(loss: Loss, inputs: Inputs, op: str, text: str) -> None:
    failures = pushed(loss, inputs)[0]
    assert [(f.symptom, f.blame.site.op, f.blame.site.source) for f in failures][:1] == [
        ("vanished-gradient", op, line_of(loss, text))
    ]


def test_of_two_epsilons_one_after_the_other_some_are_named() -> None:
    failures = pushed(saved_twice, _PICK)[0]
    assert {f.blame.site.source for f in failures} <= {line_of(saved_twice, "clamp"), line_of(saved_twice, "kept =")}
    assert failures


def mixture(log_rates: Tensor, counts: Tensor) -> Tensor:
    """The rate itself is used: its bound is one of the gradient."""
    rates = log_rates.clamp(max=20).exp()
    return (rates - counts * torch.log(rates)).mean()


def gaussian(means: Tensor, log_variances: Tensor, targets: Tensor) -> Tensor:
    variances = log_variances.clamp(-30, 20).exp()
    return ((targets - means).square() / variances + variances.log()).mean()


def policy(new: Tensor, old: Tensor, advantages: Tensor) -> Tensor:
    ratio = (new - old).clamp(-20, 20).exp()
    return -torch.minimum(ratio * advantages, ratio.clamp(0.8, 1.2) * advantages).mean()


def energy(scores: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(scores.clamp(-50, 50), labels)


def product(first: Tensor, second: Tensor) -> Tensor:
    """Two exponentials in one product: no logarithm undoes it alone."""
    a, b = (first - second).clamp(max=30).exp(), second.clamp(max=30).exp()
    return torch.log1p(a * b / (1 + a * b)).mean()


def brier(logits: Tensor, labels: Tensor) -> Tensor:
    return (logits.softmax(1) - F.one_hot(labels, 5)).square().sum(1).mean()


def generalized(logits: Tensor, labels: Tensor, q: float = 0.7) -> Tensor:
    right = logits.softmax(1).gather(1, labels[:, None]).clamp(min=1e-7)
    return ((1 - right**q) / q).mean()


def absolute(logits: Tensor, labels: Tensor) -> Tensor:
    return (1.0 + 1e-6 - logits.softmax(1).gather(1, labels[:, None])).mean()


def dice(logits: Tensor, bits: Tensor) -> Tensor:
    p = logits.sigmoid()
    return (1.00001 - (2 * (p * bits).sum(1) + 1e-5) / (p.sum(1) + bits.sum(1) + 1e-5)).mean()


def tukey(predictions: Tensor, targets: Tensor, c: float = 4.685) -> Tensor:
    share = (1 - ((predictions - targets) / c).square()).clamp(min=0)
    return (1 - share**3).mean() * c**2 / 6


def poly(logits: Tensor, labels: Tensor) -> Tensor:
    right = logits.softmax(1).gather(1, labels[:, None])[:, 0]
    return (F.cross_entropy(logits, labels, reduction="none") + 1.0001 - right).mean()


def symmetric(logits: Tensor, labels: Tensor) -> Tensor:
    p = logits.softmax(1).clamp(1e-7, 1.0)
    soft = F.one_hot(labels, 5).to(p.dtype).clamp(1e-4, 1.0)
    return (F.cross_entropy(logits, labels, reduction="none") - (p * soft.log()).sum(1)).mean()


def shannon(logits: Tensor, shares: Tensor) -> Tensor:
    p = logits.softmax(1) + 1e-8
    q = shares + 1e-8
    middle = (p + q) / 2
    return ((p * (p / middle).log()).sum(1) + (q * (q / middle).log()).sum(1)).mean() / 2


def hellinger(logits: Tensor, shares: Tensor) -> Tensor:
    overlap = ((logits.softmax(1) + 1e-8).sqrt() * (shares + 1e-8).sqrt()).sum(1)
    return (1.0001 - overlap.clamp(max=1)).sqrt().mean()


def cosine_margin(first: Tensor, second: Tensor) -> Tensor:
    return -torch.log(1.00001 + F.cosine_similarity(first, second).clamp(-1, 1)).mean()


def bounded_log(predictions: Tensor, targets: Tensor) -> Tensor:
    return torch.log(1.0001 + (predictions - targets).square()).mean()


def given_weights(logits: Tensor, labels: Tensor, share: Tensor) -> Tensor:
    weights = -torch.log(1.0001 - share)
    return (weights * F.cross_entropy(logits, labels, reduction="none")).mean()


@pytest.mark.parametrize(
    ("loss", "inputs"),
    [
        (mixture, lambda: (normal(12), classes(12, 4).float())),
        (gaussian, lambda: (normal(8, 3), normal(8, 3, seed=1), normal(8, 3, seed=2))),
        (policy, lambda: (normal(12), normal(12, seed=1), normal(12, seed=2))),
        (energy, _PICK),
        (product, _PAIR),
        (brier, _PICK),
        (generalized, _PICK),
        (absolute, _PICK),
        (dice, _BITS),
        (tukey, _PAIR),
        (poly, _PICK),
        (symmetric, _PICK),
        (shannon, lambda: (normal(8, 5), simplex(8, 5))),
        (hellinger, lambda: (normal(8, 5), simplex(8, 5))),
        (cosine_margin, _ROWS),
        (bounded_log, _PAIR),
        (given_weights, lambda: (*_PICK(), uniform(8))),
    ],
)
def test_a_bound_that_takes_nothing_is_left_alone(loss: Loss, inputs: Inputs) -> None:
    assert pushed(loss, inputs)[0] == []
