"""A digit to be cut out of clutter that is made of other digits: its mask, or a label for each pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from losszoo import Recipe, Setup, Split, Splits, Task, UsageError
from losszoo_tasks.digits import load
from losszoo_tasks.splitting import parts

Array = npt.NDArray[Any]

SIZE = 16
FOREGROUND = 0.3  # brightness from which a pixel belongs to the digit
FRAGMENTS = 6
FRAGMENT = 4  # pixels on a side: a piece of a stroke, never a whole digit


def compose(digits: Array, clutter: float, random: np.random.RandomState) -> Split:
    """One 16 x 16 image for every digit, and the mask of that digit.

    Args:
        digits: (N, 1, 8, 8) in [0, 1]; the fragments are cut from these as well.
        clutter: brightness of the fragments and of the noise, in [0, 1].
        random: the only source of randomness.

    Returns:
        Inputs and targets, (N, 1, 16, 16) float32.
    """
    count, pixels = len(digits), digits[:, 0]
    images = 0.1 * clutter * np.abs(random.standard_normal((count, SIZE, SIZE)))
    masks = np.zeros((count, SIZE, SIZE), dtype=np.float32)
    for image, mask, digit in zip(images, masks, pixels, strict=True):
        for donor in random.randint(count, size=FRAGMENTS):
            _brighten(image, clutter * _piece(pixels[donor], random), random)
        place = _brighten(image, digit, random)
        mask[place] = digit > FOREGROUND
    return Split(images[:, None].astype(np.float32), masks[:, None])


def _piece(digit: Array, random: np.random.RandomState) -> Array:
    top, left = random.randint(8 - FRAGMENT + 1, size=2)
    return digit[top : top + FRAGMENT, left : left + FRAGMENT]


def _brighten(image: Array, patch: Array, random: np.random.RandomState) -> tuple[slice, slice]:
    """Lays the patch over a random place, the brighter of the two winning; returns the place."""
    top, left = random.randint(SIZE - len(patch) + 1, size=2)
    place = (slice(top, top + len(patch)), slice(left, left + len(patch)))
    np.maximum(image[place], patch, out=image[place])
    return place


class DigitsSegmentation(Task):
    """Which pixels are the digit's own.

    Args:
        clutter: brightness of the clutter, in [0, 1]; at 1 its strokes are as bright as the digit's.
    """

    _name = "digits-segmentation"

    def __init__(self, *, clutter: float = 0.8) -> None:
        if not isinstance(clutter, int | float) or isinstance(clutter, bool) or not 0 <= clutter <= 1:
            raise UsageError(f"task {self._name}: clutter must be a number in [0, 1], got {clutter!r}")
        self.clutter = float(clutter)

    def splits(self, seed: int = 0) -> Splits:
        digits, labels = load()
        # The digits are parted first, so that no stroke of a held-out one is seen in training.
        # RandomState, since its numbers are promised to stay the same for ever.
        composed = (
            compose(digits[rows], self.clutter, np.random.RandomState([seed, part]))
            for part, rows in enumerate(parts(labels, seed))
        )
        return Splits(*composed)

    def setup(self, signature: str) -> Setup:
        recipe = Recipe(lr=1e-2, weight_decay=1e-4, batch_size=64, epochs=30, patience=8)
        return Setup(trunk="unet", model={"dim": 8, "width": 8}, recipe=recipe)


class DigitsSemantic(DigitsSegmentation):
    """What each pixel is: 0 background, 1 the digit, 2 a stroke of the clutter.

    Args:
        clutter: brightness of the clutter, in [0, 1]; at 0.3 and below it has no strokes.
    """

    _name = "digits-semantic"
    class_names = ("background", "digit", "clutter")

    def splits(self, seed: int = 0) -> Splits:
        return Splits(*(Split(part.inputs, self._labels(*part)[:, 0]) for part in super().splits(seed)))

    def _labels(self, images: Array, masks: Array) -> Array:
        return np.where(masks > 0, 1, 2 * (images > FOREGROUND)).astype(np.int64)
