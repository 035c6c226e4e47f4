"""Losses by torch.distributions, which raises ValueError for a parameter that it does not take."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from examining import LONG
from torch import Tensor
from torch import distributions as D
from torch.nn import functional as F

import losszoo

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def batch() -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.randn(6, 2), torch.randn(6, 2) - 1, torch.randn(6, 2)


def examined(loss: Loss) -> losszoo.Examination:
    return losszoo.examine(loss, example=batch, effort=1500, budget=LONG)


def gaussian(mean: Tensor, log_std: Tensor, targets: Tensor) -> Tensor:
    return -D.Normal(mean, log_std.exp()).log_prob(targets).mean()


def laplace(mean: Tensor, raw: Tensor, targets: Tensor) -> Tensor:
    return -D.Laplace(mean, F.softplus(raw)).log_prob(targets).mean()


def by_entropy(mean: Tensor, log_var: Tensor, targets: Tensor) -> Tensor:
    policy = D.Independent(D.Normal(mean, (0.5 * log_var).exp()), 1)
    return -policy.log_prob(targets).mean() - 0.01 * policy.entropy().mean()


@pytest.mark.parametrize(("loss", "op"), [(gaussian, "exp"), (laplace, "softplus"), (by_entropy, "exp")])
def test_a_parameter_that_underflows_is_a_finding_at_its_line(loss: Loss, op: str) -> None:
    (finding,) = [finding for finding in examined(loss).findings if finding.symptom == "raises"]
    assert finding.op == op
    assert finding.source == f"test_distributions.py:{loss.__code__.co_firstlineno + 1}"  # type: ignore[attr-defined]
    assert "torch.distributions raises ValueError" in finding.cause


def refuses_itself(mean: Tensor, log_std: Tensor, targets: Tensor) -> Tensor:
    if bool((log_std.abs() > 50).any()):
        raise ValueError("log_std must be in [-50, 50]")
    return (mean - targets).square().mean() + log_std.square().mean()


HEALTHY: list[Loss] = [
    refuses_itself,
    lambda mean, raw, targets: -D.Normal(mean, raw.clamp(-5, 3).exp()).log_prob(targets.clamp(-9, 9)).mean(),
    lambda mean, raw, targets: -D.Normal(mean, F.softplus(raw) + 1e-2).log_prob(targets).mean(),
    lambda mean, raw, targets: -D.Normal(mean + 0 * raw, 1.0).log_prob(targets).mean(),
    lambda mean, raw, targets: -D.Laplace(mean, F.softplus(raw) + 0.1).log_prob(targets).mean(),
    lambda mean, raw, targets: D.kl_divergence(D.Normal(mean, F.softplus(raw) + 0.1), D.Normal(targets, 1.0)).mean(),
    lambda mean, raw, targets: -D.Categorical(logits=mean + raw).log_prob((targets[:, 0] > 0).long()).mean(),
    lambda mean, raw, targets: -D.Bernoulli(logits=mean + raw).log_prob((targets > 0).to(mean.dtype)).mean(),
    lambda mean, raw, targets: -D.StudentT(5.0, mean, F.softplus(raw) + 0.1).log_prob(targets).mean(),
    lambda mean, raw, targets: -D.Cauchy(mean, F.softplus(raw) + 0.1).log_prob(targets).mean(),
]


@pytest.mark.parametrize("place", range(len(HEALTHY)))
def test_a_bounded_parameter_and_a_refusal_of_the_author_are_no_findings(place: int) -> None:
    assert not [finding for finding in examined(HEALTHY[place]).findings if finding.symptom == "raises"]
