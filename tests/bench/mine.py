"""Losses and peers of one's own, each with a fault, for the tests of the bench."""

from __future__ import annotations

import time

import torch
from torch import Tensor


def right(predictions: Tensor, targets: Tensor) -> Tensor:
    """The values of mse, not reduced."""
    return (predictions - targets) ** 2


def wrong(predictions: Tensor, targets: Tensor) -> Tensor:
    return 1.5 * (predictions - targets).square().mean()


def wrong_gradient(predictions: Tensor, targets: Tensor) -> Tensor:
    """The right value, and half of the gradient."""
    value = (predictions - targets).square().mean()
    return value / 2 + value.detach() / 2


def raises(predictions: Tensor, targets: Tensor) -> Tensor:
    raise RuntimeError("no luck [bold]here[/bold]")


def hangs(predictions: Tensor, targets: Tensor) -> Tensor:
    time.sleep(10_000)
    return right(predictions, targets)


def hungry(predictions: Tensor, targets: Tensor) -> Tensor:
    """Twice a gigabyte on the way."""
    return right(predictions, targets).mean() + 0 * torch.ones(2**28).cumsum(0)[0]


def exits(predictions: Tensor, targets: Tensor) -> Tensor:
    raise SystemExit(3)


def talks(predictions: Tensor, targets: Tensor) -> Tensor:
    print("chatter")
    return right(predictions, targets)


not_callable = 3
