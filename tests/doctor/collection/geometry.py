"""Angles, rotations and directions: identical poses, parallel vectors, points at the origin."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .case import Case, classes, normal, put, uniform, unit

NEAR_ONE = 1 - 1e-6


class RotationAngle(nn.Module):
    """Geodesic distance of rotation matrices."""

    def forward(self, predictions: Tensor, targets: Tensor) -> Tensor:
        relative = predictions.transpose(1, 2) @ targets
        trace = relative.diagonal(dim1=1, dim2=2).sum(-1)
        return torch.acos((trace - 1) / 2).mean()


def rotation_twin(predictions: Tensor, targets: Tensor) -> Tensor:
    trace = (predictions * targets).sum((1, 2))
    return ((trace - 1) / 2).clamp(-NEAR_ONE, NEAR_ONE).acos().mean()


def quaternion_angle(predictions: Tensor, targets: Tensor) -> Tensor:
    predictions = F.normalize(predictions, dim=-1)
    dots = torch.sum(predictions * targets, dim=-1).abs()
    return 2 * torch.acos(torch.clamp(dots, max=1.0)).mean()


def quaternion_twin(predictions: Tensor, targets: Tensor) -> Tensor:
    dots = (F.normalize(predictions, dim=-1) * targets).sum(-1).abs()
    return 2 * dots.clamp(max=NEAR_ONE).acos().mean()


def additive_margin(cosines: Tensor, labels: Tensor, margin: float = 0.3, scale: float = 10.0) -> Tensor:
    angles = torch.acos(cosines)
    shifted = torch.cos(angles + margin)
    chosen = F.one_hot(labels, cosines.shape[1]).bool()
    return F.cross_entropy(scale * torch.where(chosen, shifted, cosines), labels)


def additive_margin_twin(cosines: Tensor, labels: Tensor) -> Tensor:
    inside = cosines.clamp(-NEAR_ONE, NEAR_ONE)
    chosen = F.one_hot(labels, cosines.shape[1]).bool()
    return F.cross_entropy(10 * torch.where(chosen, torch.cos(inside.acos() + 0.3), cosines), labels)


class MarginBySine(nn.Module):
    """The same margin by the addition theorem."""

    def __init__(self, margin: float = 0.3, scale: float = 10.0) -> None:
        super().__init__()
        self.margin, self.scale = margin, scale

    def forward(self, cosines: Tensor, labels: Tensor) -> Tensor:
        sines = torch.sqrt(1.0 - torch.pow(cosines, 2))
        shifted = cosines * math.cos(self.margin) - sines * math.sin(self.margin)
        one_hot = F.one_hot(labels, cosines.shape[1])
        return F.cross_entropy(self.scale * (one_hot * shifted + (1 - one_hot) * cosines), labels)


def haversine(places: Tensor, targets: Tensor) -> Tensor:
    """Great-circle distance of (latitude, longitude) in radians."""
    half = torch.sin((places - targets) / 2) ** 2
    a = half[:, 0] + torch.cos(places[:, 0]) * torch.cos(targets[:, 0]) * half[:, 1]
    return 2 * torch.asin(torch.sqrt(a)).mean()


def haversine_twin(places: Tensor, targets: Tensor) -> Tensor:
    half = torch.sin((places - targets) / 2) ** 2
    a = half[:, 0] + torch.cos(places[:, 0]) * torch.cos(targets[:, 0]) * half[:, 1]
    return 2 * a.clamp(1e-12, NEAR_ONE).sqrt().asin().mean()


def poincare(left: Tensor, right: Tensor) -> Tensor:
    gap = (left - right).pow(2).sum(-1)
    room = (1 - left.pow(2).sum(-1)) * (1 - right.pow(2).sum(-1))
    return torch.acosh(1 + 2 * gap / room).mean()


def poincare_twin(left: Tensor, right: Tensor) -> Tensor:
    room = (1 - left.square().sum(-1)) * (1 - right.square().sum(-1))
    z = (2 * (left - right).square().sum(-1) / room.clamp(min=1e-6)).clamp(min=1e-12)
    return torch.log1p(z + (z * (z + 2)).sqrt()).mean()


def fisher_gap(left: Tensor, right: Tensor) -> Tensor:
    """Correlations compared after Fisher's transform."""
    return (torch.atanh(left) - torch.atanh(right)).abs().mean()


def fisher_twin(left: Tensor, right: Tensor) -> Tensor:
    return (left.clamp(-NEAR_ONE, NEAR_ONE).atanh() - right.clamp(-NEAR_ONE, NEAR_ONE).atanh()).abs().mean()


def slope_angle(steps: Tensor, angles: Tensor) -> Tensor:
    """The angle of a line against the axis it runs along, as for lanes."""
    slopes = steps[:, 1] / steps[:, 0]
    return (torch.atan(slopes) - angles).abs().mean()


def slope_angle_twin(steps: Tensor, angles: Tensor) -> Tensor:
    return (torch.atan2(steps[:, 1], steps[:, 0]) - angles).abs().mean()


def radius(points: Tensor, radii: Tensor) -> Tensor:
    return (torch.hypot(points[:, 0], points[:, 1]) - radii).pow(2).mean()


