"""Finite and wrong: told from ill-conditioned and right."""

from __future__ import annotations

from collections.abc import Callable

import mpmath
import pytest
import torch
from sick_losses import normal, subject_of, uniform
from torch import Tensor

from losszoo.doctor.diagnosis.accuracy import accuracy_probes, blame_inaccuracy, inaccuracies, is_inaccurate
from losszoo.doctor.effort import Effort
from losszoo.doctor.subject.subject import evaluate

mpmath.mp.dps = 50
Loss = Callable[..., Tensor]


def softplus_naive(x: Tensor) -> Tensor:
    return torch.log(1 + torch.exp(x)).mean()


def variance(x: Tensor) -> Tensor:
    return (x**2).mean() - x.mean() ** 2


def half_angle(x: Tensor) -> Tensor:
    return (1 - torch.cos(x)).mean()


def conjugate(x: Tensor) -> Tensor:
    return (torch.sqrt(1 + x) - 1).mean()


def growth(x: Tensor) -> Tensor:
    return (torch.exp(x) - 1).mean()


def log_of_one_plus(x: Tensor) -> Tensor:
    return torch.log(1 + x).mean()


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    return ((a * a).sum(1)[:, None] + (b * b).sum(1)[None] - 2 * a @ b.T).mean()


# The loss, an input, the true value by mpmath, the operation that loses the digits.
WRONG = [
    (growth, 1e-8, mpmath.expm1(mpmath.mpf(1e-8)), "sub"),
    (half_angle, 1e-4, 1 - mpmath.cos(mpmath.mpf(1e-4)), "sub"),
    (conjugate, 1e-8, mpmath.sqrt(1 + mpmath.mpf(1e-8)) - 1, "sub"),
    (log_of_one_plus, 1e-8, mpmath.log1p(mpmath.mpf(1e-8)), "log"),
    (softplus_naive, -20.0, mpmath.log1p(mpmath.exp(-20)), "log"),
]


@pytest.mark.parametrize(("loss", "at", "true", "op"), WRONG, ids=[case[0].__name__ for case in WRONG])
def test_wrong_digits_and_who_lost_them(loss: Loss, at: float, true: mpmath.mpf, op: str) -> None:
    leaves = [torch.full((4,), at)]
    subject = subject_of(loss, uniform(4))
    wide = evaluate(subject, leaves, torch.float64, gradients=False).total
    assert wide == pytest.approx(float(true), rel=1e-6)  # float64 is an oracle here
    assert is_inaccurate(subject, leaves)
    found = blame_inaccuracy(subject, leaves)
    assert found is not None
    assert (found.site.op, found.backward) == (op, False)
    assert found.site.source is not None
    assert found.site.source.startswith("test_precision.py:")


def test_moments_of_numbers_far_from_zero() -> None:
    x = normal(16) * 0.1 + 1000
    subject = subject_of(variance, normal(16))
    # Squares near 1e6 have a last place of 0.06; the variance is 0.01.
    assert evaluate(subject, [x]).total != pytest.approx(x.double().var(correction=0).item(), rel=0.1)
    assert is_inaccurate(subject, [x])
    found = blame_inaccuracy(subject, [x])
    assert found is not None
    assert found.site.op == "sub"


def test_distances_by_the_expanded_square() -> None:
    a = normal(4, 3) + 1000
    subject = subject_of(squared_distances, normal(4, 3), normal(4, 3, seed=1))
    leaves = [a, a + 0.01]
    assert is_inaccurate(subject, leaves)
    found = blame_inaccuracy(subject, leaves)
    assert found is not None
    assert found.site.op == "sub"


@pytest.mark.parametrize(
    ("loss", "at"),
    [
        (lambda x: torch.expm1(x).mean(), 1e-8),
        (lambda x: torch.log1p(x).mean(), 1e-8),
        (lambda x: torch.nn.functional.softplus(x).mean(), -20.0),
        (lambda x: (x / (torch.sqrt(1 + x) + 1)).mean(), 1e-8),
        (lambda x: (2 * torch.sin(x / 2) ** 2).mean(), 1e-4),
        (lambda x: x.exp().mean(), 50.0),
        # sin at 1e6 moves by 0.06 for one unit in the last place: no fault of the loss.
        (lambda x: torch.sin(x).mean(), 1e6),
        (lambda x: x.mean() - 1000, 1000.0001),
    ],
)
def test_right_or_ill_conditioned_is_not_accused(loss: Loss, at: float) -> None:
    assert not is_inaccurate(subject_of(loss, uniform(4)), [torch.full((4,), at)])


def sinkhorn(cost: Tensor) -> Tensor:
    """Entropic transport of two uniform distributions, in log space."""
    scores, n = -cost / 0.01, cost.shape[0]
    f, g = torch.zeros(n), torch.zeros(n)
    for _ in range(20):
        f = -torch.logsumexp(scores + g, 1)
        g = -torch.logsumexp(scores + f[:, None], 0)
    plan = torch.exp(scores + f[:, None] + g)
    return (plan * cost).sum()


def test_sinkhorn_in_log_space_is_not_accused() -> None:
    assert list(inaccuracies(subject_of(sinkhorn, uniform(5, 5)), Effort())) == []


def test_nothing_is_said_of_what_is_not_finite() -> None:
    subject = subject_of(lambda x: x.log().mean(), uniform(4))
    assert not is_inaccurate(subject, [torch.zeros(4)])
    assert not is_inaccurate(subject_of(_refuses, uniform(4)), [uniform(4)])


def _refuses(x: Tensor) -> Tensor:
    raise ValueError


def test_the_probes_find_what_costs_digits() -> None:
    for loss in (growth, log_of_one_plus, conjugate):
        found = list(inaccuracies(subject_of(loss, normal(4) if loss is growth else uniform(4)), Effort()))
        assert found, loss.__name__
        assert all(is_inaccurate(subject_of(loss, uniform(4)), item.leaves) for item in found)


def test_the_last_digits_at_a_minimum_do_not_count() -> None:
    """1 - cos(x) falls with the square of x: its digits are lost only where its value is next to nothing."""
    assert list(inaccuracies(subject_of(half_angle, uniform(4)), Effort())) == []


def test_a_healthy_loss_has_none() -> None:
    for loss in (lambda a, target: (a - target).square().mean(), lambda a, target: (a - target).abs().mean()):
        assert list(inaccuracies(subject_of(loss, normal(6), normal(6, seed=1)), Effort())) == []


def test_probes_scale_shift_and_copy() -> None:
    labels = [p.label for p in accuracy_probes(subject_of(squared_distances, normal(4, 3), normal(4, 3, seed=1)))]
    for label in ("ordinary input", "everything times 1e-06", "a shifted by 1000", "a nearly b", "a equal to b"):
        assert label in labels
