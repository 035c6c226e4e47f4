"""What the losses on maps share: which pixels take part, and one value per map of them."""

from __future__ import annotations

import torch
from torch import Tensor

from losszoo import Unreduced


def present(logits: Tensor, targets: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Logits and targets with 0 where the mask is False, so that NaN there reaches nothing; and the mask."""
    if mask is None:
        return logits, targets, torch.ones_like(logits, dtype=torch.bool)
    return hidden(logits, mask), hidden(targets, mask), mask


def hidden(x: Tensor, mask: Tensor | None) -> Tensor:
    """``x`` with 0 where the mask is False."""
    return x if mask is None else torch.where(mask, x, 0.0)


def spatial(x: Tensor) -> tuple[int, ...]:
    """The dimensions of the pixels: all of (N, C, ...) but the first two."""
    return tuple(range(2, x.ndim))


def map_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of each map over its True pixels: (N, C, ...) to (N, C); 0 where there is none.

    Example:
        >>> map_mean(torch.tensor([[[[1.0, 5.0]]]]), torch.tensor([[[[True, False]]]]))
        tensor([[1.]])
    """
    pixels = spatial(values)
    return hidden(values, mask).sum(pixels) / mask.sum(pixels).clamp(min=1)


def per_map(values: Tensor, mask: Tensor) -> Unreduced:
    """One value per map, each with count 1; a map without a pixel left is 0 with count 0."""
    return counted(values, mask.any(spatial(mask)))


def counted(values: Tensor, some: Tensor) -> Unreduced:
    """Values with count 1; 0 with count 0 where ``some`` is False."""
    return Unreduced(torch.where(some, values, 0.0), some.to(values.dtype))


def probabilities(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Sigmoid of the logits, and 1 minus it, both with their full gradient.

    Example:
        >>> probabilities(torch.zeros(1))
        (tensor([0.5000]), tensor([0.5000]))
    """
    # The smaller one is the sigmoid and the other its complement: where p rounds to 1 (at 17 in float32) the
    # gradient p (1 - p) of a sigmoid is 0, and a confidently wrong pixel would never be corrected.
    positive = logits > 0
    smaller = torch.sigmoid(torch.where(positive, -logits, logits))
    larger = 1 - smaller
    return torch.where(positive, larger, smaller), torch.where(positive, smaller, larger)
