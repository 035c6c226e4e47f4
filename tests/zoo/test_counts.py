"""Losses of counts against SciPy, scikit-learn, torch and mpmath; the kind's metric; a training."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
import torch
from scipy.stats import poisson
from sklearn.metrics import mean_poisson_deviance, mean_tweedie_deviance

import losszoo
from losszoo_plugins.counts.kind import poisson_deviance
from losszoo_plugins.counts.losses import poisson_nll, tweedie

RANDOM = np.random.default_rng(0)
LOGS, COUNTS = RANDOM.normal(1, 1, 100), RANDOM.poisson(3, 100).astype(float)
TYPES = [(torch.float32, 1e-5), (torch.float64, 1e-10)]


@pytest.mark.parametrize(("dtype", "rtol"), TYPES)
def test_poisson_is_scipys(dtype, rtol):
    logs, counts = torch.tensor(LOGS, dtype=dtype), torch.tensor(COUNTS, dtype=dtype)
    expected = -poisson.logpmf(COUNTS, np.exp(LOGS))
    np.testing.assert_allclose(poisson_nll(logs, counts, full=True).numpy(), expected, rtol=rtol)
    np.testing.assert_allclose(poisson_nll(logs.exp(), counts, full=True, log_input=False).numpy(), expected, rtol=rtol)


def test_poisson_is_torchs_but_for_its_epsilon_and_its_factorial():
    logs, counts = torch.tensor(LOGS), torch.tensor(COUNTS)
    theirs = torch.nn.PoissonNLLLoss()(logs, counts)
    torch.testing.assert_close(losszoo.create("poisson-nll")(logs, counts), theirs)
    # torch's Stirling term of a count of 2 is 0.6518, log 2! is 0.6931.
    value = losszoo.create("poisson-nll", full=True)(torch.zeros(1), torch.tensor([2.0]))
    assert value.item() == pytest.approx(1 + math.log(2))


def test_a_rate_of_0_or_less_is_led_back():
    rates = torch.tensor([0.0, -1.0, 0.0], dtype=torch.float64, requires_grad=True)
    values = poisson_nll(rates, torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64), log_input=False)
    values.sum().backward()
    # By hand: the tangent at 1e-12 is log 1e-12 + (p - 1e-12) 1e12, of slope 1e12.
    assert values.tolist() == pytest.approx([12 * math.log(10) + 1, 1e12, 0.0])
    assert rates.grad.tolist() == pytest.approx([1 - 1e12, 1 - 1e12, 1.0])


def test_z_of_100_is_infinite_in_float32_and_no_nan():
    logs = torch.tensor([100.0], requires_grad=True)
    value = losszoo.create("poisson-nll")(logs, torch.tensor([3.0]))
    value.backward()
    assert (value.item(), logs.grad.item()) == (math.inf, math.inf)


# Tweedie


def deviance(z: float, target: float, power: float) -> float:
    """Half the deviance as the integral of (t - s) / s^p from the mean to the target, in 40 digits."""
    with mpmath.workdps(40):
        mean, t, p = mpmath.exp(z), mpmath.mpf(target), mpmath.mpf(power)
        if p in (1, 2):
            return float(t * mpmath.log(t / mean) - t + mean if p == 1 else mpmath.log(mean / t) + t / mean - 1)
        return float(t ** (2 - p) / ((1 - p) * (2 - p)) - t * mean ** (1 - p) / (1 - p) + mean ** (2 - p) / (2 - p))


@pytest.mark.parametrize("power", [1.0, 1 + 1e-9, 1.2, 1.5, 1.9, 2 - 1e-9, 2.0])
@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float32, 2e-5), (torch.float64, 1e-9)])
@pytest.mark.parametrize("z", [-40.0, -3.0, 0.0, 0.2, 5.0, 40.0])
@pytest.mark.parametrize("target", [1e-3, 1.0, 1.25, 200.0])
def test_tweedie_is_its_integral(power, dtype, rtol, z, target):
    given = torch.tensor([z], dtype=dtype), torch.tensor([target], dtype=dtype)
    assert tweedie(*given, power=power).item() == pytest.approx(deviance(z, given[1].item(), power), rel=rtol)


@pytest.mark.parametrize("power", [1.0, 1.5, 1.99])
def test_tweedie_is_half_of_scikit_learns_deviance(power):
    """With counts of 0 among them."""
    value = losszoo.create("tweedie", power=power)(torch.tensor(LOGS), torch.tensor(COUNTS))
    expected = 0.5 * mean_tweedie_deviance(COUNTS, np.exp(LOGS), power=power)
    assert value.item() == pytest.approx(expected, rel=1e-10)


def test_an_exact_fit_costs_nothing_and_a_near_one_keeps_its_digits():
    """e = 1e-3 from a mean of 4: 4^(2 - p) (e^2 / 2 - ...) from the integral, in float32."""
    value = tweedie(torch.tensor([math.log(4.0), math.log(4.0) - 1e-3]), torch.tensor([4.0, 4.0]))
    z = torch.tensor(math.log(4.0) - 1e-3).item()
    assert value[0].item() < 1e-12
    assert value[1].item() == pytest.approx(deviance(z, 4.0, 1.5), rel=1e-3)


def test_the_gamma_deviance_of_0_is_infinite():
    assert tweedie(torch.zeros(1), torch.zeros(1), power=2).item() == math.inf


@pytest.mark.parametrize("name", ["poisson-nll", "tweedie"])
def test_a_negative_count_is_refused(name):
    with pytest.raises(losszoo.UsageError, match=rf"^{name}: counts must be finite and >= 0, got -1"):
        losszoo.create(name)(torch.zeros(2), torch.tensor([1.0, -1.0]))


# The kind


def test_the_deviance_is_scikit_learns_and_infinite_for_a_rate_of_0():
    assert poisson_deviance(COUNTS, np.exp(LOGS)) == pytest.approx(mean_poisson_deviance(COUNTS, np.exp(LOGS)))
    assert poisson_deviance(np.ones(2), np.array([1.0, 0.0])) == math.inf
    assert poisson_deviance(np.ones(2), np.array([1.0, math.nan])) == math.inf


@pytest.mark.needs_abalone
def test_counts_are_learned(tmp_path):
    """Beside the deviance of the mean count, 1.04 on these test rows."""
    result = losszoo.run("poisson-nll", "abalone-rings", epochs=5, out=tmp_path)
    assert result.metrics["test"]["poisson_deviance"] < 0.5


def test_the_gradient_of_a_rate_keeps_its_digits() -> None:
    """1 - t / p, by hand: the slope 1e12 of the tangent must not be added to it and taken off again."""
    rates = torch.tensor([2.0, 0.001, 0.5, 3.0], requires_grad=True)
    losszoo.create("poisson-nll", log_input=False, reduction="sum")(
        rates, torch.tensor([3.0, 5.0, 0.0, 7.0])
    ).backward()
    torch.testing.assert_close(rates.grad, torch.tensor([-0.5, -4999.0, 1.0, -4 / 3]))
