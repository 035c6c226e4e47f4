"""What tasks of one's own arrays, Datasets and folders share: spec, network, recipe and random views."""

from __future__ import annotations

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from losszoo.registry.registry import installed
from losszoo.registry.specs import TaskSpec
from losszoo.tasks.own_targets import Targets
from losszoo.tasks.task import Recipe, Setup, Task

# Of an image, so that two convolutions and a pooling leave something.
_SMALLEST_SIDE = 4
_CHANNELS = (1, 3, 4)


class OwnTask(Task):
    """A task whose kind, network and recipe are told from its data.

    Attributes:
        shape: of the inputs of one row.
        rows: how many there are in all parts.
        of_pixels: whether targets are one or more for each pixel.
    """

    shape: tuple[int, ...]
    rows: int
    of_pixels: bool

    def _settle(self, name: str, targets: Targets, shape: tuple[int, ...], rows: int, what: str) -> None:
        """Everything that its targets and the shape of its rows say; ``what`` counts them in words."""
        metric, direction = targets.metric
        self.shape, self.rows = shape, rows
        dims = targets.parts[0].ndim
        self.of_pixels = dims > 2 or (dims == 2 and installed().kind(targets.kind).labels)
        self.class_names, self.class_values = targets.class_names, targets.class_values
        self.notes = targets.notes
        if len(shape) == 3 and shape[0] not in _CHANNELS and shape[2] in _CHANNELS:
            self.notes += (f"inputs: of shape {shape}; a network of images takes (channels, height, width)",)
        self.spec = TaskSpec(
            name=name,
            target=f"{type(self).__module__}:{type(self).__qualname__}",
            kind=targets.kind,
            summary=f"{what}, each of shape {shape}.",
            metric=metric,
            direction=direction,
        )

    @property
    def _of_images(self) -> bool:
        return len(self.shape) == 3 and min(self.shape[1:]) >= _SMALLEST_SIDE

    def setup(self, signature: str) -> Setup:
        batch = int(np.clip(2 ** round(np.log2(max(self.rows, 1) / 20)), 32, 512))
        if self.of_pixels:
            return Setup(trunk="unet", recipe=Recipe(lr=3e-3, batch_size=min(batch, 64), epochs=40))
        if self._of_images:
            recipe = Recipe(lr=2e-3, batch_size=min(batch, 128), epochs=40)
            return Setup(trunk="conv", model={"dim": 64}, recipe=recipe)
        recipe = Recipe(lr=2e-3, weight_decay=1e-3, batch_size=batch, epochs=100, patience=16)
        return Setup(trunk="mlp", model={"dim": 64, "width": 128, "depth": 2}, recipe=recipe)

    def augment(self, inputs: Tensor, generator: Generator) -> Tensor:
        """Images shifted by up to an eighth each way, scaled by up to 10 %, brighter or darker by up to a quarter."""
        if not self._of_images:
            return super().augment(inputs, generator)
        low = torch.tensor([-0.25, -0.25, 0.9, 0.75])
        drawn = low + (torch.tensor([0.25, 0.25, 1.1, 1.25]) - low) * torch.rand(len(inputs), 4, generator=generator)
        right, down, scale, brightness = drawn.unbind(1)
        none = torch.zeros_like(scale)
        # An image is 2 wide and 2 high in the coordinates of affine_grid.
        placing = torch.stack([scale, none, right, none, scale, down], 1).view(-1, 2, 3).to(inputs)
        moved = F.grid_sample(
            inputs, F.affine_grid(placing, list(inputs.shape), align_corners=False), align_corners=False
        )
        return moved * brightness.view(-1, 1, 1, 1).to(inputs)
