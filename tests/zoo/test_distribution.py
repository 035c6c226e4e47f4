"""Losses of predicted distributions against SciPy, scikit-learn, mpmath and torch; their edges; a training of each."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
import torch
from scipy import integrate, stats
from sklearn.metrics import mean_pinball_loss
from torch import Tensor

import losszoo
from losszoo import UsageError
from losszoo.testing import check_signature
from losszoo_plugins.distribution.columns import half_log_gamma_ratio, log_positive, positive

RANDOM = np.random.default_rng(0)
RAW, TARGETS = RANDOM.normal(size=(200, 15)), RANDOM.normal(size=200)
COUNTS = RANDOM.poisson(3, 200).astype(float)
TYPES = [(torch.float32, 1e-5), (torch.float64, 1e-9)]
SCALES = {"softplus": lambda raw: np.logaddexp(raw, 0) + 1e-6, "exp": lambda raw: np.exp(raw) + 1e-6}
SIGNATURES = ["", "-tails", "-evidence", "-counts", "-mixture", "-quantiles"]
LEAST = math.log(1e-6)


def value_of(name: str, parameters: object, targets: object, dtype: torch.dtype = torch.float64, **params: object):
    given = torch.as_tensor(np.asarray(parameters), dtype=dtype), torch.as_tensor(np.asarray(targets), dtype=dtype)
    return losszoo.create(name, reduction="none", **params)(*given)


def gradient_of(name: str, parameters: object, targets: object, dtype: torch.dtype = torch.float64, **params: object):
    leaf = torch.tensor(parameters, dtype=dtype, requires_grad=True)
    value_of_leaf = losszoo.create(name, reduction="sum", **params)(leaf, torch.tensor(targets, dtype=dtype))
    value_of_leaf.backward()
    return leaf.grad


def close(found: Tensor, expected: object, rtol: float) -> None:
    np.testing.assert_allclose(found.double().numpy(), expected, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("name", [f"distribution{end}" for end in SIGNATURES])
def test_signatures(name: str) -> None:
    assert check_signature(name).failed == {}


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(("dtype", "rtol"), TYPES)
def test_likelihoods_are_scipys(scale: str, dtype: torch.dtype, rtol: float) -> None:
    raw = RAW.astype(np.float32) if dtype == torch.float32 else RAW
    at, size, tails = raw[:, 0].astype(float), SCALES[scale](raw[:, 1].astype(float)), raw[:, 2].astype(float)
    targets = TARGETS.astype(np.float32).astype(float) if dtype == torch.float32 else TARGETS
    two, three = raw[:, :2], raw[:, :3]
    normal = -stats.norm.logpdf(targets, at, size)
    close(value_of("gaussian-nll", two, targets, dtype, scale=scale, full=True), normal, rtol)
    close(value_of("gaussian-nll", two, targets, dtype, scale=scale), normal - 0.5 * math.log(2 * math.pi), rtol)
    close(value_of("laplace-nll", two, targets, dtype, scale=scale), -stats.laplace.logpdf(targets, at, size), rtol)
    degrees = 2 + SCALES["softplus"](tails)
    close(
        value_of("student-t-nll", three, targets, dtype, scale=scale),
        -stats.t.logpdf(targets, degrees, at, size),
        rtol,
    )
    mean, dispersion = np.exp(at), size
    expected = -stats.nbinom.logpmf(COUNTS, 1 / dispersion, 1 / (1 + dispersion * mean))
    close(value_of("negative-binomial-nll", two, COUNTS, dtype, scale=scale), expected, rtol)


@pytest.mark.parametrize("name", ["gaussian-nll", "beta-nll", "laplace-nll", "mixture-nll", "crps", "multi-quantile"])
def test_several_targets_of_a_row_are_rows_written_out(name: str) -> None:
    width = 6 if name == "mixture-nll" else 3 if name == "multi-quantile" else 2
    grid, targets = RAW[:, :width].reshape(20, 10, width), TARGETS.reshape(20, 10)
    torch.testing.assert_close(value_of(name, grid, targets).reshape(-1), value_of(name, RAW[:, :width], TARGETS))
    assert value_of(name, RAW[0, :width], TARGETS[0]).shape == ()


# Normal


def test_gaussian_is_torchs_where_torch_does_not_clamp() -> None:
    mean, deviation = torch.tensor(RAW[:, 0]), torch.tensor(RAW[:, 1]).exp() + 0.1
    parameters = torch.stack([mean, torch.log(deviation - 1e-6)], -1)
    for full in (False, True):
        expected = torch.nn.functional.gaussian_nll_loss(mean, torch.tensor(TARGETS), deviation**2, full=full)
        found = losszoo.create("gaussian-nll", scale="exp", full=full)(parameters, torch.tensor(TARGETS))
        torch.testing.assert_close(found, expected)


def test_a_tiny_scale_has_the_gradient_of_its_value() -> None:
    """torch's variance of 1e-8 has the value of 1e-6 and a gradient of 500000 (2.13, at an exact fit)."""
    variance = torch.tensor([1e-8], requires_grad=True)
    torch.nn.functional.gaussian_nll_loss(torch.zeros(1), torch.zeros(1), variance).backward()
    assert variance.grad is not None
    assert variance.grad.item() == pytest.approx(5e5, rel=1e-3)
    raw = math.log(1e-4 - 1e-6)
    # By hand, of s = e^r + 1e-6 = 1e-4: log s has the derivative e^r / s.
    assert gradient_of("gaussian-nll", [[0.0, raw]], [0.0], scale="exp")[0, 1].item() == pytest.approx(0.99)
    # And at an error of 1: (1 - 1 / s^2) e^r / s.
    gradient = gradient_of("gaussian-nll", [[0.0, raw]], [1.0], torch.float32, scale="exp")
    assert gradient[0, 1].item() == pytest.approx((1 - 1e8) * 0.99, rel=1e-4)


