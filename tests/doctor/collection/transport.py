"""Distances between samples, transport, critics, and several losses at once."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .case import Case, normal, put, uniform


class Sinkhorn(nn.Module):
    def __init__(self, epsilon: float = 0.1, steps: int = 20) -> None:
        super().__init__()
        self.epsilon, self.steps = epsilon, steps

    def forward(self, cost: Tensor) -> Tensor:
        kernel = torch.exp(-cost / self.epsilon)
        a, b = cost.new_full(cost.shape[:1], 1 / cost.shape[0]), cost.new_full(cost.shape[1:], 1 / cost.shape[1])
        v = torch.ones_like(b)
        for _ in range(self.steps):
            u = a / (kernel @ v)
            v = b / (kernel.T @ u)
        return (u[:, None] * kernel * v * cost).sum()


def sinkhorn_twin(cost: Tensor) -> Tensor:
    logs, right = -cost / 0.1, cost.new_zeros(cost.shape[1])
    for _ in range(20):
        left = -(logs + right).logsumexp(1) - math.log(cost.shape[0])
        right = -(logs + left[:, None]).logsumexp(0) - math.log(cost.shape[1])
    return ((logs + left[:, None] + right).exp() * cost).sum()


def median_heuristic(left: Tensor, right: Tensor) -> Tensor:
    """Maximum mean discrepancy, the bandwidth is the median distance."""
    both = torch.cat([left, right])
    squares = (both[:, None] - both[None]).pow(2).sum(-1)
    kernel = torch.exp(-squares / squares.median())
    n = len(left)
    return kernel[:n, :n].mean() + kernel[n:, n:].mean() - 2 * kernel[:n, n:].mean()


def median_twin(left: Tensor, right: Tensor) -> Tensor:
    both = torch.cat([left, right])
    squares = (both[:, None] - both[None]).square().sum(-1)
    kernel, n = torch.exp(-squares / squares.median().clamp(min=1e-6)), len(left)
    return kernel[:n, :n].mean() + kernel[n:, n:].mean() - 2 * kernel[:n, n:].mean()


def energy_distance(left: Tensor, right: Tensor) -> Tensor:
    def apart(a: Tensor, b: Tensor) -> Tensor:
        return torch.sqrt(((a[:, None] - b[None]) ** 2).sum(-1))

    rows, columns = torch.triu_indices(len(left), len(left), offset=1)
    within = torch.sqrt(((left[rows] - left[columns]) ** 2).sum(-1)).mean()
    return 2 * apart(left, right).mean() - within


def energy_twin(left: Tensor, right: Tensor) -> Tensor:
    rows, columns = torch.triu_indices(len(left), len(left), offset=1)
    within = ((left[rows] - left[columns]).square().sum(-1) + 1e-10).sqrt().mean()
    return 2 * ((left[:, None] - right[None]).square().sum(-1) + 1e-10).sqrt().mean() - within


def wasserstein(left: Tensor, right: Tensor, p: float = 2.0) -> Tensor:
    gaps = (left.sort(dim=-1).values - right.sort(dim=-1).values).abs()
    return (gaps**p).mean(dim=-1).pow(1 / p).mean()


def wasserstein_twin(left: Tensor, right: Tensor) -> Tensor:
    gaps = left.sort(-1).values - right.sort(-1).values
    return ((gaps**2).mean(-1) + 1e-12).sqrt().mean()


def frechet(variances: Tensor, means: Tensor, other_variances: Tensor, other_means: Tensor) -> Tensor:
    """Distance of diagonal Gaussians."""
    cross = torch.sqrt(variances * other_variances)
    return ((means - other_means) ** 2 + variances + other_variances - 2 * cross).sum(-1).mean()


def frechet_twin(variances: Tensor, means: Tensor, other_variances: Tensor, other_means: Tensor) -> Tensor:
    cross = (variances * other_variances + 1e-12).sqrt()
    return ((means - other_means) ** 2 + variances + other_variances - 2 * cross).sum(-1).mean()


def cauchy_schwarz(left: Tensor, right: Tensor) -> Tensor:
    """Divergence of two kernel density estimates."""

    def potential(a: Tensor, b: Tensor) -> Tensor:
        return torch.exp(-((a[:, None] - b[None]) ** 2).sum(-1) / 2).mean()

    return -torch.log(potential(left, right) / torch.sqrt(potential(left, left) * potential(right, right)))


def cauchy_schwarz_twin(left: Tensor, right: Tensor) -> Tensor:
    def log_potential(a: Tensor, b: Tensor) -> Tensor:
        return (-(a[:, None] - b[None]).square().sum(-1) / 2).flatten().logsumexp(0) - math.log(len(a) * len(b))

    return (log_potential(left, left) + log_potential(right, right)) / 2 - log_potential(left, right)


def chamfer(cloud: Tensor, target: Tensor) -> Tensor:
    squares = ((cloud[:, None] - target[None]) ** 2).sum(-1)
    return torch.sqrt(squares.min(1).values).mean() + torch.sqrt(squares.min(0).values).mean()


def chamfer_twin(cloud: Tensor, target: Tensor) -> Tensor:
    squares = (cloud[:, None] - target[None]).square().sum(-1) + 1e-12
    return squares.min(1).values.sqrt().mean() + squares.min(0).values.sqrt().mean()


class GradientPenalty(nn.Module):
    """One-Lipschitz penalty of a small critic."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.out = nn.Parameter(normal(5, 6, seed=3)), nn.Parameter(normal(6, seed=4))

    def slopes(self, real: Tensor, fake: Tensor) -> Tensor:
        mixed = 0.5 * real + 0.5 * fake
        mixed = mixed if mixed.requires_grad else mixed.requires_grad_()
        scores = torch.tanh(mixed @ self.hidden) @ self.out
        return torch.autograd.grad(scores.sum(), mixed, create_graph=True)[0]

    def forward(self, real: Tensor, fake: Tensor) -> Tensor:
        lengths = torch.sqrt(torch.sum(self.slopes(real, fake) ** 2, dim=1))
        return ((lengths - 1) ** 2).mean()


