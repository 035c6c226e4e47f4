"""Soft labels for a loss of one class per target: its expectation over the classes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from losszoo import differentiable_again
from losszoo_plugins.closed_form import only_plain

from .labels import Labels, pick

# The cost (...) of logits (..., C) were the classes (...) the targets; each position by itself.
Cost = Callable[[Tensor, Tensor], Tensor]

# Logits in memory at a time, each class as the target of its own copy: 16 MB in float32.
_LOGITS = 2**22

# With so many classes of a share the costs of all classes at once are cheaper than one after the other.
_MANY = 8


def expect(cost: Cost, labels: Labels, every: Callable[[Tensor], Tensor] | None = None) -> Tensor:
    r"""Cost of the target; for probabilities, as mixup and distillation give them, its expectation.

    .. math:: \sum_c q_c \, \ell(z, c)

    A class without share has no part in value and gradient, were its cost infinite. Only the slope and one cost per
    class are kept for the gradient. It takes as long as a label for each class that has a share, of all classes where
    nobody may look which have one; there, and for a second derivative, a compiler or a transform of ``torch.func``
    forms C logits for each class. With ``every`` and many classes it is one pass of plain operations instead.

    Args:
        cost: of one class per target.
        labels: as :func:`~losszoo_plugins.classification.labels.read` gives them.
        every: the costs (..., C) of all classes of logits (..., C), where they are to be had together.

    Returns:
        (N, ...).
    """
    if not labels.targets.is_floating_point():
        return cost(labels.logits, labels.targets)
    share, columns = _some(labels.targets)
    if every is not None and columns.shape[-1] > _MANY:
        return pick(every(labels.logits), labels)
    formula = partial(_plain, cost=cost, columns=columns)
    if only_plain():
        return formula(labels.logits, share)
    values: Tensor = _Expectation.apply(labels.logits, share, columns, cost)  # type: ignore[no-untyped-call]
    return differentiable_again(values, formula, labels.logits, share)


def _some(share: Tensor) -> tuple[Tensor, Tensor]:
    """Shares and their classes, (..., K) each: as many as the position with most of them has, where one may look."""
    if only_plain(share) or share.device.type != "cpu" or not share.numel():
        return share, torch.arange(share.shape[-1], device=share.device).expand(share.shape)
    most = max(1, int((share != 0).sum(-1).max()))
    columns = share.abs().topk(most, -1).indices
    return share.gather(-1, columns), columns


def _plain(logits: Tensor, share: Tensor, *, cost: Cost, columns: Tensor) -> Tensor:
    return (share * _costs(cost, logits, share, columns)).sum(-1)


def _costs(cost: Cost, logits: Tensor, share: Tensor, columns: Tensor) -> Tensor:
    """The cost of each of the classes in the columns, (..., K)."""
    # A class that is ruled out by its logit costs infinity, and 0 times that is NaN, in value and slope.
    ruled_out = (share == 0) & logits.gather(-1, columns).isinf()
    return cost(torch.where(ruled_out.unsqueeze(-1), 0.0, logits.unsqueeze(-2)), columns)


class _Expectation(Function):
    """Value and slope at once, for some classes at a time. As positions are apart, the slope is that of the sum."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, share: Tensor, columns: Tensor, cost: Cost) -> Tensor:
        fixed, shares = logits.detach().requires_grad_(ctx.needs_input_grad[0]), share.detach()
        costs, slope = torch.empty_like(shares), torch.zeros_like(fixed)
        step = max(1, _LOGITS // max(1, logits.numel()))
        for start in range(0, columns.shape[-1], step):
            part = (..., slice(start, start + step))
            with torch.enable_grad():
                found = _costs(cost, fixed, shares[part], columns[part])
            costs[part] = found.detach()
            if fixed.requires_grad:
                slope += torch.autograd.grad(found, fixed, shares[part])[0]
        ctx.save_for_backward(slope, costs)
        return (shares * costs).sum(-1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        slope, costs = ctx.saved_tensors
        outer = grad.unsqueeze(-1)
        return outer * slope, outer * costs if ctx.needs_input_grad[1] else None, None, None
