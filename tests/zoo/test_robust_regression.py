"""Losses between the squared and the absolute error, against torch, SciPy, statsmodels' formulas, mpmath."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.special import pseudo_huber

import losszoo
from losszoo_plugins.regression.smooth import (
    adaptive_robust,
    charbonnier,
    epsilon_insensitive,
    smooth_l1,
    tukey_biweight,
)

ERRORS = [0.0, 1e-8, 1e-3, -0.3, 0.5, -1.0, 1.0, 2.0, -7.0, 1e4, -1e4, 1e8]


def both(loss, errors, dtype, **params):
    """Values and derivatives."""
    predictions = torch.tensor(errors, dtype=dtype, requires_grad=True)
    values = loss(predictions, torch.zeros_like(predictions), **params)
    values.sum().backward()
    return values.detach().double().numpy(), predictions.grad.double().numpy()


@pytest.mark.parametrize("beta", [0.0, 0.01, 0.5, 1.0, 50.0])
def test_smooth_l1_is_torchs(beta):
    torch.manual_seed(0)
    theirs = torch.tensor(ERRORS, dtype=torch.float64, requires_grad=True)
    expected = F.smooth_l1_loss(theirs, torch.zeros_like(theirs), beta=beta, reduction="none")
    expected.sum().backward()
    values, gradient = both(smooth_l1, ERRORS, torch.float64, beta=beta)
    np.testing.assert_allclose(values, expected.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(gradient, theirs.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize("delta", [0.01, 1.0, 50.0])
def test_charbonnier_is_scipys_pseudo_huber(delta):
    values, _ = both(charbonnier, ERRORS, torch.float64, delta=delta)
    # SciPy takes expm1 of half a log1p; below 1e-7 e^2/2 is the value to the last digit.
    np.testing.assert_allclose(values, pseudo_huber(delta, np.array(ERRORS)), rtol=1e-12)
    narrow, gradient = both(charbonnier, ERRORS, torch.float32, delta=delta)
    np.testing.assert_allclose(narrow, values, rtol=1e-6)
    exact = np.array(ERRORS) / np.hypot(1, np.array(ERRORS) / delta)
    np.testing.assert_allclose(gradient, exact, rtol=1e-6)


def test_charbonnier_of_1e20_is_linear_in_float32():
    values, gradient = both(charbonnier, [1e20, -1e30], torch.float32)
    np.testing.assert_allclose(values, [1e20, 1e30], rtol=1e-6)
    np.testing.assert_allclose(gradient, [1, -1], rtol=1e-6)


# Barron's family


def barron(error: float, alpha: float, c: float = 1.0) -> tuple[float, float]:
    """Value and derivative from the paper's equations 8 and 9, in 60 digits."""
    with mpmath.workdps(60):
        e, a = mpmath.mpf(error), mpmath.mpf(alpha)
        x = (e / c) ** 2
        if alpha == 2:
            return float(x / 2), float(e / c**2)
        if alpha == 0:
            return float(mpmath.log1p(x / 2)), float(2 * e / (e**2 + 2 * mpmath.mpf(c) ** 2))
        b = abs(a - 2)
        inner = x / b + 1
        return float(b / a * (inner ** (a / 2) - 1)), float(e / c**2 * inner ** (a / 2 - 1))


@pytest.mark.parametrize("alpha", [-1e9, -1e3, -2.0, -0.5, -1e-6, 0.0, 1e-12, 0.5, 1.0, 1.5, 1.999, 2 - 1e-9, 2.0])
@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float32, 1e-5), (torch.float64, 1e-9)])
def test_barrons_family_is_its_paper_and_its_limits(alpha, dtype, rtol):
    errors = [0.0, 1e-6, 1e-3, 0.3, -1.0, 1.4142, 3.0, -8.0, 1e3, 1e6]
    expected = [barron(torch.tensor(e, dtype=dtype).item(), alpha) for e in errors]
    values, gradient = both(adaptive_robust, errors, dtype, alpha=alpha)
    np.testing.assert_allclose(values, [v for v, _ in expected], rtol=rtol, atol=1e-300)
    # What is less than float32's smallest is 0 there.
    np.testing.assert_allclose(gradient, [g for _, g in expected], rtol=rtol, atol=1e-37)


def test_kornias_failures_have_their_true_values():
    """kornia 0.8: Geman-McClure NaN and Cauchy inf at an error of 1e20. By hand: 2, and log(1 + 1e40 / 2)."""
    assert both(adaptive_robust, [1e20], torch.float32, alpha=-2.0)[0] == pytest.approx([2.0])
    value, gradient = both(adaptive_robust, [1e20], torch.float32, alpha=0.0)
    assert value == pytest.approx([40 * math.log(10) - math.log(2)])
    assert gradient == pytest.approx([2e-20])


def test_names_of_the_members_are_found():
    assert {losszoo.create(name).identity.name for name in ("cauchy", "welsch", "geman-mcclure")} == {"adaptive-robust"}


# Tukey, and the tube


def test_tukey_is_statsmodels():
    """statsmodels 0.15.0, robust.norms.TukeyBiweight(4.685).rho and .psi at these errors."""
    errors = [0.0, 0.5, -1.0, 3.0, 4.685, 10.0]
    rho = [0.0, 0.12358166495807854, 0.47756610005714073, 2.9070281735209185, 3.658204166666666, 3.658204166666666]
    psi = [0.0, 0.48867494139195133, -0.9109562955029199, 1.0441681163639878, 0.0, 0.0]
    values, gradient = both(tukey_biweight, errors, torch.float64)
    np.testing.assert_allclose(values, rho, rtol=1e-12)
    np.testing.assert_allclose(gradient, psi, rtol=1e-12, atol=1e-12)


def test_tukey_keeps_its_digits_near_0():
    assert both(tukey_biweight, [1e-4], torch.float32)[0] == pytest.approx([5e-9], rel=1e-6)


def test_the_tube_by_hand():
    errors = [0.05, -0.1, 0.6, -2.1]
    np.testing.assert_allclose(both(epsilon_insensitive, errors, torch.float64)[0], [0, 0, 0.5, 2.0])
    values, gradient = both(epsilon_insensitive, errors, torch.float64, power=2)
    np.testing.assert_allclose(values, [0, 0, 0.25, 4.0])
    np.testing.assert_allclose(gradient, [0, 0, 1.0, -4.0])
