"""Losses whose target is a sign, as torch.nn has them: soft margin, hinge embedding, margin ranking."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor
from torch.nn.functional import softplus

from losszoo import Range, loss


@loss(signature="signed", tags=("margin", "probabilistic"), aliases=("signed-logistic", "soft-margin-loss"))
def soft_margin(scores: Tensor, signs: Tensor) -> Tensor:
    r"""Logistic loss of a score against a sign.

    .. math:: \ell = \log(1 + e^{-y x})

    ``bce`` for labels of -1 and 1. torch's ``soft_margin_loss`` forms the exponential: measured in float32, it is
    infinite from y x = -89 on. Here it is -y x. Labels of 0 and 1 go to ``bce``.

    Args:
        scores: x, any shape.
        signs: y, 1 or -1, shape of ``scores``.

    Returns:
        One value per element, shape of ``scores``.

    Example:
        >>> soft_margin(torch.tensor([0.0, -200.0]), torch.tensor([-1.0, 1.0]))
        tensor([  0.6931, 200.0000])

    Reference:
        Friedman, Hastie, Tibshirani, "Additive Logistic Regression: A Statistical View of Boosting", Annals of
        Statistics 2000, https://doi.org/10.1214/aos/1016218223.
    """
    return softplus(-signs * scores)


@loss(signature="distances", tags=("margin", "metric"), aliases=("hinge-embedding-loss",))
def hinge_embedding(
    distances: Tensor, signs: Tensor, *, margin: Annotated[float, Range(0, None, search=(0.1, 10))] = 1.0
) -> Tensor:
    r"""Distance of what belongs together, hinge of the distance of what does not.

    .. math:: \ell = \begin{cases} d & y = 1 \\ \max(0,\; m - d) & y = -1 \end{cases}

    For distances that are at hand, of any kind. The gradient of a pair that belongs together is 1 however near it is;
    ``contrastive`` takes embeddings and squares the distance, so that it comes to rest.

    Args:
        distances: d, any shape; torch's ``hinge_embedding_loss`` calls it input.
        signs: y, 1 where a pair belongs together, else -1.
        margin: m, the distance from which a negative pair costs nothing.

    Returns:
        One value per element, shape of ``distances``.

    Example:
        >>> hinge_embedding(torch.tensor([0.5, 0.2, 3.0]), torch.tensor([1.0, -1.0, -1.0]))
        tensor([0.5000, 0.8000, 0.0000])

    Reference:
        Hadsell, Chopra, LeCun, "Dimensionality Reduction by Learning an Invariant Mapping", CVPR 2006,
        https://doi.org/10.1109/CVPR.2006.100.
    """
    return torch.where(signs > 0, distances, torch.relu(margin - distances))


@loss(signature="order", tags=("margin", "ranking"), aliases=("pairwise-hinge", "margin-ranking-loss"))
def margin_ranking(
    first: Tensor, second: Tensor, signs: Tensor, *, margin: Annotated[float, Range(0, None, search=(0, 2))] = 0.0
) -> Tensor:
    r"""Hinge of the difference of two scores: the one that should be higher must lead by a margin.

    .. math:: \ell = \max(0,\; m - y (x_1 - x_2))

    For comparisons of two things. With margin 0, torch's default, two constant scores cost nothing: take a margin
    above 0 where scores may collapse, or ``bradley-terry``, which has a gradient for every pair.

    Args:
        first: x1, any shape.
        second: x2, shape of ``first``.
        signs: y, 1 where the first should be higher, -1 where the second, 0 for a tie, which has no gradient.
        margin: m, the lead that costs nothing.

    Returns:
        One value per pair, shape of ``first``.

    Example:
        >>> margin_ranking(torch.tensor([1.0, 1.0]), torch.tensor([0.0, 0.0]), torch.tensor([1.0, -1.0]))
        tensor([0., 1.])

    Reference:
        Herbrich, Graepel, Obermayer, "Support Vector Learning for Ordinal Regression", ICANN 1999,
        https://doi.org/10.1049/cp:19991091.
    """
    # The difference first: of scores near 1e8, m - x1 alone keeps no digit of the margin.
    return torch.relu(margin - signs * (first - second))