@pytest.mark.parametrize("scale", ["softplus", "exp"])
@pytest.mark.parametrize("name", ["gaussian-nll", "laplace-nll"])
def test_columns_of_1e4_neither_overflow_nor_vanish_on_the_mean(name: str, scale: str) -> None:
    low = value_of(name, [[0.0, -1e4]], [0.0], torch.float32, scale=scale).item()
    assert low == pytest.approx(LEAST + (math.log(2) if name == "laplace-nll" else 0), rel=1e-6)
    high = value_of(name, [[0.0, 1e4]], [0.0], torch.float32, scale=scale).item()
    rest = math.log(2) if name == "laplace-nll" else 0.0
    assert high == pytest.approx((1e4 if scale == "exp" else math.log(1e4)) + rest, rel=1e-6)
    slope = gradient_of(name, [[1.0, -1e4]], [0.0], torch.float32, scale=scale)[0, 0].item()
    assert slope == pytest.approx(1e12 if name == "gaussian-nll" else 1e6, rel=1e-5)


def test_beta_weighs_by_the_variance_without_a_gradient() -> None:
    """Against the gaussian loss times a number; and at 1 the gradient on the mean is the error."""
    two = RAW[:, :2]
    variance = SCALES["softplus"](RAW[:, 1]) ** 2
    for beta in (0.0, 0.5, 1.0):
        plain = gradient_of("gaussian-nll", two, TARGETS)
        close(gradient_of("beta-nll", two, TARGETS, beta=beta), plain.numpy() * variance[:, None] ** beta, 1e-9)
        expected = value_of("gaussian-nll", two, TARGETS).numpy() * variance**beta
        close(value_of("beta-nll", two, TARGETS, beta=beta), expected, 1e-9)
    close(gradient_of("beta-nll", two, TARGETS, beta=1.0)[:, 0], RAW[:, 0] - TARGETS, 1e-9)


# Student's t, and evidence


