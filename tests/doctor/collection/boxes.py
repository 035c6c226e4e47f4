"""Bounding boxes: detections and targets without area, sizes of 0."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .case import Case, put, uniform


def box_parts(boxes: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    overlap = (torch.min(boxes[:, 2:], targets[:, 2:]) - torch.max(boxes[:, :2], targets[:, :2])).clamp(min=0).prod(1)
    hull = (torch.max(boxes[:, 2:], targets[:, 2:]) - torch.min(boxes[:, :2], targets[:, :2])).prod(1)
    union = (boxes[:, 2:] - boxes[:, :2]).prod(1) + (targets[:, 2:] - targets[:, :2]).prod(1) - overlap
    return overlap, union, hull


def box_iou(boxes: Tensor, targets: Tensor) -> Tensor:
    top_left = torch.max(boxes[:, :2], targets[:, :2])
    bottom_right = torch.min(boxes[:, 2:], targets[:, 2:])
    overlap = (bottom_right - top_left).clamp(min=0).prod(dim=1)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1) + (targets[:, 2:] - targets[:, :2]).prod(dim=1)
    return (1 - overlap / (area - overlap)).mean()


def box_iou_twin(boxes: Tensor, targets: Tensor) -> Tensor:
    overlap, union, _ = box_parts(boxes, targets)
    return (1 - overlap / union.clamp(min=1e-6)).mean()


def box_giou(boxes: Tensor, targets: Tensor) -> Tensor:
    overlap, union, hull = box_parts(boxes, targets)
    penalty = (hull - union) / hull
    return (1 - overlap / union.clamp(min=1e-6) + penalty).mean()


def box_giou_twin(boxes: Tensor, targets: Tensor) -> Tensor:
    overlap, union, hull = box_parts(boxes, targets)
    return (1 - overlap / union.clamp(min=1e-6) + (hull - union) / hull.clamp(min=1e-6)).mean()


def aspect_ratio(sizes: Tensor, targets: Tensor) -> Tensor:
    """The term of complete IoU that compares width / height."""
    gap = torch.atan(targets[:, 0] / targets[:, 1]) - torch.atan(sizes[:, 0] / sizes[:, 1])
    return (4 / math.pi**2 * gap**2).mean()


def aspect_ratio_twin(sizes: Tensor, targets: Tensor) -> Tensor:
    angles = [torch.atan2(size[:, 0], size[:, 1].clamp(min=1e-6)) for size in (targets, sizes)]
    return (4 / math.pi**2 * (angles[0] - angles[1]) ** 2).mean()


def log_size_ratio(sizes: Tensor, anchors: Tensor) -> Tensor:
    return F.smooth_l1_loss(torch.log(sizes / anchors), torch.zeros_like(sizes))


def log_size_twin(sizes: Tensor, anchors: Tensor) -> Tensor:
    logs = sizes.clamp(min=1e-6).log() - anchors.clamp(min=1e-6).log()
    return F.smooth_l1_loss(logs, torch.zeros_like(logs))


def boxes(count: int = 6, seed: int = 0) -> Tensor:
    corners = uniform(count, 2, seed=seed, high=4.0)
    return torch.cat([corners, corners + uniform(count, 2, seed=seed + 9, low=1.0, high=3.0)], 1)


def points() -> tuple[Tensor, Tensor]:
    """A detection and a target that are the same point."""
    return (put(boxes(), 0, 1.0), put(boxes(seed=1), 0, 1.0))


CASES = [
    Case(
        "box-iou-degenerate",
        box_iou,
        lambda: (boxes(), boxes(seed=1)),
        points,
        ("div",),
        "nan-loss",
        box_iou_twin,
        about="two boxes without area: 0 / 0",
    ),
    Case(
        "box-giou-degenerate",
        box_giou,
        lambda: (boxes(), boxes(seed=1)),
        points,
        ("div",),
        "nan-loss",
        box_giou_twin,
        about="a hull without area: 0 / 0",
    ),
    Case(
        "aspect-ratio-flat",
        aspect_ratio,
        lambda: (uniform(6, 2), uniform(6, 2, seed=1)),
        lambda: (put(uniform(6, 2), (0, 1), 0.0), uniform(6, 2, seed=1)),
        ("div",),
        "nan-gradient",
        aspect_ratio_twin,
        about="atan hides a division by 0, its slope does not",
    ),
    Case(
        "log-size-ratio",
        log_size_ratio,
        lambda: (uniform(6, 2), uniform(6, 2, seed=1)),
        lambda: (put(uniform(6, 2), 0, 0.0), put(uniform(6, 2, seed=1), 0, 0.0)),
        ("div", "log"),
        "nan-loss",
        log_size_twin,
        about="0 / 0 for an empty box on an empty anchor",
    ),
]
