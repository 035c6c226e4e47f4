"""Numerical building blocks whose value and gradient stay finite where the plain form does not."""

from __future__ import annotations

import torch
from torch import Tensor


def masked_logsumexp(logits: Tensor, mask: Tensor, dim: int = -1) -> Tensor:
    r"""Logarithm of the sum of exponentials over the entries where ``mask`` is True.

    .. math:: \log \sum_{j \in \text{mask}} e^{x_j}

    Where the mask leaves nothing, or only ``-inf``, the value is ``-inf``, as the sum is 0, and the gradient is zero,
    not NaN.

    Args:
        logits: any shape; what stands under a False mask is never looked at, NaN included.
        mask: boolean, broadcastable to ``logits``.
        dim: dimension that is summed over.

    Returns:
        Shape of ``logits`` without ``dim``.

    Example:
        >>> masked_logsumexp(torch.tensor([0.0, 0.0, float("nan")]), torch.tensor([True, True, False]))
        tensor(0.6931)
    """
    some = (mask & (logits != -torch.inf)).any(dim)
    # A row with nothing left is computed as if all of it were there (0 instead of its logits, so that it is finite),
    # then replaced: logsumexp over only -inf has a NaN gradient, which no later `where` could remove.
    filled = torch.where(mask, logits, -torch.inf)
    filled = torch.where(some.unsqueeze(dim), filled, 0.0)
    return torch.where(some, torch.logsumexp(filled, dim), -torch.inf)


def safe_sqrt(x: Tensor) -> Tensor:
    r"""Square root of x >= 0 whose gradient at 0 is 0 instead of infinite.

    Example:
        >>> x = torch.zeros(1, requires_grad=True)
        >>> safe_sqrt(x).backward()
        >>> x.grad
        tensor([0.])
    """
    zero = x == 0
    return torch.where(zero, 0.0, torch.where(zero, 1.0, x).sqrt())
