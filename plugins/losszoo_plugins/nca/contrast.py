"""Log odds of the other classes against the own one, and what is made of them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from losszoo import pairwise

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


@pairwise(similarity="euclidean", temperature=1.0, needs=("positive", "negative"))
def nca_stable(logits: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    r"""Negative log ratio of the own class's probability to that of the others.

    .. math:: \ell_i = \log \sum_{j: y_j \ne y_i} e^{s_{ij}} - \log \sum_{j \ne i: y_j = y_i} e^{s_{ij}}

    It is :func:`nca_ratio` where that is finite, and finite with the right gradient elsewhere: the softmax's
    normaliser cancels, and the two log-sum-exps that remain do not underflow. Like the ratio it has no lower
    bound: separated classes are pushed apart for ever, so use it with weight decay, a bounded embedding or
    few epochs, or use :func:`nca`.

    Args:
        logits: (rows, N), similarity over temperature.
        positive: (rows, N), boolean.
        negative: (rows, N), boolean.

    Returns:
        (rows,), unbounded. A row without a positive or without a negative takes no part.

    Example:
        >>> logits = torch.tensor([[0.0, -1.0, -2000.0]])
        >>> nca_stable(logits, torch.tensor([[False, False, True]]), torch.tensor([[False, True, False]]))
        tensor([1999.])

    Reference:
        Goldberger, Roweis, Hinton, Salakhutdinov, "Neighbourhood Components Analysis", NeurIPS 2004.
    """
    return log_odds(logits, positive, negative)


@pairwise(similarity="euclidean", temperature=1.0, needs=("positive", "negative"))
def nca_difference(logits: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    r"""Probability of the other classes minus probability of the own one.

    .. math:: \ell_i = P_i^{\text{diff}} - P_i^{\text{same}} = \tanh(\tfrac{1}{2} \ell_i^{\text{stable}})

    Bounded, so neither outliers nor separated classes dominate. The price is that a row deep among another
    class has a vanishing gradient, as much as one that is right. Rows without a positive take no part, as in
    the rest of the family, though the difference would be defined for them.

    Args:
        logits: (rows, N), similarity over temperature.
        positive: (rows, N), boolean.
        negative: (rows, N), boolean.

    Returns:
        (rows,), in [-1, 1]. A row without a positive or without a negative takes no part.

    Example:
        >>> logits = torch.tensor([[0.0, -1.0, -1.0]])
        >>> nca_difference(logits, torch.tensor([[False, False, True]]), torch.tensor([[False, True, False]]))
        tensor([0.])

    Reference:
        Goldberger, Roweis, Hinton, Salakhutdinov, "Neighbourhood Components Analysis", NeurIPS 2004.
    """
    odds = log_odds(logits, positive, negative)
    # By the smaller of the two probabilities: the derivative p (1 - p) of the larger one rounds to 0 first.
    wrong = odds > 0
    smaller = torch.where(wrong, -odds, odds).sigmoid()
    return torch.where(wrong, 1 - 2 * smaller, 2 * smaller - 1)


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
    underflows forty.
    """
    left_out = (~mask).to(logits.dtype)
    some = left_out.amin(1, keepdim=True) == 0
    scores = torch.sub(logits, left_out, alpha=torch.finfo(logits.dtype).max)
    peak = torch.where(some, scores.amax(1, keepdim=True), torch.inf)
    terms = scores.sub_(peak).clamp_(min=-70.0).exp_()
    terms = torch.threshold_(terms, 1e-28, 0.0)
    total = torch.where(some, terms.sum(1, keepdim=True), 1.0)
    return torch.where(some, peak, -torch.inf), total, terms.div_(total)
