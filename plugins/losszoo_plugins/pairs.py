"""What losses share that set a row's positives against its negatives in one softmax."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

# Rows that are worked on at a time: few enough for the cache.
_BLOCK = 256


def log_odds(logits: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    r"""Log odds that the softmax of a row picks a negative rather than a positive.

    .. math:: \log \sum_{j \in N} e^{s_j} - \log \sum_{j \in P} e^{s_j}

    The mathematics that the losses of a neighbourhood share. Each sum is taken relative to its own largest
    term, so neither can underflow. The gradient itself cannot be differentiated again.

    Args:
        logits: (rows, N).
        positive: (rows, N), boolean.
        negative: (rows, N), boolean; disjoint from ``positive``, or equal to it.

    Returns:
        (rows,): ``+inf`` where a row has no positive, else ``-inf`` where it has no negative.

    Example:
        >>> positive = torch.tensor([[True, False, False]])
        >>> log_odds(torch.zeros(1, 3), positive, ~positive)
        tensor([0.6931])
    """
    if logits.numel() == 0:
        return logits.sum(1) + torch.inf
    odds: Tensor = _LogOdds.apply(logits, positive, negative)  # type: ignore[no-untyped-call]
    return odds


def negative_log_share(odds: Tensor) -> Tensor:
    r"""Negative logarithm of the positives' share in a softmax, from the log odds of the negatives.

    .. math:: -\log \frac{1}{1 + e^{o}}

    It keeps its digits both where the share is nearly 0 and where it is nearly 1.

    Args:
        odds: result of :func:`log_odds`, any shape; ``-inf`` where there is no negative.

    Returns:
        Shape of ``odds``, >= 0.

    Example:
        >>> negative_log_share(torch.tensor([0.0, 80.0]))
        tensor([ 0.6931, 80.0000])
    """
    return -torch.nn.functional.logsigmoid(-odds)


class _LogOdds(torch.autograd.Function):
    """Its gradient is known with the value: softmax over the negatives minus softmax over the positives.

    So one matrix is kept for the backward pass. A block of rows at a time stays in the cache.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        odds, slopes = [], torch.empty_like(logits)
        blocks = (torch.split(x, _BLOCK) for x in (logits, positive, negative, slopes))
        for scores, own_class, other_class, slope in zip(*blocks, strict=True):
            near, near_sum, pull = _softmax(scores, own_class)
            far, far_sum, push = _softmax(scores, other_class)
            torch.sub(push, pull, out=slope)
            gap = torch.where(near == -torch.inf, torch.inf, far - near)
            odds.append(gap + (far_sum.log() - near_sum.log()))
        ctx.save_for_backward(slopes)
        return torch.cat(odds).squeeze(1)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (slopes,) = ctx.saved_tensors
        return slopes * grad.unsqueeze(1), None, None


def _softmax(logits: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Largest logit, sum relative to it, and softmax under the mask: (rows, 1), (rows, 1), (rows, N).

    Where the mask leaves nothing they are -inf, 1 and 0. The mask is subtracted rather than selected by, and
    terms of 1e-28 of the largest are 0: a selection costs ten times an arithmetic pass, an exponential that
    underflows forty. It is subtracted twice, to -inf: once leaves a large logit that is left out above a low
    one that is not.
    """
    left_out = (~mask).to(logits.dtype)
    some = left_out.amin(1, keepdim=True) == 0
    scores = torch.sub(logits, left_out, alpha=torch.finfo(logits.dtype).max)
    scores.sub_(left_out, alpha=torch.finfo(logits.dtype).max)
    peak = torch.where(some, scores.amax(1, keepdim=True), torch.inf)
    terms = scores.sub_(peak).clamp_(min=-70.0).exp_()
    terms = torch.threshold_(terms, 1e-28, 0.0)
    total = torch.where(some, terms.sum(1, keepdim=True), 1.0)
    return torch.where(some, peak, -torch.inf), total, terms.div_(total)
