"""Losses from the log odds of the other classes against the own class."""

from __future__ import annotations

import torch
from torch import Tensor

from losszoo import loss, softmax_row


@loss(signature="embedding", tags=("nca", "neighbours", "embedding", "unbounded"))
@softmax_row(similarity="euclidean", temperature=1.0, needs=("positive", "negative"), temperature_search=(0.05, 20.0))
def nca_stable(odds: Tensor) -> Tensor:
    r"""Log odds that a random neighbour has another class; finite for every finite embedding.

    .. math:: \ell_i = \log \sum_{j: y_j \ne y_i} e^{s_{ij}/\tau} - \log \sum_{j \ne i: y_j = y_i} e^{s_{ij}/\tau}

    It is ``nca-ratio`` where that is finite, and finite with the right gradient elsewhere: the softmax's normaliser
    cancels, and the two log-sum-exps that remain do not underflow. Like the ratio it has no lower bound: separated
    classes are pushed apart without end, so use it with weight decay, a bounded embedding or few epochs, or use
    ``nca``.

    Args:
        embeddings: (N, D).
        labels: (N,) int64; the positives of a row are the others of its label.
        similarity: s, of two rows; a distance is its negative.
        temperature: what the similarities are divided by: the lower, the fewer neighbours count.

    Returns:
        One value per row, (N,), unbounded. A row without a positive or without a negative takes no part.

    Example:
        >>> import losszoo
        >>> embeddings, labels = torch.tensor([[0.0], [1.0], [-2000.0]]), torch.tensor([1, 0, 1])
        >>> losszoo.create("nca-stable", reduction="none")(embeddings, labels)[0]
        tensor(1999.)

    Reference:
        The losszoo developers; the probabilities of neighbours as in Goldberger, Roweis, Hinton, Salakhutdinov,
        "Neighbourhood Components Analysis", NeurIPS 2004,
        https://papers.nips.cc/paper/2566-neighbourhood-components-analysis.
    """
    return odds


@loss(signature="embedding", tags=("nca", "neighbours", "embedding", "bounded"))
@softmax_row(similarity="euclidean", temperature=1.0, needs=("positive", "negative"), temperature_search=(0.05, 20.0))
def nca_difference(odds: Tensor) -> Tensor:
    r"""Probability of the other classes minus that of the own class; the gradient vanishes for very wrong rows.

    .. math:: \ell_i = P_i^{\text{diff}} - P_i^{\text{same}}

    P is the softmax of s over the temperature, summed over the other rows of another class, or of the own one.
    Bounded, so neither outliers nor separated classes dominate. But the gradient vanishes for a row deep inside
    another class, as it does for a row that is right. Rows without a positive take no part, as in the rest of the
    family, though the difference would be defined for them. It is :math:`\tanh(\tfrac12 \ell_i)` of ``nca-stable``.

    Args:
        embeddings: (N, D).
        labels: (N,) int64; the positives of a row are the others of its label.
        similarity: s, of two rows; a distance is its negative.
        temperature: what the similarities are divided by: the lower, the fewer neighbours count.

    Returns:
        One value per row, (N,), in [-1, 1]. A row without a positive or without a negative takes no part.

    Example:
        >>> import losszoo
        >>> losszoo.create("nca-difference")(torch.zeros(3, 2), torch.tensor([0, 0, 1]))
        tensor(0.)

    Reference:
        The losszoo developers; the probabilities of neighbours as in Goldberger, Roweis, Hinton, Salakhutdinov,
        "Neighbourhood Components Analysis", NeurIPS 2004,
        https://papers.nips.cc/paper/2566-neighbourhood-components-analysis.
    """
    # By the smaller of the two probabilities: the derivative p (1 - p) of the larger one rounds to 0 first.
    wrong = odds > 0
    smaller = torch.where(wrong, -odds, odds).sigmoid()
    return torch.where(wrong, 1 - 2 * smaller, 2 * smaller - 1)