class GradientPenaltyTwin(GradientPenalty):
    def forward(self, real: Tensor, fake: Tensor) -> Tensor:
        lengths = (self.slopes(real, fake).square().sum(1) + 1e-12).sqrt()
        return ((lengths - 1) ** 2).mean()


def sample_temperature(logits: Tensor, temperatures: Tensor, labels: Tensor) -> Tensor:
    """Every sample brings its own temperature, a rectified output of the network."""
    scaled = logits / torch.relu(temperatures)[:, None]
    return torch.nn.functional.cross_entropy(scaled, labels)


def sample_temperature_twin(logits: Tensor, temperatures: Tensor, labels: Tensor) -> Tensor:
    return torch.nn.functional.cross_entropy(logits / temperatures.clamp(min=1e-3)[:, None], labels)


def dynamic_average(losses: Tensor, before: Tensor, earlier: Tensor) -> Tensor:
    """Tasks that improve slowly weigh more."""
    weights = torch.softmax(before / earlier, dim=0) * len(losses)
    return (weights * losses).sum()


def dynamic_average_twin(losses: Tensor, before: Tensor, earlier: Tensor) -> Tensor:
    return (len(losses) * (before / (earlier + 1e-6)).softmax(0) * losses).sum()


def two(*shape: int) -> tuple[Tensor, Tensor]:
    return normal(*shape), normal(*shape, seed=1)


CASES = [
    Case(
        "sinkhorn-by-exp",
        Sinkhorn(),
        lambda: (uniform(5, 5),),
        lambda: (uniform(5, 5, low=12, high=20),),
        ("exp",),
        "nan-loss",
        sinkhorn_twin,
        about="the kernel underflows to 0",
    ),
    Case(
        "median-heuristic",
        median_heuristic,
        lambda: two(6, 3),
        lambda: 2 * (torch.ones(6, 3),),
        ("div",),
        "nan-loss",
        median_twin,
        about="identical points have the median distance 0",
    ),
    Case(
        "energy-distance-duplicates",
        energy_distance,
        lambda: two(6, 3),
        lambda: (put(normal(6, 3), 1, normal(6, 3)[0]), normal(6, 3, seed=1)),
        ("sqrt",),
        "nan-gradient",
        energy_twin,
        about="the root of 0 for duplicates",
    ),
    Case(
        "wasserstein-equal",
        wasserstein,
        lambda: two(3, 8),
        lambda: (normal(3, 8), normal(3, 8).flip(1)),
        ("pow",),
        "nan-gradient",
        wasserstein_twin,
        about="0 ** (1 / p) for equal samples",
    ),
    Case(
        "frechet-diagonal",
        frechet,
        lambda: (uniform(4, 3), normal(4, 3), uniform(4, 3, seed=1), normal(4, 3, seed=1)),
        lambda: (put(uniform(4, 3), 0, 0.0), normal(4, 3), uniform(4, 3, seed=1), normal(4, 3, seed=1)),
        ("sqrt",),
        "nan-gradient",
        frechet_twin,
        about="the root of a variance of 0",
    ),
    Case(
        "cauchy-schwarz",
        cauchy_schwarz,
        lambda: two(6, 3),
        lambda: (normal(6, 3), normal(6, 3, seed=1, shift=20)),
        ("exp",),
        "inf-loss",
        cauchy_schwarz_twin,
        about="exp underflows for samples far apart",
    ),
    Case(
        "chamfer-shared-point",
        chamfer,
        lambda: two(8, 3),
        lambda: (normal(8, 3), put(normal(8, 3, seed=1), 0, normal(8, 3)[0])),
        ("sqrt",),
        "nan-gradient",
        chamfer_twin,
        about="the root of 0 for a point in both clouds",
    ),
    Case(
        "gradient-penalty",
        GradientPenalty(),
        lambda: two(6, 5),
        lambda: (normal(6, 5, scale=1e4), normal(6, 5, seed=1)),
        ("sqrt",),
        "nan-gradient",
        GradientPenaltyTwin(),
        about="a saturated critic has slope 0, the root of 0",
    ),
    Case(
        "sample-temperature",
        sample_temperature,
        lambda: (normal(8, 5), uniform(8, high=2.0), torch.arange(8) % 5),
        lambda: (normal(8, 5), put(uniform(8, high=2.0), 0, -0.5), torch.arange(8) % 5),
        ("div", "relu"),
        "nan-loss",
        sample_temperature_twin,
        about="logits divided by 0",
    ),
    Case(
        "dynamic-average",
        dynamic_average,
        lambda: (uniform(3), uniform(3, seed=1), uniform(3, seed=2)),
        lambda: (uniform(3), put(uniform(3, seed=1), 0, 0.0), put(uniform(3, seed=2), 0, 0.0)),
        ("div",),
        "nan-loss",
        dynamic_average_twin,
        about="a task that is solved: 0 / 0",
    ),
]
