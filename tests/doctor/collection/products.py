"""Products and sums of many probabilities: sequences, mixtures and running products that underflow."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .case import Case, classes, normal, put, simplex, uniform


def hidden_markov(emissions: Tensor, transitions: Tensor) -> Tensor:
    """Forward algorithm on probabilities: steps by states, and states by states."""
    alpha = emissions[0] / emissions.shape[1]
    for step in emissions[1:]:
        alpha = (alpha @ transitions) * step
    return -torch.log(alpha.sum())


def hidden_markov_twin(emissions: Tensor, transitions: Tensor) -> Tensor:
    alpha = emissions[0].log() - math.log(emissions.shape[1])
    for step in emissions[1:]:
        alpha = (alpha[:, None] + transitions.log()).logsumexp(0) + step.log()
    return -alpha.logsumexp(0)


def crf_normaliser(scores: Tensor, transitions: Tensor) -> Tensor:
    """Log-partition of a chain, in exponentials."""
    alpha = torch.exp(scores[0])
    for step in scores[1:]:
        alpha = (alpha @ torch.exp(transitions)) * torch.exp(step)
    return torch.log(alpha.sum()) - scores[:, 0].sum()


def crf_twin(scores: Tensor, transitions: Tensor) -> Tensor:
    alpha = scores[0]
    for step in scores[1:]:
        alpha = (alpha[:, None] + transitions).logsumexp(0) + step
    return alpha.logsumexp(0) - scores[:, 0].sum()


def sequence_likelihood(token_probabilities: Tensor) -> Tensor:
    return -torch.log(token_probabilities.prod(dim=1)).mean()


class MixtureDensity(nn.Module):
    """A mixture of diagonal Gaussians over several dimensions."""

    def forward(self, logits: Tensor, means: Tensor, targets: Tensor) -> Tensor:
        gaps = targets[:, None] - means
        densities = torch.exp(-0.5 * gaps**2) / math.sqrt(2 * math.pi)
        likelihood = (torch.softmax(logits, dim=1) * torch.prod(densities, dim=-1)).sum(dim=1)
        return -torch.log(likelihood).mean()


def mixture_twin(logits: Tensor, means: Tensor, targets: Tensor) -> Tensor:
    logs = -0.5 * ((targets[:, None] - means) ** 2 + math.log(2 * math.pi)).sum(-1)
    return -torch.logsumexp(logits.log_softmax(1) + logs, 1).mean()


def zero_inflated(logits: Tensor, log_rates: Tensor) -> Tensor:
    """Likelihood of the samples whose count is 0."""
    structural = torch.sigmoid(logits)
    chance = structural + (1 - structural) * torch.exp(-torch.exp(log_rates))
    return -torch.log(chance).mean()


def zero_inflated_twin(logits: Tensor, log_rates: Tensor) -> Tensor:
    return -torch.logaddexp(F.logsigmoid(logits), F.logsigmoid(-logits) - log_rates.exp()).mean()


def diagonal_volume(residuals: Tensor, variances: Tensor) -> Tensor:
    log_determinant = torch.log(torch.prod(variances, dim=-1))
    return 0.5 * (log_determinant + (residuals**2 / variances).sum(-1)).mean()


def discrete_survival(hazards: Tensor, intervals: Tensor) -> Tensor:
    """Censored samples: the chance to outlive the interval."""
    survival = torch.cumprod(1 - hazards, dim=1)
    return -torch.log(survival.gather(1, intervals[:, None])).mean()


def discrete_survival_twin(hazards: Tensor, intervals: Tensor) -> Tensor:
    return -torch.log1p(-hazards).cumsum(1).gather(1, intervals[:, None]).mean()


def plackett_luce(strengths: Tensor) -> Tensor:
    """The chance of the observed order, items listed from first to last."""
    tails = strengths.flip(1).cumsum(1).flip(1)
    chance = torch.prod(strengths / tails, dim=1)
    return -chance.log().mean()


def plackett_luce_twin(strengths: Tensor) -> Tensor:
    return (strengths.flip(1).cumsum(1).flip(1).log() - strengths.log()).sum(1).mean()


def two(*shape: int) -> tuple[Tensor, Tensor]:
    return normal(*shape), normal(*shape, seed=1)


CASES = [
    Case(
        "hidden-markov",
        hidden_markov,
        lambda: (uniform(6, 3), simplex(3, 3)),
        lambda: (1e-3 * uniform(40, 3), simplex(3, 3)),
        ("mul",),
        "inf-loss",
        hidden_markov_twin,
        about="the forward variable underflows in a long sequence",
    ),
    Case(
        "crf-normaliser",
        crf_normaliser,
        lambda: (normal(6, 3), normal(3, 3, seed=1)),
        lambda: (normal(6, 3, shift=90), normal(3, 3, seed=1)),
        ("exp", "mul"),
        "inf-loss",
        crf_twin,
        about="the partition sum overflows",
    ),
    Case(
        "sequence-likelihood",
        sequence_likelihood,
        lambda: (uniform(4, 10),),
        lambda: (uniform(4, 300, low=0.01),),
        ("prod",),
        "inf-loss",
        lambda p: -p.log().sum(1).mean(),
        about="the product over a long sequence underflows",
    ),
    Case(
        "mixture-density",
        MixtureDensity(),
        lambda: (normal(6, 3), normal(6, 3, 4, seed=1), normal(6, 4, seed=2)),
        lambda: (normal(6, 3), normal(6, 3, 4, seed=1), put(normal(6, 4, seed=2), 0, 9.0)),
        ("prod", "exp"),
        "inf-loss",
        mixture_twin,
        about="the product of small densities underflows",
    ),
    Case(
        "zero-inflated",
        zero_inflated,
        lambda: two(8),
        lambda: (torch.full((8,), -200.0), torch.full((8,), 5.5)),
        ("exp", "sigmoid"),
        "inf-loss",
        zero_inflated_twin,
        about="both ways to a zero underflow",
    ),
    Case(
        "diagonal-volume",
        diagonal_volume,
        lambda: (normal(4, 12), uniform(4, 12)),
        lambda: (normal(4, 12, scale=0.01), uniform(4, 12, low=1e-5, high=1e-4)),
        ("prod",),
        "inf-loss",
        lambda r, v: 0.5 * (v.log().sum(-1) + (r**2 / v).sum(-1)).mean(),
        about="the product of small variances underflows",
    ),
    Case(
        "discrete-survival",
        discrete_survival,
        lambda: (uniform(6, 12), classes(6, 12)),
        lambda: (uniform(6, 30, low=0.9995, high=0.9999), torch.full((6,), 29)),
        ("cumprod",),
        "inf-loss",
        discrete_survival_twin,
        about="the running product underflows",
    ),
    Case(
        "plackett-luce-product",
        plackett_luce,
        lambda: (uniform(5, 6),),
        lambda: (torch.logspace(-12, 12, 12).expand(5, 12),),
        ("prod",),
        "inf-loss",
        plackett_luce_twin,
        about="the product of the choices underflows",
    ),
]