@pytest.mark.parametrize("h", [1e-3, 0.5, 1.0, 19.99, 20.01, 1e3, 1e7, 1e15])
def test_the_ratio_of_gamma_functions_and_its_derivative(h: float) -> None:
    """In 50 digits; by plain float64 the logarithms of 1e15 lose all of them."""
    x = torch.tensor([h], dtype=torch.float64, requires_grad=True)
    value = half_log_gamma_ratio(x)
    value.backward()
    assert x.grad is not None
    with mpmath.workdps(50):
        z = mpmath.mpf(h)
        expected = mpmath.loggamma(z + 0.5) - mpmath.loggamma(z) - mpmath.log(z) / 2
        slope = mpmath.digamma(z + 0.5) - mpmath.digamma(z) - 1 / (2 * z)
    assert value.item() == pytest.approx(float(expected), rel=1e-10)
    assert x.grad.item() == pytest.approx(float(slope), rel=1e-9)


def test_many_degrees_of_freedom_are_the_normal_distribution() -> None:
    three = np.concatenate([RAW[:, :2], np.full((200, 1), 1e12)], 1)
    close(value_of("student-t-nll", three, TARGETS), value_of("gaussian-nll", RAW[:, :2], TARGETS, full=True), 1e-9)


def test_what_float32_loses_in_torchs_distributions() -> None:
    """torch 2.13: 0.5 of a density that is the normal one, and 2.3671 of a probability that is Poisson's."""
    student = value_of("student-t-nll", [[0.0, 0.0, 1e7]], [1.0], torch.float32, scale="exp")
    assert student.item() == pytest.approx(-stats.norm.logpdf(1.0), rel=2e-6)
    negative = value_of("negative-binomial-nll", [[math.log(2), -1e4]], [3.0], torch.float32)
    assert negative.item() == pytest.approx(-stats.poisson.logpmf(3, 2), rel=2e-6)


@pytest.mark.parametrize("degrees", [2.5, 10.0, 1e4, 1e7])
@pytest.mark.parametrize("error", [0.0, 1e-3, 3.0, 1e4, 1e20])
def test_student_is_that_of_50_digits(degrees: float, error: float) -> None:
    with mpmath.workdps(50):
        v = mpmath.mpf(degrees)
        e = mpmath.mpf(torch.tensor(error, dtype=torch.float32).item())
        norm = mpmath.loggamma((v + 1) / 2) - mpmath.loggamma(v / 2) - mpmath.log(v * mpmath.pi) / 2
        scale = mpmath.mpf(1) + mpmath.mpf("1e-6")
        expected = float(-norm + mpmath.log(scale) + (v + 1) / 2 * mpmath.log(1 + (e / scale) ** 2 / v))
    raw = degrees - 2 - 1e-6
    raw = raw if raw > 30 else math.log(math.expm1(raw))
    assert value_of("student-t-nll", [[0.0, 0.0, raw]], [error], scale="exp").item() == pytest.approx(
        expected, rel=1e-9
    )
    found = value_of("student-t-nll", [[0.0, 0.0, raw]], [error], torch.float32, scale="exp").item()
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("dtype", "rtol"), TYPES)
def test_evidence_is_scipys_marginal_and_the_term_of_the_paper(dtype: torch.dtype, rtol: float) -> None:
    raw = RAW[:, :4].astype(np.float32).astype(float)
    targets = TARGETS.astype(np.float32).astype(float)
    gamma, nu, beta = raw[:, 0], SCALES["softplus"](raw[:, 1]), SCALES["softplus"](raw[:, 3])
    alpha = 1 + SCALES["softplus"](raw[:, 2])
    marginal = -stats.t.logpdf(targets, 2 * alpha, gamma, np.sqrt(beta * (1 + nu) / (nu * alpha)))
    close(value_of("evidential-regression", raw, targets, dtype, weight=0.0), marginal, rtol)
    expected = marginal + 0.3 * np.abs(targets - gamma) * (2 * nu + alpha)
    close(value_of("evidential-regression", raw, targets, dtype, weight=0.3), expected, rtol)


# Counts


