"""Log odds of the other classes against the own one, and what is made of them."""

from __future__ import annotations

import torch
from torch import Tensor

from losszoo import pairwise


def log_odds(logits: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    r"""Log odds that the softmax of a row picks a negative rather than a positive.

    .. math:: \log \sum_{j \in N} e^{s_j} - \log \sum_{j \in P} e^{s_j}

    The mathematics that the losses of a neighbourhood share. Each sum is taken relative to its own largest
    term, so neither can underflow, and one exponential serves both.

    Args:
        logits: (rows, N).
        positive: (rows, N), boolean.
        negative: (rows, N), boolean; disjoint from ``positive``, or equal to it.

    Returns:
        (rows,): ``-inf`` with a zero gradient where a row has no negative, ``+inf`` where it has no positive.

    Example:
        >>> log_odds(torch.zeros(1, 3), torch.tensor([[True, False, False]]), torch.tensor([[False, True, True]]))
        tensor([0.6931])
    """
    nearest_positive, nearest_negative = _peak(logits, positive), _peak(logits, negative)
    shift = torch.where(negative, nearest_negative.unsqueeze(1), torch.inf)
    shift = torch.where(positive, nearest_positive.unsqueeze(1), shift)
    # Terms of 1e-28 of the largest change no sum, and their subnormal gradients would slow every later
    # product down.
    terms = torch.nn.functional.threshold(logits - shift, -64.0, -torch.inf).exp()
    log_positive = _log_of_sum(terms, positive, nearest_positive)
    log_negative = _log_of_sum(terms, negative, nearest_negative)
    gap = torch.where(nearest_positive == nearest_negative, 0.0, nearest_negative - nearest_positive)
    return gap + (log_negative - log_positive)


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


def _peak(logits: Tensor, mask: Tensor) -> Tensor:
    """Largest logit under the mask, without a gradient; -inf where the mask leaves nothing."""
    if logits.shape[1] == 0:
        return logits.new_full((logits.shape[0],), -torch.inf)
    return logits.detach().masked_fill(~mask, -torch.inf).amax(1)


def _log_of_sum(terms: Tensor, mask: Tensor, peak: Tensor) -> Tensor:
    """Logarithm of the sum under the mask, 0 where there is nothing under it."""
    total = torch.where(mask, terms, 0.0).sum(1)
    return torch.where(peak.isfinite(), total, 1.0).log()
