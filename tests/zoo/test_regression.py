"""Regression losses against torch's own operations, scikit-learn, mpmath and values worked out by hand."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import mean_pinball_loss, root_mean_squared_error

from losszoo_plugins.regression.robust import huber, log_cosh, mae, quantile
from losszoo_plugins.regression.squared import custom_mse, mse, rmse

ALL = [mse, custom_mse, rmse, mae, huber, log_cosh, quantile]


def gradient(loss, error, dtype=torch.float32, **params):
    predictions = torch.as_tensor(error, dtype=dtype).requires_grad_()
    loss(predictions, torch.zeros_like(predictions), **params).sum().backward()
    return predictions.grad


@pytest.fixture
def batch():
    """Errors of every size, ties among them, in float64."""
    errors = torch.tensor([0.0, 0.0, 1e-6, -0.3, 0.5, -0.5, 2.0, 2.0, -7.0, 1e4, -1e4], dtype=torch.float64)
    targets = torch.linspace(-3, 3, len(errors), dtype=torch.float64)
    return targets + errors, targets


@pytest.mark.parametrize(
    ("loss", "params", "operation"),
    [
        (mse, {}, F.mse_loss),
        (mae, {}, F.l1_loss),
        (huber, {}, F.huber_loss),
        (huber, {"delta": 0.01}, F.huber_loss),
        (huber, {"delta": 50.0}, F.huber_loss),
    ],
)
def test_is_torchs_own(batch, loss, params, operation):
    torch.testing.assert_close(loss(*batch, **params), operation(*batch, reduction="none", **params))


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        # By hand: (3-1)^2 + 0.1*3 + 0.1*1 = 4.4 and (-1-2)^2 - 0.1 + 0.2 = 9.1.
        ({}, [4.4, 9.1]),
        ({"param1": -2.0, "param2": 5.0}, [4.0 - 6 + 5, 9.0 + 2 + 10]),
        ({"param1": 0.0, "param2": 0.0}, [4.0, 9.0]),
    ],
)
def test_custom_mse(params, expected):
    values = custom_mse(torch.tensor([3.0, -1.0]), torch.tensor([1.0, 2.0]), **params)
    torch.testing.assert_close(values, torch.tensor(expected))


def test_custom_mse_is_least_half_of_param1_below_the_target():
    predictions = torch.tensor([1.0 - 0.7 / 2], requires_grad=True)
    custom_mse(predictions, torch.ones(1), param1=0.7, param2=3.0).sum().backward()
    torch.testing.assert_close(predictions.grad, torch.zeros(1))


def test_rmse_is_scikit_learns(batch):
    root = rmse.__losszoo_finish__(rmse(*batch).mean())
    assert root.item() == pytest.approx(root_mean_squared_error(batch[1].numpy(), batch[0].numpy()), rel=1e-14)


def test_rmse_has_a_zero_gradient_at_zero_error():
    predictions = torch.ones(3, requires_grad=True)
    rmse.__losszoo_finish__(rmse(predictions, torch.ones(3)).mean()).backward()
    assert predictions.grad.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("q", [0.01, 0.5, 0.9])
def test_quantile_is_scikit_learns(batch, q):
    expected = mean_pinball_loss(batch[1].numpy(), batch[0].numpy(), alpha=q)
    assert quantile(*batch, quantile=q).mean().item() == pytest.approx(expected, rel=1e-14)


def test_quantile_is_least_at_that_quantile_of_the_data():
    # A minimiser of the mean pinball loss is a sample quantile: numpy's, of 0..100 at 0.9.
    targets = torch.arange(101.0)
    costs = [quantile(torch.full_like(targets, float(p)), targets, quantile=0.9).mean().item() for p in range(101)]
    assert int(np.argmin(costs)) == np.quantile(targets.numpy(), 0.9) == 90


@pytest.mark.parametrize(("dtype", "digits"), [(torch.float64, 1e-15), (torch.float32, 3e-7)])
@pytest.mark.parametrize("error", [1e-18, 1e-8, -1e-3, 0.1, -1.0, 5.0, 19.999, -20.001, 100.0, -1e4, 1e30])
def test_log_cosh_to_the_last_digit(error, dtype, digits):
    # mpmath, 100 digits, of the error as the precision holds it; log cosh e = |e| + log1p(exp(-2|e|)) - log 2
    # there.
    held = torch.tensor([error], dtype=dtype)
    with mpmath.workdps(100):
        e = abs(mpmath.mpf(held.item()))
        value = mpmath.log(mpmath.cosh(e)) if e < 1e3 else e - mpmath.log(2)
        value, slope = float(value), float(mpmath.tanh(mpmath.mpf(held.item())))
    assert log_cosh(held, torch.zeros_like(held)).item() == pytest.approx(value, rel=digits, abs=0)
    assert gradient(log_cosh, [error], dtype).item() == pytest.approx(slope, rel=digits, abs=0)


@pytest.mark.parametrize(
    ("loss", "params", "slopes"),
    [
        # The derivative at -1e30, 0 and 1e30, by hand.
        (mae, {}, [-1.0, 0.0, 1.0]),
        (huber, {"delta": 2.5}, [-2.5, 0.0, 2.5]),
        (log_cosh, {}, [-1.0, 0.0, 1.0]),
        (quantile, {"quantile": 0.75}, [-0.75, 0.0, 0.25]),
    ],
)
def test_an_outlier_of_any_size_pulls_no_harder(loss, params, slopes):
    errors = torch.tensor([-1e30, 0.0, 1e30])
    values = loss(errors, torch.zeros(3), **params)
    torch.testing.assert_close(values, 1e30 * torch.tensor(slopes).abs())
    assert gradient(loss, errors, **params).tolist() == slopes


@pytest.mark.parametrize("loss", ALL)
def test_gradients(loss):
    # Away from the kinks, and on both sides of huber's delta and of log_cosh's line.
    predictions = torch.tensor([[-30.0, -1.5, -0.4], [1e-3, 0.6, 25.0]], dtype=torch.float64, requires_grad=True)
    targets = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(loss, (predictions, targets))


@pytest.mark.parametrize("loss", [huber, log_cosh])
def test_curvature_of_the_smooth_ones(loss):
    # Both are e^2 / 2 at zero: the second derivative there is 1.
    error = torch.tensor([0.0, 1e-3], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(loss(error, torch.zeros_like(error)).sum(), error, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.sum(), error)
    assert curvature.tolist() == pytest.approx([1.0, 1.0], abs=2e-6)


@pytest.mark.parametrize("loss", ALL)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 0, 3), (2, 3)])
def test_one_value_per_element(loss, shape):
    predictions = torch.zeros(shape)
    values = loss(predictions, predictions)
    assert values.shape == shape
    assert not values.any()