def negative_binomial(log_mean: float, alpha: float, count: int) -> float:
    with mpmath.workdps(60):
        r, t, mean = 1 / mpmath.mpf(alpha), mpmath.mpf(count), mpmath.exp(mpmath.mpf(log_mean))
        value = mpmath.loggamma(t + r) - mpmath.loggamma(r) - mpmath.loggamma(t + 1)
        return float(-(value + r * mpmath.log(r / (r + mean)) + (t * mpmath.log(mean / (r + mean)) if t else 0)))


@pytest.mark.parametrize("alpha", [1.001e-6, 1e-4, 0.04, 0.06, 1.0, 30.0])
@pytest.mark.parametrize("log_mean", [-40.0, 0.0, 7.0, 100.0, 1e4])
@pytest.mark.parametrize("count", [0, 1, 40, 10**6])
def test_negative_binomial_is_that_of_60_digits(alpha: float, log_mean: float, count: int) -> None:
    raw = [[log_mean, math.log(alpha - 1e-6)]]
    exact = math.exp(raw[0][1]) + 1e-6
    expected = negative_binomial(log_mean, exact, count)
    found = value_of("negative-binomial-nll", raw, [float(count)], scale="exp").item()
    # Terms of the size of the value's own: its largest one is t log t.
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9 * max(1, 1e-3 * count))


@pytest.mark.parametrize("alpha", [1.001e-6, 1e-3, 0.1, 3.0])
@pytest.mark.parametrize("count", [0.0, 3.0, 200.0])
def test_its_gradient_by_the_dispersion_keeps_its_digits(alpha: float, count: float) -> None:
    """By hand: r = 1/a, d/da of the value is -r^2 times d/dr; in 60 digits."""
    raw = math.log(alpha - 1e-6)
    mean = 2.0
    found = gradient_of("negative-binomial-nll", [[math.log(mean), raw]], [count], scale="exp")[0, 1].item()
    with mpmath.workdps(60):
        a = mpmath.exp(mpmath.mpf(raw)) + mpmath.mpf("1e-6")
        r, t = 1 / a, mpmath.mpf(count)
        by_r = mpmath.digamma(r) - mpmath.digamma(t + r) + mpmath.log1p(a * mean) + (t - mean) / (r + mean)
        expected = float(-r * r * by_r * mpmath.exp(mpmath.mpf(raw)))
    assert found == pytest.approx(expected, rel=1e-7)


def test_no_dispersion_is_poisson() -> None:
    """At alpha = 1e-6 they differ by alpha (t (t - 1) / 2 - t mu + mu^2 / 2), by the series of both."""
    means = np.exp(RAW[:, 0])
    found = value_of("negative-binomial-nll", np.stack([RAW[:, 0], np.full(200, -1e4)], 1), COUNTS)
    apart = -1e-6 * (COUNTS * (COUNTS - 1) / 2 - COUNTS * means + means**2 / 2)
    close(found, -stats.poisson.logpmf(COUNTS, means) + apart, 1e-9)


def test_a_negative_count_is_refused() -> None:
    with pytest.raises(losszoo.UsageError, match="targets must be finite and >= 0, got -1"):
        losszoo.create("negative-binomial-nll")(torch.zeros(2, 2), torch.tensor([1.0, -1.0]))


# Mixtures


@pytest.mark.parametrize("family", ["normal", "laplace"])
@pytest.mark.parametrize(("dtype", "rtol"), TYPES)
def test_mixture_is_scipys_sum(family: str, dtype: torch.dtype, rtol: float) -> None:
    raw, targets = RAW.astype(np.float32).astype(float), TARGETS.astype(np.float32).astype(float)
    shares = np.exp(raw[:, :5]) / np.exp(raw[:, :5]).sum(1, keepdims=True)
    law = stats.norm if family == "normal" else stats.laplace
    density = law.pdf(targets[:, None], raw[:, 5:10], SCALES["softplus"](raw[:, 10:]))
    close(value_of("mixture-nll", raw, targets, dtype, family=family), -np.log((shares * density).sum(1)), rtol)


def test_one_component_is_its_own_likelihood() -> None:
    three = np.concatenate([RAW[:, 2:3], RAW[:, :2]], 1)
    close(value_of("mixture-nll", three, TARGETS), value_of("gaussian-nll", RAW[:, :2], TARGETS, full=True), 1e-12)


