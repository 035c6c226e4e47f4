"""Handwritten digits of 8 x 8 pixels: all of them, their properties, one rare one, unseen ones, and without labels."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from losszoo import Recipe, Setup, Split, Splits, Task, UsageError
from losszoo_tasks.splitting import frozen, halves, parts

Array = npt.NDArray[Any]

NAMES = tuple(str(digit) for digit in range(10))
# Digits that have each property. A loop is a closed line: an open 4 has none, though some writers close it.
PROPERTIES = {"even": (0, 2, 4, 6, 8), "prime": (2, 3, 5, 7), "above 4": (5, 6, 7, 8, 9), "loop": (0, 6, 8, 9)}
FEWEST = 5  # positives of a part, whatever share is asked for
MOST = 0.09  # share of the rarest digit that every part can give


@lru_cache(maxsize=1)
def load() -> tuple[Array, Array]:
    """(1797, 1, 8, 8) float32 in [0, 1] and (1797,) int64; read-only."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    images = (pixels / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    return frozen(images), frozen(labels.astype(np.int64))


def varied(images: Tensor, generator: Generator) -> Tensor:
    """A random view of every image, which still shows the same digit.

    Turned by up to 15 degrees, scaled by up to 10 %, shifted by up to 1 pixel each way, brighter or darker by
    up to a quarter, with noise of deviation 0.05.

    Args:
        images: (N, C, H, W).
        generator: the only source of randomness, on the CPU: the same views for every device.

    Returns:
        Shape and type of ``images``.
    """
    count, _, height, width = images.shape

    def between(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    angle, scale = between(-math.pi / 12, math.pi / 12), between(0.9, 1.1)
    # An image is 2 wide and 2 high in the coordinates of affine_grid.
    right, down = between(-2 / width, 2 / width), between(-2 / height, 2 / height)
    cosine, sine = angle.cos() * scale, angle.sin() * scale
    placing = torch.stack([cosine, -sine, right, sine, cosine, down], 1).view(count, 2, 3).to(images)
    grid = F.affine_grid(placing, list(images.shape), align_corners=False)
    moved = F.grid_sample(images, grid, align_corners=False)
    brightness = between(0.75, 1.25).view(-1, 1, 1, 1).to(images)
    noise = torch.randn(images.shape, generator=generator).to(images)
    return moved * brightness + 0.05 * noise


class Digits(Task):
    """Which of ten digits."""

    class_names = NAMES

    def splits(self, seed: int = 0) -> Splits:
        images, labels = load()
        return Splits(*(Split(images[rows], labels[rows]) for rows in parts(labels, seed)))

    def setup(self, signature: str) -> Setup:
        recipe = Recipe(lr=3e-3, weight_decay=1e-4, batch_size=128, epochs=40, patience=10)
        return Setup(trunk="conv", model={"dim": 64}, recipe=recipe)

    def augment(self, inputs: Tensor, generator: Generator) -> Tensor:
        return varied(inputs, generator)


class DigitsProperties(Digits):
    """Which of four properties a digit has; 1 has none of them, 8 all but one."""

    class_names = tuple(PROPERTIES)

    def splits(self, seed: int = 0) -> Splits:
        return Splits(*(Split(part.inputs, properties(part.targets)) for part in super().splits(seed)))


def properties(digits: Array) -> Array:
    """(N, 4) of 0 and 1, in the order of :data:`PROPERTIES`."""
    return np.stack([np.isin(digits, having) for having in PROPERTIES.values()], 1).astype(np.int64)


class DigitsRare(Digits):
    """One digit against the rest, most of its rows taken away.

    Args:
        digit: the positive one, 0 to 9.
        positives: its share of the rows, in (0, 0.09]; every part keeps at least 5.
    """

    class_names = ("other", "rare")

    def __init__(self, *, digit: int = 8, positives: float = 0.01) -> None:
        if not isinstance(digit, int) or isinstance(digit, bool) or not 0 <= digit <= 9:
            raise UsageError(f"task digits-rare: digit must be a whole number in [0, 9], got {digit!r}")
        if not isinstance(positives, float) or not 0 < positives <= MOST:
            raise UsageError(f"task digits-rare: positives must be a number in (0, {MOST}], got {positives!r}")
        self.digit = digit
        self.positives = positives

    def splits(self, seed: int = 0) -> Splits:
        images, labels = load()
        return Splits(*(self._thinned(images[rows], labels[rows] == self.digit) for rows in parts(labels, seed)))

    def _thinned(self, images: Array, rare: Array) -> Split:
        """All others, and the first positives: their order is random already."""
        wanted = round(np.count_nonzero(~rare) * self.positives / (1 - self.positives))
        kept = ~rare | (np.cumsum(rare) <= max(wanted, FEWEST))
        return Split(images[kept], rare[kept].astype(np.int64))


class DigitsRetrieval(Digits):
    """Train and validation hold 0 to 4, test 5 to 9: what is learned must carry over to digits never seen."""

    def splits(self, seed: int = 0) -> Splits:
        images, labels = load()
        train, val = halves(np.flatnonzero(labels <= 4), labels, seed)
        return Splits(*(Split(images[rows], labels[rows]) for rows in (train, val, np.flatnonzero(labels > 4))))

    def setup(self, signature: str) -> Setup:
        recipe = Recipe(lr=1e-3, weight_decay=1e-4, batch_size=128, epochs=30, patience=10)
        return Setup(trunk="conv", model={"dim": 32}, recipe=recipe)


class DigitsViews(Digits):
    """The rows of ``digits``; labels serve evaluation only."""

    def setup(self, signature: str) -> Setup:
        recipe = Recipe(lr=3e-3, weight_decay=1e-4, batch_size=256, epochs=40, patience=10)
        return Setup(trunk="conv", model={"dim": 64}, recipe=recipe)
