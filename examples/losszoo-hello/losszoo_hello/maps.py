"""Losses with one value per map."""

import torch
from torch import Tensor

import losszoo


def soft_jaccard(
    logits: Tensor, targets: Tensor, *, smooth: float = 1.0, mask: Tensor | None = None
) -> losszoo.Unreduced:
    """One minus the intersection over the union of each map, (N, C)."""
    mask = torch.ones_like(logits, dtype=torch.bool) if mask is None else mask
    # Before any arithmetic: 0 * NaN is NaN, so what is masked must not get that far.
    logits, targets = torch.where(mask, logits, 0.0), torch.where(mask, targets, 0.0)
    inside, outside = logits.sigmoid() * mask, (-logits).sigmoid() * mask
    # 1 - intersection/union as wrong/union: a sum of terms >= 0, so nothing cancels.
    wrong = ((1 - targets) * inside + targets * outside).sum((2, 3))
    union = wrong + (targets * inside).sum((2, 3))
    return losszoo.Unreduced(wrong / (union + smooth), mask.any(3).any(2).to(logits.dtype))