def test_a_component_that_stands_on_one_target_is_bounded() -> None:
    """A scale of 1e-6 with a share of 1/2: log 2 + log 1e-6 + log sqrt(2 pi)."""
    value = value_of("mixture-nll", [[0.0, 0.0, 0.0, 50.0, -1e4, 0.0]], [0.0], torch.float32).item()
    assert value == pytest.approx(math.log(2) + LEAST + 0.5 * math.log(2 * math.pi), rel=1e-6)


def test_a_target_far_from_all_components_has_a_gradient() -> None:
    """Each density underflows; by hand, the nearer one of two has the share 1, and -e / s^2 is -1e4."""
    gradient = gradient_of("mixture-nll", [[0.0, 0.0, 0.0, -1.0, 0.0, 0.0]], [1e4], torch.float32, scale="exp")
    assert gradient[0].tolist() == pytest.approx([-0.5, 0.5, -1e4, 0.0, 1 - 1e8, 0.0], rel=1e-4)


# Quantiles


def test_each_quantile_is_scikit_learns() -> None:
    levels = (0.05, 0.3, 0.5, 0.99)
    predicted = RAW[:, :4]
    found = value_of("multi-quantile", predicted, TARGETS, quantiles=levels, monotone=False).mean().item()
    expected = sum(mean_pinball_loss(TARGETS, predicted[:, k], alpha=q) for k, q in enumerate(levels))
    assert found == pytest.approx(expected, rel=1e-12)
    # The steps, by NumPy.
    steps = np.concatenate([predicted[:, :1], np.logaddexp(predicted[:, 1:], 0)], 1).cumsum(1)
    assert (np.diff(steps) > 0).all()
    found = value_of("multi-quantile", predicted, TARGETS, quantiles=levels).mean().item()
    assert found == pytest.approx(sum(mean_pinball_loss(TARGETS, steps[:, k], alpha=q) for k, q in enumerate(levels)))


def test_columns_that_cross_do_not_where_they_are_steps() -> None:
    values = value_of("multi-quantile", [[1.0, -1e4, -1e4]], [1.0])
    assert values.item() == 0.0


def test_one_quantile_is_quantile() -> None:
    found = value_of("multi-quantile", RAW[:, :1], TARGETS, quantiles=(0.8,))
    expected = losszoo.create("quantile", quantile=0.8, reduction="none")(
        torch.tensor(RAW[:, 0]), torch.tensor(TARGETS)
    )
    torch.testing.assert_close(found, expected)


# CRPS


@pytest.mark.parametrize(("mean", "deviation", "target"), [(0.0, 1.0, 0.0), (1.0, 0.5, -2.0), (0.0, 3.0, 40.0)])
def test_crps_is_its_integral(mean: float, deviation: float, target: float) -> None:
    def below(y: float) -> float:
        return stats.norm.cdf(y, mean, deviation) ** 2

    def above(y: float) -> float:
        return stats.norm.sf(y, mean, deviation) ** 2

    ends = mean - 40 * deviation, mean + 40 * deviation
    points = [mean - 2 * deviation, mean, mean + 2 * deviation]
    expected = sum(
        integrate.quad(f, low, high, points=[p for p in points if low < p < high] or None, epsabs=1e-12, limit=500)[0]
        for f, low, high in ((below, ends[0], target), (above, target, ends[1]))
    )
    found = value_of("crps", [[mean, math.log(deviation - 1e-6)]], [target], scale="exp").item()
    assert found == pytest.approx(expected, rel=1e-9)


