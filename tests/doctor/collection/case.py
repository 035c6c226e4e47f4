"""What a case of the collection holds, and the ordinary inputs that cases are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

SYMPTOMS = ("nan-loss", "inf-loss", "nan-gradient", "inf-gradient", "inaccurate")
Inputs = Callable[[], tuple[Any, ...]]


@dataclass(frozen=True)
class Case:
    """A loss as people write it, an input on which it breaks, and the form that does not.

    Args:
        name: kebab-case, unique in the collection.
        loss: the defective form.
        inputs: makes one ordinary tuple, on which the loss is right.
        failing: makes a legal tuple on which it breaks.
        ops: names of the operation that is at fault (not of the one that shows it); any of them is right.
        symptom: one of ``SYMPTOMS``, as seen on ``failing``.
        twin: a form that agrees on ``inputs`` and stays finite, gradient included, on ``failing``.
        dtype: of the floating inputs.
        about: what happens, in a sentence.
    """

    name: str
    loss: Callable[..., Tensor]
    inputs: Inputs
    failing: Inputs
    ops: tuple[str, ...]
    symptom: str
    twin: Callable[..., Tensor]
    dtype: str = "float32"
    about: str = ""


def normal(*shape: int, seed: int = 0, scale: float = 1.0, shift: float = 0.0) -> Tensor:
    """Gaussian numbers, the same at every call."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * scale + shift


def uniform(*shape: int, seed: int = 0, low: float = 0.1, high: float = 0.9) -> Tensor:
    """Uniform numbers, by default probabilities well inside (0, 1)."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * (high - low) + low


def simplex(*shape: int, seed: int = 0) -> Tensor:
    """Probabilities that sum to 1 over the last dimension."""
    return normal(*shape, seed=seed).softmax(-1)


def unit(*shape: int, seed: int = 0) -> Tensor:
    """Vectors of length 1 in the last dimension."""
    return F.normalize(normal(*shape, seed=seed), dim=-1)


def classes(samples: int, count: int = 3, seed: int = 0) -> Tensor:
    """Integer labels, every class as often as any other, in mixed order."""
    return torch.randperm(samples, generator=torch.Generator().manual_seed(seed)) % count


def binary(*shape: int, seed: int = 0) -> Tensor:
    """Zeros and ones as floats, half of each, in mixed order."""
    return classes(torch.Size(shape).numel(), 2, seed).float().reshape(shape)


def put(tensor: Tensor, index: Any, value: Any) -> Tensor:
    """The tensor with one place, row or column changed."""
    changed = tensor.clone()
    changed[index] = value
    return changed
