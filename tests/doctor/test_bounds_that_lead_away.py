"""A bound inside an exponential is a remedy only where descent goes on to where the true gradient leads."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from examining import FEW, examine
from pasting import module_after
from torch import Tensor

Loss = Callable[..., Tensor]


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def policy(logp: Tensor, old: Tensor, advantage: Tensor) -> Tensor:
    """The branch that is not clipped: infinite for a ratio that overflows and a negative advantage."""
    ratio = torch.exp(logp - old)
    return -torch.min(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage).mean()


def likelihood(mean: Tensor, log_var: Tensor, target: Tensor) -> Tensor:
    return (0.5 * log_var + 0.5 * (target - mean) ** 2 / torch.exp(log_var)).mean()


def inverse(log_rate: Tensor, time: Tensor) -> Tensor:
    return (time * (1 / torch.exp(log_rate)) + log_rate).mean()


def switched(x: Tensor, y: Tensor) -> Tensor:
    e = torch.exp(x)
    return torch.where(x > 50, x, torch.log(e + 1)).mean() - (y * x).mean()


def test_a_ratio_keeps_the_gradient_that_leads_it_back() -> None:
    """Of -ratio * advantage by logp the derivative is -ratio * advantage: positive for a negative advantage."""
    found = examine(policy, normal(8), normal(8, seed=1), normal(8, seed=2), effort=4000)
    remedies = {finding.remedy for finding in found.findings if finding.op == "exp"}
    assert len(remedies) == 1
    assert all(finding.verified for finding in found.findings)
    mended = module_after(*remedies, policy).policy
    logp = torch.tensor([100.0], requires_grad=True)
    mended(logp, torch.zeros(1), torch.tensor([-1.0])).backward()
    assert logp.grad is not None
    assert torch.isfinite(logp.grad).all()
    assert float(logp.grad) > 1.0


@pytest.mark.parametrize("log_var", [-45.0, -60.0, 90.0, 100.0])
def test_a_quotient_by_an_exponential_becomes_a_product(log_var: float) -> None:
    """The derivative by log_var is 0.5 - 0.5 * (target - mean)^2 * exp(-log_var), at every value."""
    found = examine(likelihood, normal(8), normal(8, seed=1), normal(8, seed=2), effort=4000)
    remedies = {finding.remedy for finding in found.findings}
    assert len(remedies) == 1
    assert "torch.exp(-log_var)" in next(iter(remedies))
    mended = module_after(*remedies, likelihood).likelihood
    x = torch.tensor([log_var], requires_grad=True)
    mended(torch.zeros(1), x, torch.tensor([2.0])).backward()
    true = 0.5 - 2.0 * torch.exp(torch.tensor(-log_var, dtype=torch.float64))
    assert x.grad is not None
    assert torch.allclose(x.grad.double(), true, rtol=1e-3)


def test_one_over_an_exponential_is_the_exponential_of_the_opposite() -> None:
    found = examine(inverse, normal(8) * 0.5, normal(8, seed=1).abs(), effort=4000)
    assert all("clamp" not in finding.remedy for finding in found.findings if finding.verified)


def test_a_bound_is_refused_where_it_takes_the_gradient_of_numbers_that_were_right() -> None:
    """Between 44 and 50 the derivative of log(exp(x) + 1) is 1, and a clamp at 44 would leave none."""
    found = examine(switched, normal(8, 4), (normal(8, 4, seed=1) > 0).float(), effort=4000)
    (remedy,) = {finding.remedy for finding in found.findings}
    mended = module_after(remedy, switched).switched
    x = torch.tensor([47.0, 100.0], requires_grad=True)
    mended(x, torch.zeros(2)).backward()
    assert x.grad is not None
    assert torch.allclose(x.grad, torch.tensor([0.5, 0.5]))


def test_no_note_advises_a_bound_that_takes_the_floor_away() -> None:
    """-log_var + exp(log_var) with a bounded exponential falls without end as log_var grows."""

    def latent(mu: Tensor, log_var: Tensor) -> Tensor:
        return -0.5 * (1 + log_var - mu**2 - log_var.exp()).sum(1).mean()

    found = examine(latent, normal(8, 4), normal(8, 4, seed=1), effort=FEW)
    assert not any("a bound on" in note for note in found.notes)
