"""Healthy losses that learn numbers of their own."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from collection.case import Inputs, classes, normal, uniform
from torch import Tensor, nn


class OfOneNumber(nn.Module):
    """Some number of each task, learned."""

    def __init__(self, start: float, count: int = 2) -> None:
        super().__init__()
        self.number = nn.Parameter(torch.full((count,), start))


class LogVariances(OfOneNumber):
    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        errors = torch.stack([first.square().mean(), second.square().mean()])
        return (torch.exp(-self.number) * errors + self.number).sum()


class SquaredScales(OfOneNumber):
    """A scale may change its sign: only its square counts."""

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        errors = torch.stack([first.square().mean(), second.square().mean()])
        return (errors / (2 * self.number**2 + 0.02) + torch.log(1 + self.number**2)).sum()


class SoftplusScales(OfOneNumber):
    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        scale = F.softplus(self.number) + 1e-3
        errors = torch.stack([first.square().mean(), second.square().mean()])
        return (errors / (2 * scale**2) + scale.log()).sum()


class ClampedScales(OfOneNumber):
    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        scale = self.number.clamp(min=0.05)
        errors = torch.stack([first.square().mean(), second.square().mean()])
        return (errors / (2 * scale**2) + scale.log()).sum()


class AbsoluteScales(OfOneNumber):
    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        scale = self.number.abs() + 0.01
        errors = torch.stack([first.square().mean(), second.square().mean()])
        return (errors / scale + scale.log()).sum()


class RawTemperature(OfOneNumber):
    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits / self.number.mean(), labels)


class LogTemperature(OfOneNumber):
    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits * self.number.mean().exp(), labels)


class Centres(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.centres = nn.Parameter(normal(5, 5, seed=3))

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return (embeddings - self.centres[labels]).square().sum(1).mean()


class Prototypes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(normal(5, 5, seed=3))

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(8 * F.normalize(embeddings) @ F.normalize(self.weight).T, labels)


class LearnedMargin(OfOneNumber):
    def forward(self, near: Tensor, far: Tensor) -> Tensor:
        return F.relu(near - far + self.number.mean()).mean() + 0.1 * (self.number - 1).square().sum()


class GatedTasks(OfOneNumber):
    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        share = self.number.softmax(0)
        return share[0] * first.square().mean() + share[1] * second.square().mean() + (share * share.log()).sum()


class LearnedPower(OfOneNumber):
    def forward(self, predictions: Tensor, targets: Tensor) -> Tensor:
        power = 1 + torch.sigmoid(self.number.mean())
        return ((predictions - targets).abs() + 1e-3).pow(power).mean()


class Affine(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(5)

    def forward(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return (self.norm(predictions) - targets).square().mean()


class MovedFloor(OfOneNumber):
    """The root of a square, which has a floor."""

    def forward(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return ((predictions - self.number.mean() - targets).square() + 1e-4).sqrt().mean()


class StudentT(OfOneNumber):
    def forward(self, predictions: Tensor, targets: Tensor) -> Tensor:
        nu = 2 + F.softplus(self.number.mean())
        gap = (predictions - targets).square()
        return ((nu + 1) / 2 * torch.log1p(gap / nu) + torch.lgamma(nu / 2) - torch.lgamma((nu + 1) / 2)).mean()


_PAIR: Inputs = lambda: (normal(8), normal(8, seed=1))  # noqa: E731
_PICK: Inputs = lambda: (normal(8, 5), classes(8, 5))  # noqa: E731

LEARNED: list[tuple[str, Callable[..., Tensor], Inputs]] = [
    ("log-variances", LogVariances(0.0), _PAIR),
    ("squared-scales", SquaredScales(1.0), _PAIR),
    ("softplus-scales", SoftplusScales(1.0), _PAIR),
    ("clamped-scales", ClampedScales(1.0), _PAIR),
    ("absolute-scales", AbsoluteScales(1.0), _PAIR),
    ("raw-temperature", RawTemperature(1.0), _PICK),
    ("small-raw-temperature", RawTemperature(0.07), _PICK),
    ("log-temperature", LogTemperature(0.0), _PICK),
    ("centres", Centres(), _PICK),
    ("prototypes", Prototypes(), _PICK),
    ("learned-margin", LearnedMargin(1.0), _PAIR),
    ("gated-tasks", GatedTasks(0.0), _PAIR),
    ("learned-power", LearnedPower(0.0), _PAIR),
    ("affine", Affine(), lambda: (normal(8, 5), normal(8, 5, seed=1))),
    ("moved-floor", MovedFloor(0.0), _PAIR),
    ("student-t", StudentT(1.0), lambda: (normal(8), uniform(8))),
]
