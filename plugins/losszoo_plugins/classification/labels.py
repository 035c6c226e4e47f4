"""What all multiclass losses do with their targets: find the target's class; and numbers along the classes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from losszoo import Floats, UsageError


class Labels(NamedTuple):
    """Logits and targets with the classes last.

    Args:
        logits: (N, ..., C).
        targets: (N, ...) int64, or (N, ..., C) probabilities.
    """

    logits: Tensor
    targets: Tensor


def all_but(index: Tensor, classes: int) -> Tensor:
    """(..., C) boolean: every class but the one of ``index``, (..., 1)."""
    return torch.arange(classes, device=index.device) != index


def read(logits: Tensor, targets: Tensor) -> Labels:
    """Logits (N, C, ...) and targets, (N, ...) int64 or (N, C, ...) probabilities, in the form of :class:`Labels`.

    Example:
        >>> read(torch.zeros(2, 3, 4), torch.zeros(2, 4, dtype=torch.long)).logits.shape
        torch.Size([2, 4, 3])
    """
    soft = targets.is_floating_point()
    return Labels(logits.movedim(1, -1), targets.movedim(1, -1) if soft else targets)


def pick(cost: Tensor, labels: Labels) -> Tensor:
    r"""Cost of the target; for probabilities its mean over the classes.

    .. math:: \sum_c q_c \, \ell_c

    Args:
        cost: (N, ..., C), one cost for each class, were it the target. Infinite costs of share 0 are dropped.
        labels: as :func:`read` gives them.

    Returns:
        (N, ...).
    """
    if labels.targets.is_floating_point():
        return weighted_sum(cost, labels.targets)
    return cost.gather(-1, labels.targets.unsqueeze(-1)).squeeze(-1)


def weighted_sum(cost: Tensor, share: Tensor) -> Tensor:
    """Sum over the last dimension of share times cost, where 0 times infinity is 0."""
    return (share * torch.where((share == 0) & cost.isinf(), 0.0, cost)).sum(-1)


def along_classes(name: str, numbers: Floats | None, like: Tensor) -> Tensor:
    """One number, or one per class along dimension 1 of ``like``, in a form that broadcasts to it; 1 for None.

    A tensor of several dimensions broadcasts as it is.

    Raises:
        UsageError: another number of them than of classes, or a shape that does not broadcast.
    """
    if numbers is None:
        return like.new_ones(())
    given = _numbers(numbers, like)
    if given.numel() == 1:
        return given.reshape(())
    if given.ndim == 1:
        classes = like.shape[1] if like.ndim > 1 else 1
        if given.shape[0] != classes:
            place = (
                f"one per class, C={classes}" if like.ndim > 1 else "one number where predictions have one dimension"
            )
            raise UsageError(f"{name} must be a number or {place}, got {given.shape[0]} of them")
        return given.reshape(-1, *[1] * (like.ndim - 2))
    missing = like.ndim - given.ndim
    if missing < 0 or any(a not in (1, b) for a, b in zip(given.shape, like.shape[missing:], strict=True)):
        raise UsageError(f"{name} must broadcast to predictions, {tuple(like.shape)}, got shape {tuple(given.shape)}")
    return given


def _numbers(numbers: Floats, like: Tensor) -> Tensor:
    return torch.as_tensor(numbers, dtype=like.dtype, device=like.device)
