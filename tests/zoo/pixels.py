"""Pixels for the tests of losses on maps."""

from __future__ import annotations

import torch
from torch.nn import functional as F

NAMES = [
    *("dice", "smoothness", "smooth-segmentation", "dice(over=image)", "dice(over=batch)"),
    *("dice(over=image, weight=[1, 2, 0])", "dice(over=batch, weight=[1, 2, 0.5])", "smoothness(weight=[1, 0, 2])"),
]
SHAPES = [(5,), (3, 4), (2, 3, 2), (2, 2, 2, 3)]
CLASSES = 3


def draw(spatial=(3, 4), images=2, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(images, CLASSES, *spatial, dtype=torch.float64, generator=generator).to(dtype)
    return logits, torch.randint(CLASSES, (images, *spatial), generator=generator)


def certain(labels, size=1e4):
    """Logits that are sure of these labels."""
    return size * F.one_hot(labels, CLASSES).movedim(-1, 1).double()
