"""The two networks that are more than a row of layers: periodic embeddings, and a U-Net."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Waves(torch.autograd.Function):
    """Cosines, then sines, of every number times its feature's frequencies: (F, N), (F, K) to (2K, F, N).

    The derivative of each half is the other half, so that what was computed forward serves backward: nothing
    trigonometric is evaluated twice, unlike with the two operations in sequence.
    """

    @staticmethod
    def forward(numbers: Tensor, frequencies: Tensor) -> Tensor:
        waves = numbers.new_empty(2 * frequencies.shape[1], *numbers.shape)
        cosines, sines = waves.chunk(2)
        # The angles lie where their sines will.
        torch.mul(frequencies.T.unsqueeze(2), numbers, out=sines)
        torch.cos(sines, out=cosines)
        sines.sin_()
        return waves

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs, output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor]:
        numbers, frequencies, waves = ctx.saved_tensors
        cosines, sines = waves.chunk(2)
        to_cosines, to_sines = gradient.chunk(2)
        to_angles = torch.addcmul(to_sines * cosines, to_cosines, sines, value=-1)
        to_numbers = (to_angles * frequencies.T.unsqueeze(2)).sum(0) if ctx.needs_input_grad[0] else None
        return to_numbers, (to_angles * numbers).sum(2).T


class PeriodicEmbedding(nn.Module):
    """(N, D) to (N, numeric * width + D - numeric): the first columns embedded, the others as they are."""

    def __init__(self, numeric: int, width: int, frequencies: int, scale: float) -> None:
        super().__init__()
        self.frequencies = nn.Parameter(scale * torch.randn(numeric, frequencies))
        self.shared = nn.Linear(2 * frequencies, width)

    def forward(self, inputs: Tensor) -> Tensor:
        numeric = self.frequencies.shape[0]
        # Features first, rows last: one product for all features, and every pass runs along the memory.
        numbers, others = torch.split(inputs.T, [numeric, inputs.shape[1] - numeric])
        waves: Tensor = Waves.apply(numbers.contiguous(), 2 * math.pi * self.frequencies)  # type: ignore[no-untyped-call]
        mixed = torch.addmm(self.shared.bias.unsqueeze(1), self.shared.weight, waves.flatten(1))
        embedded = F.relu(mixed).view(self.shared.out_features, *numbers.shape).transpose(0, 1).flatten(0, 1)
        return torch.cat([embedded, others]).T


_CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_POOLS = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}


class UNet(nn.Module):
    """(N, channels, ...) to (N, dim, ...) with one to three spatial dimensions, by ``depth`` halvings and back."""

    def __init__(self, channels: int, dim: int, width: int, depth: int, dimensions: int = 2) -> None:
        super().__init__()
        convolution, self.halve = _CONVOLUTIONS[dimensions], _POOLS[dimensions]
        sizes = [width << level for level in range(depth + 1)]
        self.down = nn.ModuleList(
            convolution(before, after, 3, padding=1) for before, after in pairwise([channels, *sizes])
        )
        self.up = nn.ModuleList(convolution(below + here, here, 3, padding=1) for here, below in pairwise(sizes))
        self.out = convolution(width, dim, 1)

    def forward(self, images: Tensor) -> Tensor:
        features = F.relu(self.down[0](images))
        levels = [features]
        for layer in list(self.down)[1:]:
            features = F.relu(layer(self.halve(features, 2)))
            levels.append(features)
        for layer, skip in zip(reversed(self.up), reversed(levels[:-1]), strict=True):
            # To the size of the level above, which the halving of an odd size has lost.
            risen = F.interpolate(features, size=skip.shape[2:], mode="nearest")
            features = F.relu(layer(torch.cat([risen, skip], 1)))
        pixels: Tensor = self.out(features)
        return pixels
