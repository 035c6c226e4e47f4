"""Negative log-likelihoods: scales that vanish, rates that overflow, densities that underflow."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .case import Case, normal, put, uniform


class Heteroscedastic(nn.Module):
    """Gaussian with a predicted log-variance."""

    def forward(self, means: Tensor, log_variances: Tensor, targets: Tensor) -> Tensor:
        variances = torch.exp(log_variances)
        return 0.5 * (log_variances + (targets - means) ** 2 / variances).mean()


def heteroscedastic_twin(means: Tensor, log_variances: Tensor, targets: Tensor) -> Tensor:
    inside = log_variances.clamp(-20, 20)
    return 0.5 * (inside + (targets - means) ** 2 * torch.exp(-inside)).mean()


def softplus_scale(means: Tensor, raw: Tensor, targets: Tensor) -> Tensor:
    scale = F.softplus(raw)
    residual = (targets - means).abs() / scale
    return (torch.log(scale) + residual).mean()


def softplus_scale_twin(means: Tensor, raw: Tensor, targets: Tensor) -> Tensor:
    scale = F.softplus(raw) + 1e-6
    return (scale.log() + (targets - means).abs() / scale).mean()


def variational_prior(means: Tensor, log_variances: Tensor) -> Tensor:
    variances = log_variances.exp()
    return 0.5 * (variances + means**2 - 1 - torch.log(variances)).sum(dim=1).mean()


def variational_twin(means: Tensor, log_variances: Tensor) -> Tensor:
    return 0.5 * (log_variances.exp() + means**2 - 1 - log_variances).sum(1).mean()


def negative_binomial(log_means: Tensor, counts: Tensor, dispersion: float = 2.0) -> Tensor:
    means = torch.exp(log_means)
    total = means + dispersion
    success = counts * torch.log(means / total)
    return -(success + dispersion * torch.log(dispersion / total)).mean()


def negative_binomial_twin(log_means: Tensor, counts: Tensor) -> Tensor:
    shifted = log_means - math.log(2.0)
    return -(counts * F.logsigmoid(shifted) + 2 * F.logsigmoid(-shifted)).mean()


def exponential_times(log_rates: Tensor, times: Tensor) -> Tensor:
    return (torch.exp(log_rates) * times - log_rates).mean()


def exponential_times_twin(log_rates: Tensor, times: Tensor) -> Tensor:
    begun = times > 0
    return (torch.where(begun, log_rates, 0.0).exp() * times - log_rates).mean()


def student_t(residuals: Tensor, freedom: Tensor) -> Tensor:
    half = (freedom + 1) / 2
    normaliser = torch.lgamma(half) - torch.lgamma(freedom / 2) - 0.5 * torch.log(math.pi * freedom)
    return (half * torch.log(1 + residuals**2 / freedom) - normaliser).mean()


def student_t_twin(residuals: Tensor, freedom: Tensor) -> Tensor:
    # lgamma(x + 1/2) - lgamma(x) = log(x) / 2 - 1 / (8 x) + O(x ** -3)
    many = freedom > 100
    few = torch.where(many, 1.0, freedom)
    ratio = torch.where(
        many, 0.5 * (freedom / 2).log() - 1 / (4 * freedom), ((few + 1) / 2).lgamma() - (few / 2).lgamma()
    )
    tail = (freedom + 1) / 2 * torch.log1p(residuals**2 / freedom)
    return (tail - ratio + 0.5 * torch.log(math.pi * freedom)).mean()


def beta_likelihood(a: Tensor, b: Tensor, shares: Tensor) -> Tensor:
    norm = torch.lgamma(a + b) - torch.lgamma(a) - torch.lgamma(b)
    return -(norm + (a - 1) * torch.log(shares) + (b - 1) * torch.log(1 - shares)).mean()


def beta_twin(a: Tensor, b: Tensor, shares: Tensor) -> Tensor:
    inside = shares.clamp(1e-6, 1 - 1e-6)
    norm = torch.lgamma(a + b) - torch.lgamma(a) - torch.lgamma(b)
    return -(norm + (a - 1) * inside.log() + (b - 1) * torch.log1p(-inside)).mean()


def dirichlet_likelihood(evidence: Tensor, shares: Tensor) -> Tensor:
    concentration = torch.relu(evidence)
    norm = torch.lgamma(concentration.sum(1)) - torch.lgamma(concentration).sum(1)
    return -(norm + ((concentration - 1) * torch.log(shares)).sum(1)).mean()


def dirichlet_twin(evidence: Tensor, shares: Tensor) -> Tensor:
    concentration = evidence.clamp(min=1e-3)
    norm = concentration.sum(1).lgamma() - concentration.lgamma().sum(1)
    return -(norm + ((concentration - 1) * shares.log()).sum(1)).mean()


def von_mises(angles: Tensor, means: Tensor, kappa: Tensor) -> Tensor:
    log_norm = torch.log(2 * math.pi * torch.special.i0(kappa))
    return (log_norm - kappa * torch.cos(angles - means)).mean()


def von_mises_twin(angles: Tensor, means: Tensor, kappa: Tensor) -> Tensor:
    log_norm = torch.log(2 * math.pi * torch.special.i0e(kappa)) + kappa
    return (log_norm - kappa * torch.cos(angles - means)).mean()


def discretised_logistic(means: Tensor, targets: Tensor, width: float = 0.5) -> Tensor:
    above = torch.sigmoid(targets - means + width / 2)
    below = torch.sigmoid(targets - means - width / 2)
    return -torch.log(above - below).mean()


def discretised_twin(means: Tensor, targets: Tensor) -> Tensor:
    above, below = targets - means + 0.25, targets - means - 0.25
    return -(F.logsigmoid(above) + F.logsigmoid(-below) + math.log(-math.expm1(-0.5))).mean()


def probit(scores: Tensor, signs: Tensor) -> Tensor:
    chance = 0.5 * (1 + torch.erf(signs * scores / math.sqrt(2)))
    return -chance.log().mean()


def two(*shape: int) -> tuple[Tensor, Tensor]:
    return normal(*shape), normal(*shape, seed=1)


def three(*shape: int) -> tuple[Tensor, Tensor, Tensor]:
    return (*two(*shape), normal(*shape, seed=2))


CASES = [
    Case(
        "heteroscedastic",
        Heteroscedastic(),
        lambda: three(12),
        lambda: (normal(12), put(normal(12, seed=1), 0, -150.0), put(normal(12, seed=2), 0, normal(12)[0])),
        ("exp", "div"),
        "nan-loss",
        heteroscedastic_twin,
        about="the variance underflows, 0 / 0 at a perfect fit",
    ),
    Case(
        "softplus-scale",
        softplus_scale,
        lambda: three(12),
        lambda: (normal(12), put(normal(12, seed=1), 0, -200.0), put(normal(12, seed=2), 0, normal(12)[0])),
        ("softplus", "div", "log"),
        "nan-loss",
        softplus_scale_twin,
        about="softplus underflows to a scale of 0",
    ),
    Case(
        "variational-prior",
        variational_prior,
        lambda: two(6, 4),
        lambda: (normal(6, 4), put(normal(6, 4, seed=1), 0, -120.0)),
        ("exp",),
        "inf-loss",
        variational_twin,
        about="exp underflows before its logarithm is taken",
    ),
    Case(
        "negative-binomial",
        negative_binomial,
        lambda: (normal(10), torch.arange(10.0)),
        lambda: (put(normal(10), 0, 100.0), torch.arange(10.0)),
        ("exp",),
        "nan-loss",
        negative_binomial_twin,
        about="the mean overflows, inf / inf, where the value is about 200",
    ),
    Case(
        "exponential-times",
        exponential_times,
        lambda: (normal(10), uniform(10)),
        lambda: (put(normal(10), 0, 95.0), put(uniform(10), 0, 0.0)),
        ("exp",),
        "nan-loss",
        exponential_times_twin,
        about="inf * 0 for an event at time 0",
    ),
    Case(
        "student-t-normal-limit",
        student_t,
        lambda: (normal(10), torch.full((10,), 4.0)),
        lambda: (normal(10), torch.full((10,), 3e7)),
        ("sub", "lgamma", "log", "add"),
        "inaccurate",
        student_t_twin,
        about="two huge lgamma cancel and 1 + z / n is 1",
    ),
    Case(
        "beta-boundary",
        beta_likelihood,
        lambda: (uniform(8, high=4.0), uniform(8, seed=1, high=4.0), uniform(8, seed=2)),
        lambda: (torch.ones(8), uniform(8, seed=1, high=4.0), put(uniform(8, seed=2), 0, 0.0)),
        ("log", "mul"),
        "nan-loss",
        beta_twin,
        about="0 * log(0) for the uniform density at its end",
    ),
    Case(
        "dirichlet-no-evidence",
        dirichlet_likelihood,
        lambda: (uniform(6, 4, high=3.0), torch.softmax(normal(6, 4, seed=1), 1)),
        lambda: (put(uniform(6, 4, high=3.0), 0, -1.0), torch.softmax(normal(6, 4, seed=1), 1)),
        ("lgamma", "relu"),
        "nan-loss",
        dirichlet_twin,
        about="lgamma(0) - lgamma(0) where there is no evidence",
    ),
    Case(
        "von-mises-sharp",
        von_mises,
        lambda: (*two(8), uniform(8, high=5.0)),
        lambda: (*two(8), torch.full((8,), 120.0)),
        ("i0", "special_i0"),
        "inf-loss",
        von_mises_twin,
        about="the Bessel function overflows past 91",
    ),
    Case(
        "discretised-logistic",
        discretised_logistic,
        lambda: two(10),
        lambda: (normal(10, shift=-40.0), normal(10, seed=1)),
        ("sub",),
        "inf-loss",
        discretised_twin,
        about="the difference of two saturated sigmoids is 0",
    ),
    Case(
        "probit",
        probit,
        lambda: (normal(10), normal(10, seed=1).sign()),
        lambda: (torch.full((10,), 8.0), -torch.ones(10)),
        ("add", "erf"),
        "inf-loss",
        lambda s, y: -torch.special.log_ndtr(y * s).mean(),
        about="1 + erf cancels to 0 in the tail",
    ),
]
