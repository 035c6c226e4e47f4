"""Losses of numbers, and penalties."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import softplus

from losszoo.bench.peers.peer import by_name


def mse(predictions: Tensor, targets: Tensor) -> Tensor:
    return (predictions - targets).square().mean()


def custom_mse(predictions: Tensor, targets: Tensor, *, param1: float, param2: float) -> Tensor:
    return ((predictions - targets).square() + param1 * predictions + param2 * targets).mean()


def rmse(predictions: Tensor, targets: Tensor) -> Tensor:
    return mse(predictions, targets).sqrt()


def mae(predictions: Tensor, targets: Tensor) -> Tensor:
    return (predictions - targets).abs().mean()


def huber(predictions: Tensor, targets: Tensor, *, delta: float) -> Tensor:
    error = (predictions - targets).abs()
    return torch.where(error <= delta, error.square() / 2, delta * (error - delta / 2)).mean()


def log_cosh(predictions: Tensor, targets: Tensor) -> Tensor:
    error = predictions - targets
    return (error + softplus(-2 * error) - math.log(2)).mean()


def quantile(predictions: Tensor, targets: Tensor, *, quantile: float) -> Tensor:
    missing = targets - predictions
    return torch.maximum(quantile * missing, (quantile - 1) * missing).mean()


def l1(parameters: Sequence[Tensor]) -> Tensor:
    return torch.stack([w.abs().sum() for w in parameters]).sum()


def l2(parameters: Sequence[Tensor]) -> Tensor:
    return torch.stack([w.square().sum() for w in parameters]).sum()


def elastic_net(parameters: Sequence[Tensor], *, l1_ratio: float) -> Tensor:
    return l1_ratio * l1(parameters) + (1 - l1_ratio) / 2 * l2(parameters)


NUMBERS = by_name(mse, custom_mse, rmse, mae, huber, log_cosh, quantile, l1, l2, elastic_net)
