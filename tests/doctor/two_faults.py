"""Losses that break in two places, so that a smaller input may show both of them at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def ranked_pairs(scores: Tensor, relevance: Tensor) -> Tensor:
    """exp overflows; and where nothing is ranked above anything, 0 / 0."""
    difference = scores[:, None] - scores[None, :]
    above = (relevance[:, None] > relevance[None, :]).to(scores.dtype)
    return (torch.log(1 + torch.exp(-difference)) * above).sum() / above.sum()


def unit_vectors(first: Tensor, second: Tensor) -> Tensor:
    """Either of two rows may be 0, and its norm."""
    first = first / first.norm(dim=1, keepdim=True)
    second = second / second.norm(dim=1, keepdim=True)
    return ((first - second) ** 2).sum(1).mean()


def two_distances(anchors: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
    """The slope of either root is infinite at 0."""
    near, far = (anchors - positives).pow(2).sum(1), (anchors - negatives).pow(2).sum(1)
    return torch.relu(near.sqrt() - far.sqrt() + 0.5).mean()


def normal(*sizes: int) -> Tensor:
    return torch.randn(*sizes, generator=torch.Generator().manual_seed(sum(sizes)))


TWO_FAULTS: dict[str, tuple[Callable[..., Tensor], tuple[Any, ...]]] = {
    "ranked_pairs": (ranked_pairs, (normal(8), torch.arange(8.0))),
    "unit_vectors": (unit_vectors, (normal(6, 5), normal(6, 4)[:, [0, 1, 2, 3, 0]])),
    "two_distances": (two_distances, (normal(6, 4), normal(6, 4) + 1, normal(6, 4).flip(0))),
}