def test_crps_of_no_spread_is_the_absolute_error() -> None:
    """Less 1e-6 / sqrt(pi), of the least scale; and the gradient is its sign."""
    two = np.stack([RAW[:, 0], np.full(200, -1e4)], 1)
    errors = RAW[:, 0] - TARGETS
    close(value_of("crps", two, TARGETS), np.abs(errors) - 1e-6 / math.sqrt(math.pi), 1e-12)
    close(gradient_of("crps", two, TARGETS, torch.float32)[:, 0], np.sign(errors), 1e-6)
    far = value_of("crps", [[1e20, 0.0]], [0.0], torch.float32)
    assert far.item() == pytest.approx(1e20, rel=1e-6)
    # By hand, where the density is 0: -1 / sqrt(pi) on the scale, times its derivative by the column.
    slope = gradient_of("crps", [[1e30, -5.0]], [0.0], torch.float32)[0]
    assert slope.tolist() == pytest.approx([1.0, -1 / math.sqrt(math.pi) / (1 + math.exp(5))], rel=1e-5)


@pytest.mark.parametrize("fair", [False, True])
@pytest.mark.parametrize("members", [2, 3, 15])
def test_an_ensemble_is_the_sum_over_its_pairs(members: int, fair: bool) -> None:
    """With ties among them, and 1e6 from 0, where float64 keeps 1e-9 of what float32 rounds."""
    ensemble = np.round(RAW[:, :members], 1)
    pairs = np.abs(ensemble[:, :, None] - ensemble[:, None]).sum((1, 2)) / (members * (members - fair))
    expected = np.abs(ensemble - TARGETS[:, None]).mean(1) - pairs / 2
    close(value_of("crps", ensemble, TARGETS, form="ensemble", fair=fair), expected, 1e-12)
    close(value_of("crps", ensemble + 1e6, TARGETS + 1e6, form="ensemble", fair=fair), expected, 1e-9)


def test_one_member_is_the_absolute_error_and_is_not_fair() -> None:
    close(value_of("crps", RAW[:, :1], TARGETS, form="ensemble"), np.abs(RAW[:, 0] - TARGETS), 1e-12)
    with pytest.raises(losszoo.UsageError, match="parameters must have at least 2 members of an ensemble, got 1"):
        value_of("crps", RAW[:, :1], TARGETS, form="ensemble", fair=True)


# Refusals


@pytest.mark.parametrize(
    ("name", "width", "params", "rule"),
    [
        ("gaussian-nll", 3, {}, r"parameters must have 2 columns \(mean, scale\), got shape \(4, 3\)"),
        ("beta-nll", 1, {}, r"parameters must have 2 columns \(mean, scale\)"),
        ("laplace-nll", 1, {}, r"parameters must have 2 columns \(median, scale\)"),
        ("student-t-nll", 2, {}, r"parameters must have 3 columns \(location, scale, degrees of freedom - 2\)"),
        ("evidential-regression", 3, {}, r"parameters must have 4 columns \(gamma, nu, alpha - 1, beta\)"),
        ("negative-binomial-nll", 3, {}, r"parameters must have 2 columns \(log mean, dispersion\)"),
        ("mixture-nll", 4, {}, r"parameters must have 3 columns for each component, got shape \(4, 4\)"),
        ("crps", 3, {}, r"parameters must have 2 columns \(mean, scale\)"),
        ("multi-quantile", 2, {}, r"parameters must have 3 columns, one a quantile, got shape \(4, 2\)"),
        ("multi-quantile", 2, {"quantiles": (0.9, 0.1)}, r"quantiles must increase where monotone is true, got"),
    ],
)
def test_another_number_of_columns_is_refused(name: str, width: int, params: dict[str, object], rule: str) -> None:
    with pytest.raises(losszoo.UsageError, match=f"^{name}: {rule}"):
        losszoo.create(name, **params)(torch.zeros(4, width), torch.ones(4))


def test_a_scale_is_never_below_1e_6() -> None:
    for scale in SCALES:
        assert positive(torch.tensor([-1e4]), scale).item() == pytest.approx(1e-6)


