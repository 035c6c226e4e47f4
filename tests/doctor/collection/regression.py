"""Regression: relative errors at zero, roots of perfect fits, powers, depth, perceptual features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .case import Case, normal, put, uniform


def percentage_error(predictions: Tensor, targets: Tensor) -> Tensor:
    return 100 * torch.mean(torch.abs((targets - predictions) / targets))


class SymmetricPercentage(nn.Module):
    def forward(self, predictions: Tensor, targets: Tensor) -> Tensor:
        gap = (predictions - targets).abs()
        size = (predictions.abs() + targets.abs()) / 2
        return (gap / size).mean()


def root_mean_square(predictions: Tensor, targets: Tensor) -> Tensor:
    mse = torch.nn.functional.mse_loss(predictions, targets)
    return torch.sqrt(mse)


class ScaleInvariantDepth(nn.Module):
    def __init__(self, balance: float = 0.85) -> None:
        super().__init__()
        self.balance = balance

    def forward(self, depth: Tensor, truth: Tensor) -> Tensor:
        d = torch.log(depth) - torch.log(truth)
        return torch.sqrt((d**2).mean() - self.balance * d.mean() ** 2)


def scale_invariant_twin(depth: Tensor, truth: Tensor) -> Tensor:
    known = truth > 0
    d = torch.where(known, depth.clamp(min=1e-6).log() - torch.where(known, truth, 1.0).log(), 0.0)
    count = known.sum().clamp(min=1)
    return ((d**2).sum() / count - 0.85 * (d.sum() / count) ** 2 + 1e-8).sqrt()


def inverse_depth(depth: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    disparity = 1.0 / truth
    errors = (1.0 / depth - disparity).abs() * valid
    return errors.sum() / valid.sum()


def inverse_depth_twin(depth: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    known = torch.where(valid > 0, truth, 1.0)
    return ((1 / depth - 1 / known).abs() * valid).sum() / valid.sum().clamp(min=1)


def generalised_charbonnier(predictions: Tensor, targets: Tensor, power: float = 0.45) -> Tensor:
    squares = (predictions - targets) ** 2
    return torch.mean(squares**power)


def isotropic_variation(images: Tensor) -> Tensor:
    down = images[:, 1:, :-1] - images[:, :-1, :-1]
    right = images[:, :-1, 1:] - images[:, :-1, :-1]
    return torch.sqrt(down**2 + right**2).mean()


def isotropic_twin(images: Tensor) -> Tensor:
    down = images[:, 1:, :-1] - images[:, :-1, :-1]
    right = images[:, :-1, 1:] - images[:, :-1, :-1]
    return (down**2 + right**2 + 1e-8).sqrt().mean()


class Perceptual(nn.Module):
    """Distance of channel-normalised features; the eps is added after the root."""

    def forward(self, features: Tensor, references: Tensor) -> Tensor:
        return (self.normalised(features) - self.normalised(references)).pow(2).sum(1).mean()

    def normalised(self, features: Tensor, eps: float = 1e-10) -> Tensor:
        length = torch.sqrt(torch.sum(features**2, dim=1, keepdim=True))
        return features / (length + eps)


def perceptual_twin(features: Tensor, references: Tensor) -> Tensor:
    x, y = (f / (f.square().sum(1, keepdim=True) + 1e-8).sqrt() for f in (features, references))
    return (x - y).square().sum(1).mean()


def gram_style(features: Tensor, references: Tensor) -> Tensor:
    def gram(maps: Tensor) -> Tensor:
        product = maps @ maps.transpose(1, 2)
        return product / product.diagonal(dim1=1, dim2=2).sum(-1)[:, None, None]

    return (gram(features) - gram(references)).abs().sum(dim=(1, 2)).mean()


def gram_twin(features: Tensor, references: Tensor) -> Tensor:
    grams = []
    for maps in (features, references):
        product = maps @ maps.transpose(1, 2)
        grams.append(product / (product.diagonal(dim1=1, dim2=2).sum(-1)[:, None, None] + 1e-6))
    return (grams[0] - grams[1]).abs().sum((1, 2)).mean()


def general_robust(residuals: Tensor, shape: Tensor, scale: float = 1.0) -> Tensor:
    """The robust loss whose shape 2 is the square, 1 is Charbonnier and 0 is Cauchy."""
    squares = (residuals / scale) ** 2
    gap = torch.abs(shape - 2)
    return ((gap / shape) * ((squares / gap + 1) ** (shape / 2) - 1)).mean()


def general_robust_twin(residuals: Tensor, shape: Tensor) -> Tensor:
    alpha = torch.where(shape.abs() < 1e-6, torch.full_like(shape, 1e-6), shape)
    gap = (alpha - 2).abs().clamp(min=1e-4)
    return (gap / alpha * torch.expm1(alpha / 2 * torch.log1p(residuals**2 / gap))).mean()


def tweedie(means: Tensor, counts: Tensor, p: float = 1.5) -> Tensor:
    pull = counts * torch.pow(means, 1 - p) / (1 - p)
    size = torch.pow(means, 2 - p) / (2 - p)
    return torch.mean(size - pull)


def tweedie_twin(means: Tensor, counts: Tensor) -> Tensor:
    inside = means.clamp(min=1e-8)
    return (2 * inside.sqrt() + 2 * counts * inside.rsqrt()).mean()


def stabilised_counts(predictions: Tensor, counts: Tensor) -> Tensor:
    """Counts compared on the scale where their noise is even; predictions of a linear head."""
    return ((predictions**0.5 - counts**0.5) ** 2).mean()


def stabilised_twin(predictions: Tensor, counts: Tensor) -> Tensor:
    return ((predictions.clamp(min=1e-8).sqrt() - counts.clamp(min=1e-8).sqrt()) ** 2).mean()


def focal_regression(predictions: Tensor, targets: Tensor, gamma: float = 0.5) -> Tensor:
    """Small errors weigh less."""
    errors = torch.abs(predictions - targets)
    return (errors * torch.tanh(errors).pow(gamma)).mean()


def two(*shape: int) -> tuple[Tensor, Tensor]:
    return normal(*shape), normal(*shape, seed=1)


def positive(*shape: int) -> tuple[Tensor, Tensor]:
    return uniform(*shape, high=5.0), uniform(*shape, seed=1, high=5.0)


def one_shape(alpha: float) -> tuple[Tensor, Tensor]:
    return normal(12), torch.full((12,), alpha)


CASES = [
    Case(
        "percentage-error",
        percentage_error,
        lambda: positive(12),
        lambda: (positive(12)[0], put(positive(12)[1], 3, 0.0)),
        ("div",),
        "inf-loss",
        lambda p, t: 100 * ((t - p).abs() / t.abs().clamp(min=1e-3)).mean(),
        about="a target of 0: division by 0",
    ),
    Case(
        "symmetric-percentage",
        SymmetricPercentage(),
        lambda: positive(12),
        lambda: tuple(put(x, 3, 0.0) for x in positive(12)),
        ("div",),
        "nan-loss",
        lambda p, t: ((p - t).abs() / ((p.abs() + t.abs()) / 2).clamp(min=1e-6)).mean(),
        about="0 / 0 where both are 0",
    ),
    Case(
        "root-mean-square-perfect",
        root_mean_square,
        lambda: two(12),
        lambda: (normal(12), normal(12)),
        ("sqrt",),
        "nan-gradient",
        lambda p, t: ((p - t).square().mean() + 1e-10).sqrt(),
        about="the root of 0 at a perfect fit",
    ),
    Case(
        "scale-invariant-depth",
        ScaleInvariantDepth(),
        lambda: positive(4, 6),
        lambda: (positive(4, 6)[0], put(positive(4, 6)[1], 0, 0.0)),
        ("log",),
        "nan-loss",
        scale_invariant_twin,
        about="log(0) at pixels without depth, inf - inf",
    ),
    Case(
        "inverse-depth",
        inverse_depth,
        lambda: (*positive(4, 6), torch.ones(4, 6)),
        lambda: (positive(4, 6)[0], put(positive(4, 6)[1], 0, 0.0), put(torch.ones(4, 6), 0, 0.0)),
        ("div", "reciprocal"),
        "nan-loss",
        inverse_depth_twin,
        about="1 / 0 times a mask of 0",
    ),
    Case(
        "generalised-charbonnier",
        generalised_charbonnier,
        lambda: two(12),
        lambda: (normal(12), put(normal(12, seed=1), 0, normal(12)[0])),
        ("pow",),
        "nan-gradient",
        lambda p, t: ((p - t).square() + 1e-12).pow(0.45).mean(),
        about="0 ** 0.45 has an infinite slope",
    ),
    Case(
        "isotropic-variation",
        isotropic_variation,
        lambda: (normal(2, 6, 6),),
        lambda: (put(normal(2, 6, 6), 0, 0.5),),
        ("sqrt",),
        "nan-gradient",
        isotropic_twin,
        about="the root of 0 in a flat image",
    ),
    Case(
        "perceptual-dead-pixel",
        Perceptual(),
        lambda: two(2, 4, 9),
        lambda: (put(normal(2, 4, 9), (0, slice(None), 0), 0.0), normal(2, 4, 9, seed=1)),
        ("sqrt",),
        "nan-gradient",
        perceptual_twin,
        about="eps outside of the root does not guard its slope",
    ),
    Case(
        "gram-style-dead",
        gram_style,
        lambda: two(2, 4, 9),
        lambda: (put(normal(2, 4, 9), 0, 0.0), normal(2, 4, 9, seed=1)),
        ("div",),
        "nan-loss",
        gram_twin,
        about="features that are all 0: 0 / 0",
    ),
    Case(
        "general-robust-cauchy",
        general_robust,
        lambda: one_shape(1.0),
        lambda: one_shape(0.0),
        ("div",),
        "nan-loss",
        general_robust_twin,
        about="shape 0 is a limit, the formula divides by it",
    ),
    Case(
        "tweedie-zero-mean",
        tweedie,
        lambda: positive(10),
        lambda: tuple(put(x, 0, 0.0) for x in positive(10)),
        ("pow",),
        "nan-loss",
        tweedie_twin,
        about="0 * 0 ** -0.5",
    ),
    Case(
        "stabilised-counts",
        stabilised_counts,
        lambda: positive(10),
        lambda: (normal(10), positive(10)[1].round()),
        ("pow", "sqrt"),
        "nan-loss",
        stabilised_twin,
        about="the root of a negative prediction",
    ),
    Case(
        "focal-regression",
        focal_regression,
        lambda: two(12),
        lambda: (normal(12), normal(12)),
        ("pow",),
        "nan-gradient",
        lambda p, t: ((p - t).abs() * ((p - t).abs().tanh() + 1e-8).sqrt()).mean(),
        about="0 ** 0.5 at a perfect fit: 0 * inf",
    ),
]