def radius_twin(points: Tensor, radii: Tensor) -> Tensor:
    return ((points.square().sum(1) + 1e-12).sqrt() - radii).square().mean()


def normal_consistency(triangles: Tensor, normals: Tensor) -> Tensor:
    edge_a, edge_b = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    across = torch.cross(edge_a, edge_b, dim=1)
    across = across / across.norm(dim=1, keepdim=True)
    return (1 - (across * normals).sum(1)).mean()


def normal_twin(triangles: Tensor, normals: Tensor) -> Tensor:
    across = torch.linalg.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    return (1 - (across / (across.square().sum(1, keepdim=True) + 1e-10).sqrt() * normals).sum(1)).mean()


def chord(left: Tensor, right: Tensor) -> Tensor:
    """The straight distance between two directions."""
    cosines = F.cosine_similarity(left, right, dim=-1)
    return torch.sqrt(2 - 2 * cosines).mean()


def rotations(count: int, seed: int = 0) -> Tensor:
    return torch.linalg.matrix_exp(0.5 * (normal(count, 3, 3, seed=seed) - normal(count, 3, 3, seed=seed).mT))


def cosines() -> tuple[Tensor, Tensor]:
    return uniform(9, 3, low=-0.8, high=0.8), classes(9)


def aligned() -> tuple[Tensor, Tensor]:
    values, labels = cosines()
    return put(values, (0, labels[0]), 1.0), labels


CASES = [
    Case(
        "chord-of-equals",
        chord,
        lambda: (normal(8, 5), normal(8, 5, seed=1)),
        lambda: (normal(64, 5), normal(64, 5)),
        ("sqrt", "sub", "cosine_similarity"),
        "nan-loss",
        lambda a, b: (2 - 2 * F.cosine_similarity(a, b)).clamp(min=1e-12).sqrt().mean(),
        about="a cosine rounded above 1: the root of a negative number",
    ),
    Case(
        "rotation-angle",
        RotationAngle(),
        lambda: (rotations(5), rotations(5, seed=1)),
        lambda: (torch.eye(3).expand(5, 3, 3), torch.eye(3).expand(5, 3, 3)),
        ("acos",),
        "nan-gradient",
        rotation_twin,
        about="acos has an infinite slope at identical rotations",
    ),
    Case(
        "quaternion-angle",
        quaternion_angle,
        lambda: (normal(6, 4), unit(6, 4, seed=1)),
        lambda: (torch.eye(4), torch.eye(4)),
        ("acos",),
        "nan-gradient",
        quaternion_twin,
        about="a clamp to 1 lets acos see 1",
    ),
    Case(
        "additive-margin",
        additive_margin,
        cosines,
        aligned,
        ("acos",),
        "inf-gradient",
        additive_margin_twin,
        about="acos(1) has an infinite slope",
    ),
    Case(
        "margin-by-sine",
        MarginBySine(),
        cosines,
        aligned,
        ("sqrt",),
        "inf-gradient",
        additive_margin_twin,
        about="the root of 1 - 1",
    ),
    Case(
        "haversine",
        haversine,
        lambda: (normal(6, 2, scale=0.5), normal(6, 2, seed=1, scale=0.5)),
        lambda: (normal(6, 2, scale=0.5), normal(6, 2, scale=0.5)),
        ("sqrt",),
        "nan-gradient",
        haversine_twin,
        about="the root of 0 for the same place",
    ),
    Case(
        "poincare-same-point",
        poincare,
        lambda: (0.7 * uniform(6, 3), -0.6 * uniform(6, 3, seed=1)),
        lambda: (0.7 * uniform(6, 3), 0.7 * uniform(6, 3)),
        ("acosh",),
        "nan-gradient",
        poincare_twin,
        about="acosh(1) has an infinite slope",
    ),
    Case(
        "fisher-transform",
        fisher_gap,
        lambda: (uniform(8), uniform(8, seed=1)),
        lambda: tuple(put(uniform(8, seed=seed), 0, 1.0) for seed in (0, 1)),
        ("atanh",),
        "nan-loss",
        fisher_twin,
        about="atanh(1) is infinite, inf - inf",
    ),
    Case(
        "slope-angle",
        slope_angle,
        lambda: (uniform(8, 2), normal(8, seed=1)),
        lambda: (put(uniform(8, 2), 0, 0.0), normal(8, seed=1)),
        ("div",),
        "nan-loss",
        slope_angle_twin,
        about="a line of length 0: 0 / 0",
    ),
    Case(
        "radius-at-origin",
        radius,
        lambda: (normal(8, 2), uniform(8)),
        lambda: (put(normal(8, 2), 0, 0.0), uniform(8)),
        ("hypot",),
        "nan-gradient",
        radius_twin,
        about="hypot has no slope at the origin",
    ),
    Case(
        "normal-consistency",
        normal_consistency,
        lambda: (normal(6, 3, 3), unit(6, 3, seed=1)),
        lambda: (put(normal(6, 3, 3), 0, 1.0), unit(6, 3, seed=1)),
        ("div",),
        "nan-loss",
        normal_twin,
        about="a triangle without area has no normal: 0 / 0",
    ),
]
