"""Losses of a user's own, which go wrong for some values of their parameter."""

from __future__ import annotations

import os
import signal
import sys

import torch
from torch import Tensor


def scaled(predictions: Tensor, targets: Tensor, *, factor: float = 1.0) -> Tensor:
    """Raises above 2, is NaN below 1/2."""
    if factor > 2:
        raise RuntimeError(f"factor is too large: {factor}")
    return (predictions - targets) ** 2 * (torch.nan if factor < 0.5 else factor)


def deadly(predictions: Tensor, targets: Tensor, *, factor: float = 1.0) -> Tensor:
    """Kills its process for some values, as one that has eaten the memory is."""
    if factor > 1.5:
        os.kill(os.getpid(), signal.SIGKILL)
    return (predictions - targets) ** 2 * factor


def raising(predictions: Tensor, targets: Tensor) -> Tensor:
    """Raises at once."""
    raise RuntimeError("no such weather")


def leaving(predictions: Tensor, targets: Tensor) -> Tensor:
    """Ends its process, with last words."""
    print("so long", file=sys.stderr, flush=True)
    os._exit(3)
