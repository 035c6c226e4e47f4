"""Losses of one pair, and the distance that they measure."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor

from losszoo import Range, loss, safe_sqrt, wide
from losszoo_plugins.metric.cosines import one_minus_cosine


def distance(first: Tensor, second: Tensor) -> Tensor:
    r"""Euclidean distance of corresponding rows.

    .. math:: d = \lVert a - b \rVert_2

    The difference is divided by its largest entry first, so its squares neither overflow nor vanish. At
    distance 0 the gradient is 0, not NaN.

    Args:
        first: (N, D).
        second: (N, D).

    Returns:
        (N,), >= 0.

    Example:
        >>> distance(torch.tensor([[3e30, 0.0]]), torch.tensor([[0.0, 4e30]]))
        tensor([5.0000e+30])
    """
    difference = first - second
    largest = difference.detach().abs().amax(1)
    scale = torch.where(largest > 0, largest, 1.0)
    scaled = difference / scale.unsqueeze(1)
    return scale * safe_sqrt((scaled * scaled).sum(1))


def apart(first: Tensor, second: Tensor, similarity: str) -> Tensor:
    """(N,): how far corresponding rows are apart: minus their similarity, and one minus it where it is a cosine."""
    if similarity == "cosine":
        return one_minus_cosine(first, second)
    if similarity == "dot":
        return -(first * second).sum(1)
    d = distance(first, second)
    return d if similarity == "euclidean" else d * d


@loss(
    signature="pair",
    tags=("metric", "pairwise-ranking", "siamese"),
    aliases=("siamese-contrastive", "pair-contrastive", "margin-contrastive"),
)
@wide
def contrastive(
    first: Tensor,
    second: Tensor,
    same: Tensor,
    *,
    margin: Annotated[float, Range(0, None, bounds="()", search=(0.05, 2))] = 1.0,
    similarity: Literal["euclidean", "squared-euclidean", "cosine", "dot"] = "euclidean",
) -> Tensor:
    r"""Squared distance of a positive pair, squared hinge of the distance of a negative pair.

    .. math:: \ell = \tfrac12 s\, d^2 + \tfrac12 (1 - s) \max(0, m - d)^2

    For siamese training with labels of pairs only. A negative pair at distance 0 has no direction to move apart, so
    its gradient is 0. Some libraries call it pairwise ranking loss; it is not torch's ``margin_ranking_loss``, which
    compares two scores.

    Args:
        first: (N, D) embeddings.
        second: (N, D) embeddings.
        same: (N,), s: 1 (True) where a pair belongs together, 0 where not; a degree between where it is graded.
        margin: m, the distance from which on a pair that does not belong together costs nothing.
        similarity: minus the distance d; that of a cosine is one minus it, of a dot product minus it.

    Returns:
        (N,), >= 0.

    Example:
        >>> first, second = torch.zeros(2, 2), torch.tensor([[0.6, 0.0], [0.6, 0.0]])
        >>> contrastive(first, second, torch.tensor([1, 0]))
        tensor([0.1800, 0.0800])

    Reference:
        Hadsell, Chopra, LeCun, "Dimensionality Reduction by Learning an Invariant Mapping", CVPR 2006,
        https://doi.org/10.1109/CVPR.2006.100.
    """
    d, same = apart(first, second, similarity), same.to(first.dtype)
    # A square that has no weight is that of 0: d^2 may overflow where only the hinge counts, and 0 * inf is NaN.
    together, beyond = torch.where(same > 0, d, 0.0), torch.where(same < 1, (margin - d).relu(), 0.0)
    return 0.5 * same * together * together + 0.5 * (1 - same) * beyond * beyond