@pytest.mark.parametrize("raw", [-1e4, -40.0, -5.001, -4.999, 0.0, 30.0])
def test_the_logarithm_of_a_scale_and_its_derivative(raw: float) -> None:
    """log(log(1 + e^r) + 1e-6) in 50 digits, and the same by an outer gradient near the end of float32."""
    with mpmath.workdps(50):
        soft = mpmath.log1p(mpmath.exp(raw))
        slope = float(mpmath.exp(raw) / (1 + mpmath.exp(raw)) / (soft + mpmath.mpf("1e-6")))
        expected = float(mpmath.log(soft + mpmath.mpf("1e-6")))
    x = torch.tensor([raw], dtype=torch.float64, requires_grad=True)
    value = log_positive(x)
    value.backward()
    assert value.item() == pytest.approx(expected, rel=1e-12, abs=1e-14)
    assert x.grad is not None
    assert x.grad.item() == pytest.approx(slope, rel=1e-9)
    narrow = torch.tensor([raw], requires_grad=True)
    log_positive(narrow).backward(torch.tensor([1e36]))
    assert narrow.grad is not None
    assert narrow.grad.item() == pytest.approx(1e36 * slope, rel=2e-5)


# Training


@pytest.mark.parametrize(
    ("loss", "task"),
    [
        ("gaussian-nll", "diabetes"),
        ("beta-nll", "diabetes"),
        ("laplace-nll", "diabetes"),
        ("student-t-nll", "diabetes"),
        ("evidential-regression", "diabetes"),
        ("mixture-nll", "diabetes"),
        ("multi-quantile", "diabetes"),
        ("crps", "diabetes"),
        ("gaussian-nll", "breast-cancer-worst"),
        ("mixture-nll", "breast-cancer-worst"),
    ],
)
def test_the_number_of_a_distribution_is_learned(loss: str, task: str, tmp_path) -> None:
    """Nearer than the mean of the training targets, in the unit of the targets."""
    result = losszoo.run(loss, task, epochs=10, out=tmp_path)
    splits = losszoo.load_task(task).splits(seed=0)
    constant = np.abs(splits.test.targets - splits.train.targets.mean(0)).mean()
    assert result.metrics["test"]["mae"] < 0.9 * constant


@pytest.mark.needs_abalone
def test_counts_that_spread_are_learned(tmp_path) -> None:
    result = losszoo.run("negative-binomial-nll", "abalone-rings", epochs=5, out=tmp_path)
    # Beside the deviance of the mean count, 1.04 on these test rows.
    assert result.metrics["test"]["poisson_deviance"] < 0.7


@pytest.mark.parametrize(
    ("loss", "columns", "median"),
    [
        ("multi-quantile", 3, lambda raw: raw[:, 0] + np.log1p(np.exp(raw[:, 1]))),
        ("multi-quantile(monotone=false)", 3, lambda raw: raw[:, 1]),
        ("multi-quantile(quantiles=[0.05, 0.2, 0.45, 0.7, 0.95], monotone=false)", 5, lambda raw: raw[:, 2]),
        ("multi-quantile(quantiles=[0.5, 0.9])", 2, lambda raw: raw[:, 0]),
        ("multi-quantile(quantiles=0.5)", 1, lambda raw: raw[:, 0]),
    ],
)
def test_a_run_predicts_the_column_of_the_median(loss: str, columns: int, median: Any, tmp_path: Path) -> None:
    """The head of the run by hand: which column a loss reads as the median follows from its parameters."""
    result = losszoo.run(loss, "diabetes", epochs=2, out=tmp_path)
    trained = losszoo.load_run(result.run_dir)
    network = trained._parts.network
    inputs = np.random.default_rng(0).normal(size=(7, 10)).astype(np.float32)
    raw = network.heads["distribution-quantiles"](network(torch.from_numpy(inputs))).detach().numpy()
    assert raw.shape == (7, columns)
    data = trained._parts.data
    scaled = (inputs * data.scaling.deviation + data.scaling.mean).astype(np.float32)
    np.testing.assert_allclose(trained.predict(scaled), median(raw) * data.scale + data.center, rtol=1e-4)


def test_two_terms_that_read_one_head_differently_are_refused() -> None:
    with pytest.raises(UsageError, match="quantiles and monotone must be those of multi-quantile"):
        losszoo.run("multi-quantile + multi-quantile(monotone=false)", "diabetes")
