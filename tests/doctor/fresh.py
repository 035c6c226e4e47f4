"""Fresh ordinary inputs of a loss, by the kinds of what it is ordinarily given; the doctor has seen none of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from losszoo.doctor.subject.input_kinds import Leaf, leaves_of
from losszoo.doctor.subject.subject import Leaves, Subject

SCALES = (1.0, 0.3, 0.03, 3.0)


def fresh(subject: Subject, count: int, first: int = 1000) -> Iterator[Leaves]:
    """So many inputs, each with a seed and a scale of its own."""
    for seed in range(first, first + count):
        generator = torch.Generator().manual_seed(seed)
        leaves: list[Any] = list(subject.leaves)
        for leaf in leaves_of(subject):
            leaves[leaf.index] = _drawn(leaf, SCALES[seed % len(SCALES)], generator).to(leaf.tensor.dtype)
        yield leaves


def _drawn(leaf: Leaf, scale: float, generator: torch.Generator) -> Tensor:
    x = leaf.tensor
    normal = torch.randn(x.shape, generator=generator)
    match leaf.kind:
        case "real":
            return normal * scale if x.numel() > 1 else x
        case "positive":
            return x * (0.3 * normal).exp() * scale
        case "probability":
            return torch.rand(x.shape, generator=generator) * 0.9 + 0.05
        case "bounded":
            return torch.rand(x.shape, generator=generator) * 1.8 - 0.9
        case "simplex":
            return (normal * min(scale, 1.0)).softmax(leaf.dim)
        case "log-probability":
            return (normal * min(scale, 1.0)).log_softmax(leaf.dim)
        case "unit":
            return F.normalize(normal, dim=leaf.dim)
        case "bits" | "bool" | "label":
            return x.flatten()[torch.randperm(x.numel(), generator=generator)].reshape(x.shape)
        case _:
            return x
