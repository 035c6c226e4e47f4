"""The divergence of latent variables, by mpmath in 50 digits and by torch's distributions."""

from __future__ import annotations

import mpmath
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from losszoo import UsageError, create
from losszoo.testing import check_signature

mpmath.mp.dps = 50


def test_the_signature() -> None:
    assert check_signature("latent").failed == {}


@pytest.mark.parametrize("mean", [0.0, 1e-20, 1e-4, 1.0, -3.0, 1e4, 1e18])
@pytest.mark.parametrize("s", [0.0, 1e-20, -1e-8, 1e-4, -1e-3, 0.49, 0.5, -0.51, 3.0, -20.0, 80.0, -1e4])
def test_value_and_gradient_are_right_in_fifty_digits(mean: float, s: float) -> None:
    for dtype, tolerance in ((torch.float64, 1e-9), (torch.float32, 1e-5)):
        m, v = (torch.tensor([[x]], dtype=dtype, requires_grad=True) for x in (mean, s))
        exact, exponent = mpmath.mpf(m.item()), mpmath.mpf(v.item())
        value = create("kl-standard-normal")(m, v)
        value.backward()
        expected = (exact**2 + mpmath.expm1(exponent) - exponent) / 2
        assert value.item() == pytest.approx(float(expected), rel=tolerance, abs=1e-44)
        assert m.grad.item() == pytest.approx(float(exact), rel=tolerance)
        assert v.grad.item() == pytest.approx(float(mpmath.expm1(exponent) / 2), rel=tolerance, abs=1e-44)


def test_it_is_the_divergence_of_torch() -> None:
    generator = torch.Generator().manual_seed(0)
    mean, s = torch.randn(2, 5, 3, generator=generator, dtype=torch.float64)
    expected = kl_divergence(Normal(mean, (s / 2).exp()), Normal(torch.zeros_like(mean), torch.ones_like(mean))).sum(1)
    torch.testing.assert_close(create("kl-standard-normal", reduction="none")(mean, s), expected)


def test_a_variance_beyond_float32_is_infinite_not_nan() -> None:
    mean, s = torch.zeros(1, 2, requires_grad=True), torch.tensor([[100.0, 0.0]], requires_grad=True)
    value = create("kl-standard-normal")(mean, s)
    value.backward()
    assert value.isposinf()
    assert not s.grad.isnan().any()


def test_free_bits_are_of_each_column() -> None:
    """Columns of 0 and of 2 nats, of which each costs at least half a nat."""
    mean = torch.tensor([[0.0, 2.0]], requires_grad=True)
    value = create("kl-standard-normal", free_bits=0.5)(mean, torch.zeros(1, 2))
    value.backward()
    assert value.item() == pytest.approx(2.5)
    assert mean.grad.tolist() == [[0.0, 2.0]]


@pytest.mark.parametrize(
    ("mean", "s", "rule"),
    [
        (torch.zeros(3), torch.zeros(3), r"mean must have shape \(N, D\), got shape \(3,\)"),
        (torch.zeros(3, 2), torch.zeros(3, 1), "log_variance must have the shape of mean"),
    ],
)
def test_wrong_shapes_are_refused(mean: torch.Tensor, s: torch.Tensor, rule: str) -> None:
    with pytest.raises(UsageError, match=rule):
        create("kl-standard-normal")(mean, s)
