"""Formulas that overflow or lose their digits although the value is an ordinary number."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .case import Case, normal, uniform


class LogCosh(nn.Module):
    def forward(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return torch.log(torch.cosh(predictions - targets)).mean()


def log_cosh_by_exp(predictions: Tensor, targets: Tensor) -> Tensor:
    residual = predictions - targets
    return torch.log((torch.exp(residual) + torch.exp(-residual)) / 2).sum(dim=-1).mean()


def log_cosh(residual: Tensor) -> Tensor:
    size = residual.abs()
    return size + F.softplus(-2 * size) - torch.log(torch.tensor(2.0))


def softplus_by_hand(scores: Tensor, signs: Tensor) -> Tensor:
    return torch.log(1 + torch.exp(-signs * scores)).mean()


def log_sum_exp_by_hand(energies: Tensor, labels: Tensor) -> Tensor:
    free = torch.log(torch.sum(torch.exp(energies), dim=1))
    return (free - energies[torch.arange(len(labels)), labels]).mean()


def log_intensity(rates: Tensor) -> Tensor:
    """A sparsity penalty on rates, log(1 + rate)."""
    return torch.log(1 + rates).sum(dim=-1).mean()


def pseudo_huber(predictions: Tensor, targets: Tensor, delta: float = 1.0) -> Tensor:
    ratio = (predictions - targets) / delta
    return (delta**2 * (torch.sqrt(1 + ratio**2) - 1)).mean()


def pseudo_huber_twin(predictions: Tensor, targets: Tensor) -> Tensor:
    squares = (predictions - targets) ** 2
    return (squares / ((1 + squares).sqrt() + 1)).mean()


class Linex(nn.Module):
    """Overestimates cost exponentially, underestimates linearly."""

    def forward(self, predictions: Tensor, targets: Tensor) -> Tensor:
        gap = predictions - targets
        return (torch.exp(gap) - gap - 1).mean()


def linex_twin(predictions: Tensor, targets: Tensor) -> Tensor:
    gap = predictions - targets
    near = gap.abs() < 0.01
    small, large = torch.where(near, gap, 0.0), torch.where(near, 0.0, gap)
    series = small**2 / 2 * (1 + small / 3 * (1 + small / 4))
    return torch.where(near, series, large.expm1() - large).mean()


def growth_error(log_rates: Tensor, growth: Tensor) -> Tensor:
    """Compares relative growth; the model predicts its logarithm."""
    predicted = torch.exp(log_rates) - 1
    return ((predicted - growth).abs() / growth.abs()).mean()


def growth_twin(log_rates: Tensor, growth: Tensor) -> Tensor:
    return ((log_rates.expm1() - growth).abs() / growth.abs()).mean()


def log_miss_probability(hazards: Tensor) -> Tensor:
    """Negative log-likelihood of an event within the interval, from cumulative hazards."""
    return -torch.log(1 - torch.exp(-hazards)).mean()


def expanded_distance(points: Tensor, centres: Tensor) -> Tensor:
    squares = (points**2).sum(1, keepdim=True) + (centres**2).sum(1) - 2 * points @ centres.T
    return squares.min(dim=1).values.mean()


def expanded_root(points: Tensor, centres: Tensor) -> Tensor:
    squares = (points**2).sum(1, keepdim=True) - 2 * points @ centres.T + (centres**2).sum(1)
    return torch.sqrt(squares).mean()


def spread_by_root(points: Tensor, centres: Tensor) -> Tensor:
    return ((points[:, None] - centres[None]).square().sum(-1) + 1e-10).sqrt().mean()


def cosine_gap(left: Tensor, right: Tensor) -> Tensor:
    """One minus the cosine of small angles between directions given in radians."""
    return (1 - torch.cos(left - right)).mean()


def log_of_mean_exp(joint: Tensor, marginal: Tensor) -> Tensor:
    """Donsker-Varadhan bound on the mutual information."""
    return -(joint.mean() - torch.log(torch.mean(torch.exp(marginal))))


def log_of_mean_exp_twin(joint: Tensor, marginal: Tensor) -> Tensor:
    return marginal.logsumexp(0) - torch.log(torch.tensor(float(len(marginal)))) - joint.mean()


def two(*shape: int, scale: float = 1.0) -> tuple[Tensor, Tensor]:
    return normal(*shape, scale=scale), normal(*shape, seed=1, scale=scale)


def far(*shape: int) -> tuple[Tensor, Tensor]:
    return normal(*shape, scale=300), normal(*shape, seed=1)


def tiny_growth() -> tuple[Tensor, Tensor]:
    return uniform(12, low=1e-8, high=9e-8), uniform(12, seed=1, low=1e-8, high=9e-8)


CASES = [
    Case(
        "log-cosh",
        LogCosh(),
        lambda: two(12),
        lambda: far(12),
        ("cosh",),
        "inf-loss",
        lambda p, t: log_cosh(p - t).mean(),
        about="cosh overflows past 89",
    ),
    Case(
        "log-cosh-by-exp",
        log_cosh_by_exp,
        lambda: two(4, 3),
        lambda: far(4, 3),
        ("exp",),
        "inf-loss",
        lambda p, t: log_cosh(p - t).sum(-1).mean(),
        about="exp overflows past 88.7",
    ),
    Case(
        "softplus-by-hand",
        softplus_by_hand,
        lambda: (normal(12), normal(12, seed=1).sign()),
        lambda: (normal(12, scale=200), normal(12, seed=1).sign()),
        ("exp",),
        "inf-loss",
        lambda s, y: F.softplus(-y * s).mean(),
        about="exp overflows where the sign is badly wrong",
    ),
    Case(
        "log-sum-exp-by-hand",
        log_sum_exp_by_hand,
        lambda: (normal(8, 5), torch.arange(8) % 5),
        lambda: (normal(8, 5, shift=-200), torch.arange(8) % 5),
        ("exp",),
        "inf-loss",
        F.cross_entropy,
        about="exp underflows for all classes at once",
    ),
    Case(
        "log-intensity",
        log_intensity,
        lambda: (uniform(6, 4),),
        lambda: (uniform(6, 4, low=1e-8, high=5e-8),),
        ("add", "log"),
        "inaccurate",
        lambda r: r.log1p().sum(-1).mean(),
        about="1 + 5e-8 is 1",
    ),
    Case(
        "pseudo-huber",
        pseudo_huber,
        lambda: two(12),
        lambda: two(12, scale=1e-4),
        ("sub", "add", "sqrt"),
        "inaccurate",
        pseudo_huber_twin,
        about="sqrt(1 + z) - 1 cancels for small residuals",
    ),
    Case(
        "linex",
        Linex(),
        lambda: two(12),
        lambda: two(12, scale=1e-4),
        ("sub", "exp"),
        "inaccurate",
        linex_twin,
        about="exp(x) - x - 1 cancels for small residuals",
    ),
    Case(
        "growth-error",
        growth_error,
        lambda: (uniform(12), uniform(12, seed=1)),
        tiny_growth,
        ("sub", "exp"),
        "inaccurate",
        growth_twin,
        about="exp(x) - 1 cancels for small growth",
    ),
    Case(
        "interval-hazard",
        log_miss_probability,
        lambda: (uniform(12),),
        lambda: (uniform(12, low=1e-9, high=1e-8),),
        ("sub", "exp"),
        "inf-loss",
        lambda h: -torch.log(-torch.expm1(-h)).mean(),
        about="1 - exp(-h) cancels to 0 for a small hazard",
    ),
    Case(
        "expanded-distance",
        expanded_distance,
        lambda: (normal(8, 4), normal(3, 4, seed=1)),
        lambda: (normal(8, 4, shift=2000.0), normal(3, 4, seed=1, shift=2000.0)),
        ("sub", "add"),
        "inaccurate",
        lambda p, c: (p[:, None] - c[None]).square().sum(-1).min(1).values.mean(),
        about="a^2 + b^2 - 2ab cancels far from the origin",
    ),
    Case(
        "expanded-root",
        expanded_root,
        lambda: (normal(8, 4), normal(3, 4, seed=1)),
        lambda: (normal(8, 4, scale=0.01, shift=100.0), normal(3, 4, seed=1, scale=0.01, shift=100.0)),
        ("sub", "add"),
        "nan-loss",
        spread_by_root,
        about="the expanded square comes out negative, its root is NaN",
    ),
    Case(
        "cosine-gap",
        cosine_gap,
        lambda: two(12),
        lambda: two(12, scale=1e-4),
        ("sub", "cos"),
        "inaccurate",
        lambda a, b: (2 * torch.sin((a - b) / 2) ** 2).mean(),
        about="1 - cos(x) cancels for small angles",
    ),
    Case(
        "log-mean-exp",
        log_of_mean_exp,
        lambda: two(16),
        lambda: (normal(16), normal(16, scale=100)),
        ("exp",),
        "inf-loss",
        log_of_mean_exp_twin,
        about="exp overflows, the bound itself is ordinary",
    ),
]
