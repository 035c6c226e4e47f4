"""Correlations, variances and normalisations: constant signals, one sample, cancellation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .case import Case, normal, put, uniform


def pearson(predictions: Tensor, targets: Tensor) -> Tensor:
    x = predictions - predictions.mean()
    y = targets - targets.mean()
    r = (x * y).sum() / (torch.sqrt((x**2).sum()) * torch.sqrt((y**2).sum()))
    return 1 - r


def pearson_twin(predictions: Tensor, targets: Tensor) -> Tensor:
    x, y = predictions - predictions.mean(), targets - targets.mean()
    return 1 - (x * y).sum() / (x.square().sum() * y.square().sum() + 1e-8).sqrt()


class Concordance(nn.Module):
    """Concordance correlation coefficient, per sequence."""

    def forward(self, predictions: Tensor, targets: Tensor) -> Tensor:
        mean_x, mean_y = predictions.mean(1), targets.mean(1)
        covariance = ((predictions - mean_x[:, None]) * (targets - mean_y[:, None])).mean(1)
        spread = predictions.var(1, unbiased=False) + targets.var(1, unbiased=False)
        return (1 - 2 * covariance / (spread + (mean_x - mean_y) ** 2)).mean()


def concordance_twin(predictions: Tensor, targets: Tensor) -> Tensor:
    x, y = predictions - predictions.mean(1, keepdim=True), targets - targets.mean(1, keepdim=True)
    gap = (predictions.mean(1) - targets.mean(1)).square()
    return (1 - 2 * (x * y).mean(1) / (x.square().mean(1) + y.square().mean(1) + gap + 1e-6)).mean()


def unexplained_variance(predictions: Tensor, targets: Tensor) -> Tensor:
    residual = torch.sum((targets - predictions) ** 2)
    total = torch.sum((targets - targets.mean()) ** 2)
    return residual / total


def unexplained_twin(predictions: Tensor, targets: Tensor) -> Tensor:
    total = (targets - targets.mean()).square().sum()
    return (targets - predictions).square().sum() / (total + 1e-6)


def si_sdr(estimates: Tensor, sources: Tensor) -> Tensor:
    """Negative scale-invariant signal-to-distortion ratio in decibel."""
    scale = (estimates * sources).sum(-1, keepdim=True) / sources.pow(2).sum(-1, keepdim=True)
    projection = scale * sources
    noise = estimates - projection
    ratio = projection.pow(2).sum(-1) / noise.pow(2).sum(-1)
    return -10 * torch.log10(ratio).mean()


def si_sdr_twin(estimates: Tensor, sources: Tensor) -> Tensor:
    energy = sources.square().sum(-1, keepdim=True) + 1e-8
    projection = (estimates * sources).sum(-1, keepdim=True) / energy * sources
    noise = (estimates - projection).square().sum(-1)
    return -10 * ((projection.square().sum(-1) + 1e-8).log10() - (noise + 1e-8).log10()).mean()


def spread_floor(embeddings: Tensor, floor: float = 1.0) -> Tensor:
    """Every feature should vary by at least the floor."""
    return torch.relu(floor - embeddings.std(dim=0)).mean()


def spread_floor_twin(embeddings: Tensor) -> Tensor:
    return torch.relu(1 - (embeddings.var(0, correction=min(1, len(embeddings) - 1)) + 1e-8).sqrt()).mean()


def matched_deviation(features: Tensor, target: Tensor) -> Tensor:
    deviation = torch.sqrt(features.var(dim=0))
    return (deviation - target).abs().mean()


class BarlowTwins(nn.Module):
    def __init__(self, weight: float = 5e-3) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        first = (first - first.mean(0)) / first.std(0)
        second = (second - second.mean(0)) / second.std(0)
        correlation = first.T @ second / len(first)
        on = (correlation.diagonal() - 1).pow(2).sum()
        off = correlation.pow(2).sum() - correlation.diagonal().pow(2).sum()
        return on + self.weight * off


def barlow_twin(first: Tensor, second: Tensor) -> Tensor:
    first, second = ((x - x.mean(0)) / (x.var(0) + 1e-6).sqrt() for x in (first, second))
    correlation = first.T @ second / len(first)
    squares = correlation.square().fill_diagonal_(0).sum()
    return (correlation.diagonal() - 1).square().sum() + 5e-3 * squares


def variance_by_moments(features: Tensor) -> Tensor:
    second = (features**2).mean(dim=0)
    first = features.mean(dim=0)
    return (second - first**2).mean()


def deviation_by_moments(features: Tensor, floor: float = 0.5) -> Tensor:
    variance = (features * features).mean(0) - features.mean(0) ** 2
    return torch.abs(torch.sqrt(variance) - floor).mean()


def skewness(samples: Tensor) -> Tensor:
    centred = samples - samples.mean(dim=0)
    return ((centred**3).mean(0) / (centred**2).mean(0) ** 1.5).abs().mean()


def skewness_twin(samples: Tensor) -> Tensor:
    centred = samples - samples.mean(0)
    return ((centred**3).mean(0) / ((centred**2).mean(0) + 1e-6) ** 1.5).abs().mean()


def range_normalised(predictions: Tensor, targets: Tensor) -> Tensor:
    def squash(x: Tensor) -> Tensor:
        low, high = x.amin(1, keepdim=True), x.amax(1, keepdim=True)
        return (x - low) / (high - low)

    return (squash(predictions) - squash(targets)).abs().mean()


def range_twin(predictions: Tensor, targets: Tensor) -> Tensor:
    low = [x.amin(1, keepdim=True) for x in (predictions, targets)]
    wide = [x.amax(1, keepdim=True) - x.amin(1, keepdim=True) + 1e-6 for x in (predictions, targets)]
    return ((predictions - low[0]) / wide[0] - (targets - low[1]) / wide[1]).abs().mean()


def local_correlation(moving: Tensor, fixed: Tensor, window: int = 4) -> Tensor:
    """Squared correlation in windows along a signal, as in image registration."""
    x, y = (signal.unfold(-1, window, window) for signal in (moving, fixed))
    x, y = x - x.mean(-1, keepdim=True), y - y.mean(-1, keepdim=True)
    cross = (x * y).sum(-1).pow(2)
    return 1 - (cross / (x.pow(2).sum(-1) * y.pow(2).sum(-1))).mean()


def local_twin(moving: Tensor, fixed: Tensor) -> Tensor:
    x, y = (signal.unfold(-1, 4, 4) for signal in (moving, fixed))
    x, y = x - x.mean(-1, keepdim=True), y - y.mean(-1, keepdim=True)
    return 1 - ((x * y).sum(-1) ** 2 / (x.square().sum(-1) * y.square().sum(-1) + 1e-8)).mean()


def spectral_convergence(estimates: Tensor, signals: Tensor) -> Tensor:
    x, y = (torch.fft.rfft(signal).abs() for signal in (estimates, signals))
    return (torch.norm(y - x, dim=-1) / torch.norm(y, dim=-1)).mean()


def spectral_twin(estimates: Tensor, signals: Tensor) -> Tensor:
    x, y = (torch.fft.rfft(signal).abs() for signal in (estimates, signals))
    return (torch.norm(y - x, dim=-1) / (torch.norm(y, dim=-1) + 1e-5)).mean()


def two(*shape: int) -> tuple[Tensor, Tensor]:
    return normal(*shape), normal(*shape, seed=1)


CASES = [
    Case(
        "pearson-constant",
        pearson,
        lambda: two(16),
        lambda: (torch.full((16,), 0.5), normal(16, seed=1)),
        ("div", "sqrt"),
        "nan-loss",
        pearson_twin,
        about="a constant prediction: 0 / 0",
    ),
    Case(
        "concordance-constant",
        Concordance(),
        lambda: two(4, 12),
        lambda: tuple(put(x, 1, 0.5) for x in two(4, 12)),
        ("div",),
        "nan-loss",
        concordance_twin,
        about="two equal constants: 0 / 0",
    ),
    Case(
        "unexplained-variance",
        unexplained_variance,
        lambda: two(16),
        lambda: (normal(16), torch.full((16,), 2.0)),
        ("div",),
        "inf-loss",
        unexplained_twin,
        about="constant targets: division by 0",
    ),
    Case(
        "si-sdr-silence",
        si_sdr,
        lambda: two(4, 32),
        lambda: (normal(4, 32), put(normal(4, 32, seed=1), 0, 0.0)),
        ("div",),
        "nan-loss",
        si_sdr_twin,
        about="a silent source: 0 / 0",
    ),
    Case(
        "spread-one-sample",
        spread_floor,
        lambda: (normal(8, 5, scale=0.5),),
        lambda: (normal(1, 5),),
        ("std", "var"),
        "nan-loss",
        spread_floor_twin,
        about="the deviation of one sample is 0 / 0",
    ),
    Case(
        "matched-deviation",
        matched_deviation,
        lambda: (normal(8, 5), uniform(5)),
        lambda: (put(normal(8, 5), (slice(None), 2), 0.25), uniform(5)),
        ("sqrt",),
        "nan-gradient",
        lambda x, t: ((x.var(0) + 1e-8).sqrt() - t).abs().mean(),
        about="a constant feature: the root of 0",
    ),
    Case(
        "barlow-twins-dead-feature",
        BarlowTwins(),
        lambda: two(8, 5),
        lambda: tuple(put(x, (slice(None), 0), 0.0) for x in two(8, 5)),
        ("div",),
        "nan-loss",
        barlow_twin,
        about="a dead feature: 0 / 0",
    ),
    Case(
        "variance-by-moments",
        variance_by_moments,
        lambda: (normal(16, 4),),
        lambda: (normal(16, 4, shift=3000.0),),
        ("sub",),
        "inaccurate",
        lambda x: x.var(0, unbiased=False).mean(),
        about="the difference of two large moments has no right digit left",
    ),
    Case(
        "deviation-by-moments",
        deviation_by_moments,
        lambda: (normal(16, 4),),
        lambda: (normal(16, 4, scale=0.01, shift=300.0),),
        ("sub",),
        "nan-loss",
        lambda x: ((x.var(0, unbiased=False) + 1e-8).sqrt() - 0.5).abs().mean(),
        about="the difference of two moments comes out negative",
    ),
    Case(
        "skewness-constant",
        skewness,
        lambda: (normal(12, 3),),
        lambda: (put(normal(12, 3), (slice(None), 0), 1.0),),
        ("div",),
        "nan-loss",
        skewness_twin,
        about="a constant column: 0 / 0",
    ),
    Case(
        "range-normalised",
        range_normalised,
        lambda: two(4, 8),
        lambda: (put(normal(4, 8), 1, 3.0), normal(4, 8, seed=1)),
        ("div",),
        "nan-loss",
        range_twin,
        about="a constant row has no range: 0 / 0",
    ),
    Case(
        "local-correlation",
        local_correlation,
        lambda: two(3, 16),
        lambda: (normal(3, 16), put(normal(3, 16, seed=1), (0, slice(0, 4)), 0.0)),
        ("div",),
        "nan-loss",
        local_twin,
        about="a flat window: 0 / 0",
    ),
    Case(
        "spectral-convergence-silence",
        spectral_convergence,
        lambda: two(4, 16),
        lambda: (normal(4, 16), put(normal(4, 16, seed=1), 2, 0.0)),
        ("div",),
        "inf-loss",
        spectral_twin,
        about="a silent target: division by 0",
    ),
]
