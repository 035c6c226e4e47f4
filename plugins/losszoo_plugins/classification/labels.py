"""What all multiclass losses do with their targets: find the target's class, ignore, weigh."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from losszoo import Floats, Unreduced, UsageError


class Labels(NamedTuple):
    """Logits and targets in the one form that every multiclass loss reads.

    Args:
        logits: (N, ..., C), classes last. Zero where the target is ignored, so that nothing there matters,
            NaN included.
        targets: (N, ...) int64, legal everywhere; or (N, ..., C) probabilities.
        present: (N, ...) boolean, False where the target is ignored.
        weight: (C,), of the classes.
        counts: (N, ...), what each position counts in a mean: the weight of its target, 0 where it is
            ignored, and 1 for probabilities, as in torch.
    """

    logits: Tensor
    targets: Tensor
    present: Tensor
    weight: Tensor
    counts: Tensor


def all_but(index: Tensor, classes: int) -> Tensor:
    """(..., C) boolean: every class but the one of ``index``, (..., 1)."""
    return torch.arange(classes, device=index.device) != index


def read(logits: Tensor, targets: Tensor, *, weight: Floats | None = None, ignore_index: int | None = None) -> Labels:
    r"""Put logits and targets into the form of :class:`Labels`.

    Args:
        logits: (N, C, ...).
        targets: (N, ...) int64 or (N, C, ...) probabilities, which ``ignore_index`` does not touch.
        weight: one number per class, >= 0; None weighs all alike.
        ignore_index: label that takes no part; need not be a class.

    Raises:
        UsageError: another number of weights than of classes.

    Example:
        >>> read(torch.zeros(2, 3), torch.tensor([-100, 1]), ignore_index=-100).counts
        tensor([0., 1.])
    """
    logits = logits.movedim(1, -1)
    classes = logits.shape[-1]
    per_class = logits.new_ones(classes) if weight is None else _per_class(weight, logits)
    if targets.is_floating_point():
        counts = torch.ones_like(logits[..., 0])
        return Labels(logits, targets.movedim(1, -1), counts > 0, per_class, counts)
    if ignore_index is None:
        everywhere = torch.ones_like(targets, dtype=torch.bool)
        return Labels(logits, targets, everywhere, per_class, per_class[targets])
    present = targets != ignore_index
    if _seen_whole(present):
        return Labels(logits, targets, present, per_class, per_class[targets])
    index = torch.where(present, targets, 0)
    counts = torch.where(present, per_class[index], 0.0)
    return Labels(torch.where(present.unsqueeze(-1), logits, 0.0), index, present, per_class, counts)


def unweighted(logits: Tensor, targets: Tensor, ignore_index: int) -> tuple[Tensor, Tensor]:
    """Logits (N, C, ...), zero where the int64 target is ignored; and what each position counts, 0 or 1."""
    present = targets != ignore_index
    counts = present.to(logits.dtype)
    return (logits if _seen_whole(present) else torch.where(present.unsqueeze(1), logits, 0.0)), counts


def _seen_whole(present: Tensor) -> bool:
    """Whether all is there, where looking waits for nothing: on the CPU, outside of a compiler."""
    if present.device.type != "cpu" or torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return False
    return bool(present.all())


def pick(cost: Tensor, labels: Labels) -> Tensor:
    r"""Weighted cost of the target; for probabilities the weighted mean over the classes.

    .. math:: \sum_c w_c \, q_c \, \ell_c

    Args:
        cost: (N, ..., C), one cost for each class, were it the target. Infinite costs of share 0 are dropped.
        labels: as :func:`read` gives them.

    Returns:
        (N, ...).
    """
    if labels.targets.is_floating_point():
        return weighted_sum(cost, labels.targets * labels.weight)
    picked = cost.gather(-1, labels.targets.unsqueeze(-1)).squeeze(-1)
    return weigh(picked, labels).values


def weighted_sum(cost: Tensor, share: Tensor) -> Tensor:
    """Sum over the last dimension of share times cost, where 0 times infinity is 0."""
    return (share * torch.where((share == 0) & cost.isinf(), 0.0, cost)).sum(-1)


def weigh(values: Tensor, labels: Labels) -> Unreduced:
    """Values of the positions, (N, ...), times the weight of their targets, which is also what they count.

    An infinite value of weight 0 is dropped; a finite one is the gradient of a weight that is learned.
    """
    kept = torch.where((labels.counts == 0) & ~values.isfinite(), 0.0, values)
    return Unreduced(kept * labels.counts, labels.counts)


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


def _per_class(weight: Floats, logits: Tensor) -> Tensor:
    per_class, classes = _numbers(weight, logits), logits.shape[-1]
    if per_class.shape not in ((), (1,), (classes,)):
        given = per_class.shape[0] if per_class.dim() == 1 else tuple(per_class.shape)
        raise UsageError(f"weight must have one entry per class, C={classes}, got {given}")
    return per_class.expand(classes)


def _numbers(numbers: Floats, like: Tensor) -> Tensor:
    return torch.as_tensor(numbers, dtype=like.dtype, device=like.device)
