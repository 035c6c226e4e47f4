"""A digit somewhere on a canvas with clutter: where is it, and how large?"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from losszoo import Recipe, Setup, Split, Splits, Task
from losszoo_tasks.digits import load
from losszoo_tasks.segmentation import FOREGROUND
from losszoo_tasks.splitting import parts

Array = npt.NDArray[Any]

SIZE = 32
LARGEST = 3  # times the 8 pixels of a digit


def composed(digits: Array, random: np.random.RandomState) -> Split:
    """One 32 x 32 image for every digit, stretched by 1 to 3 along each axis, and the box around its strokes.

    Args:
        digits: (N, 1, 8, 8) in [0, 1].
        random: the only source of randomness.

    Returns:
        Inputs (N, 1, 32, 32) and targets (N, 4), (x1, y1, x2, y2) in pixels; float32.
    """
    images = 0.1 * np.abs(random.standard_normal((len(digits), SIZE, SIZE)))
    boxes = np.zeros((len(digits), 4))
    for image, box, digit in zip(images, boxes, digits[:, 0], strict=True):
        tall, broad = random.randint(1, LARGEST + 1, size=2)
        large = digit.repeat(tall, 0).repeat(broad, 1)
        top, left = (random.randint(SIZE - side + 1) for side in large.shape)
        place = (slice(top, top + large.shape[0]), slice(left, left + large.shape[1]))
        np.maximum(image[place], large, out=image[place])
        rows, columns = (np.flatnonzero((large > FOREGROUND).any(axis)) for axis in (1, 0))
        box[:] = left + columns[0], top + rows[0], left + columns[-1] + 1, top + rows[-1] + 1
    return Split(images[:, None].astype(np.float32), boxes.astype(np.float32))


class DigitsBoxes(Task):
    """The box around a digit."""

    def splits(self, seed: int = 0) -> Splits:
        digits, labels = load()
        # The digits are parted first, so that no held-out one is seen in training.
        return Splits(
            *(
                composed(digits[rows], np.random.RandomState([seed, part]))
                for part, rows in enumerate(parts(labels, seed))
            )
        )

    def setup(self, signature: str) -> Setup:
        recipe = Recipe(lr=3e-3, weight_decay=1e-4, batch_size=64, epochs=40, patience=10)
        return Setup(trunk="conv", model={"dim": 64}, recipe=recipe)
