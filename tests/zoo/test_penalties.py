"""Penalties and learned task weights against values worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from losszoo_plugins.penalties.norms import elastic_net, l1, l2
from losszoo_plugins.penalties.uncertainty import Uncertainty

NORMS = [l1, l2, elastic_net]


def weigher(*log_variances):
    module = Uncertainty(tasks=len(log_variances))
    module.log_variances.data = torch.tensor(log_variances)
    return module


@pytest.mark.parametrize(
    ("penalty", "params", "expected"),
    [
        # By hand on (3, -4, 0) and 1: |w| sums to 8, w^2 to 26; scikit-learn's r |w| + (1 - r) / 2 w^2.
        (l1, {}, 8.0),
        (l2, {}, 26.0),
        (elastic_net, {}, 0.5 * 8 + 0.25 * 26),
        (elastic_net, {"l1_ratio": 0.2}, 0.2 * 8 + 0.4 * 26),
        (elastic_net, {"l1_ratio": 1.0}, 8.0),
        (elastic_net, {"l1_ratio": 0.0}, 13.0),
    ],
)
def test_norms(penalty, params, expected):
    parameters = [torch.tensor([[3.0, -4.0, 0.0]]), torch.tensor(1.0)]
    for iterable in (parameters, iter(parameters)):
        value = penalty(iterable, **params)
        assert value.shape == ()
        assert value.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("penalty", NORMS)
@pytest.mark.parametrize("parameters", [[], [torch.zeros(0)], [torch.zeros(2, 3)]])
def test_nothing_costs_nothing(penalty, parameters):
    assert penalty(parameters).item() == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize(("penalty", "expected"), [(l1, 8e5), (l2, 6.4e6), (elastic_net, 0.5 * 8e5 + 0.25 * 6.4e6)])
def test_half_precision_is_summed_in_float32(penalty, expected, dtype):
    # 100,000 eights: float16 ends at 65,504, and bfloat16 stops counting after a few hundred.
    value = penalty([torch.full((100_000,), 8.0, dtype=dtype)])
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("penalty", NORMS)
def test_norms_gradients(penalty):
    first = torch.tensor([[-10.0, 0.5], [2.0, -3.0]], dtype=torch.float64, requires_grad=True)
    second = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    assert penalty([first, second]).dtype == torch.float64
    assert torch.autograd.gradcheck(lambda *w: penalty(w), (first, second))


@pytest.mark.parametrize("penalty", NORMS)
def test_norms_gradient_at_zero_is_zero(penalty):
    w = torch.zeros(3, requires_grad=True)
    penalty([w]).backward()
    assert not w.grad.any()


def test_absolute_values_alone_do_not_meet_the_square():
    # The square of 1e30 is infinite in float32, and 0 times infinity is NaN.
    w = torch.tensor([1e30], requires_grad=True)
    value = elastic_net([w], l1_ratio=1.0)
    value.backward()
    assert value.item() == pytest.approx(1e30)
    assert w.grad.item() == 1


@pytest.mark.parametrize(
    ("log_variances", "losses", "expected"),
    [
        # By hand: half of each L / variance + log variance.
        ([0.0], [3.0], 1.5),
        ([0.0, 0.0], [1.0, 3.0], 2.0),
        ([math.log(2), math.log(4)], [6.0, 8.0], (3 + math.log(2) + 2 + math.log(4)) / 2),
        ([80.0], [1.0], 40.0),
        ([1e4], [1e30], 5e3),
        ([-1e20], [0.0], -5e19),
    ],
)
def test_uncertainty(log_variances, losses, expected):
    value = weigher(*log_variances)([torch.tensor(loss) for loss in losses])
    assert value.shape == ()
    assert value.item() == pytest.approx(expected, rel=1e-6)


def test_uncertainty_is_at_rest_where_the_variance_is_the_loss():
    losses = torch.tensor([1e-6, 0.5, 1e6])
    module = weigher(*losses.log().tolist())
    module(losses).backward()
    assert module.log_variances.grad.abs().max() < 1e-5


@pytest.mark.parametrize("s", [-30.0, -39.9, -40.1, -60.0, -80.0, -1e4])
def test_uncertainty_never_overflows_and_always_leads_back(s):
    module, loss = weigher(s), torch.tensor(2.0, requires_grad=True)
    value = module([loss])
    value.backward()
    assert value.isfinite()
    # L exp(-s) / 2 down to -40, then the gradient of its tangent there (mathematics, not the code's expression).
    assert module.log_variances.grad.item() == pytest.approx(0.5 - math.exp(min(-s, 40.0)), rel=1e-5)
    assert 0 < loss.grad.item() < torch.inf


def test_uncertainty_averages_a_loss_and_widens_halves():
    value = Uncertainty(tasks=2)([torch.full((4, 2), 60_000.0, dtype=torch.float16), torch.tensor([0.0, 2.0])])
    assert value.dtype == torch.float32
    assert value.item() == 30_000.5
    assert Uncertainty(tasks=2).half()([torch.tensor(1.0), torch.tensor(3.0)]).item() == 2


def test_uncertainty_gradients():
    module = Uncertainty(tasks=3).double()
    log_variances = torch.tensor([-2.0, 0.0, 5.0], dtype=torch.float64, requires_grad=True)
    losses = torch.tensor([0.1, 1.0, 7.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda s, values: torch.func.functional_call(module, {"log_variances": s}, (values.unbind(),)),
        (log_variances, losses),
    )


@pytest.mark.parametrize("given", [0, 1, 3])
def test_uncertainty_takes_one_loss_per_task(given):
    with pytest.raises(ValueError, match=rf"one loss per task, got tasks=2 and {given} losses; give it one each"):
        Uncertainty(tasks=2)([torch.tensor(1.0)] * given)
