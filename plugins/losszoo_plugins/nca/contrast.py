"""Log odds of the other classes against the own one, and what is made of them."""

from __future__ import annotations

import torch
from torch import Tensor

from losszoo import softmax_row


@softmax_row(similarity="euclidean", temperature=1.0, needs=("positive", "negative"))
def nca_stable(odds: Tensor) -> Tensor:
    r"""Negative log ratio of the own class's probability to that of the others.

    .. math:: \ell_i = \log \sum_{j: y_j \ne y_i} e^{s_{ij}} - \log \sum_{j \ne i: y_j = y_i} e^{s_{ij}}

    It is :func:`nca_ratio` where that is finite, and finite with the right gradient elsewhere: the softmax's
    normaliser cancels, and the two log-sum-exps that remain do not underflow. Like the ratio it has no lower
    bound: separated classes are pushed apart for ever, so use it with weight decay, a bounded embedding or
    few epochs, or use :func:`nca`.

    Args:
        odds: (rows,), log odds of the negatives against the positives in the row's softmax; see
            :func:`losszoo.softmax_row`.

    Returns:
        (rows,), unbounded. A row without a positive or without a negative takes no part.

    Example:
        >>> logits = torch.tensor([[0.0, -1.0, -2000.0]])
        >>> nca_stable(logits, torch.tensor([[False, False, True]]), torch.tensor([[False, True, False]]))
        tensor([1999.])

    Reference:
        Goldberger, Roweis, Hinton, Salakhutdinov, "Neighbourhood Components Analysis", NeurIPS 2004.
    """
    return odds


@softmax_row(similarity="euclidean", temperature=1.0, needs=("positive", "negative"))
def nca_difference(odds: Tensor) -> Tensor:
    r"""Probability of the other classes minus probability of the own one.

    .. math:: \ell_i = P_i^{\text{diff}} - P_i^{\text{same}} = \tanh(\tfrac{1}{2} \ell_i^{\text{stable}})

    Bounded, so neither outliers nor separated classes dominate. The price is that a row deep among another
    class has a vanishing gradient, as much as one that is right. Rows without a positive take no part, as in
    the rest of the family, though the difference would be defined for them.

    Args:
        odds: (rows,), log odds of the negatives against the positives in the row's softmax; see
            :func:`losszoo.softmax_row`.

    Returns:
        (rows,), in [-1, 1]. A row without a positive or without a negative takes no part.

    Example:
        >>> logits = torch.tensor([[0.0, -1.0, -1.0]])
        >>> nca_difference(logits, torch.tensor([[False, False, True]]), torch.tensor([[False, True, False]]))
        tensor([0.])

    Reference:
        Goldberger, Roweis, Hinton, Salakhutdinov, "Neighbourhood Components Analysis", NeurIPS 2004.
    """
    # By the smaller of the two probabilities: the derivative p (1 - p) of the larger one rounds to 0 first.
    wrong = odds > 0
    smaller = torch.where(wrong, -odds, odds).sigmoid()
    return torch.where(wrong, 1 - 2 * smaller, 2 * smaller - 1)
