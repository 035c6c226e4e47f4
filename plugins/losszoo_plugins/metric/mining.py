"""Triplets mined in the batch: the hardest, the semi-hard, or all, without a cube of triplets."""

from __future__ import annotations

import torch
from torch import Tensor

from losszoo import Unreduced, pairwise


@pairwise(similarity="euclidean", temperature=None, needs=("positive", "negative"))
def triplet_batch_hard(logits: Tensor, positive: Tensor, negative: Tensor, *, margin: float = 1.0) -> Tensor:
    r"""Triplet loss of each row with its furthest positive and its closest negative.

    .. math:: \ell_i = \max\bigl(0, \max_{p} d_{ip} - \min_{n} d_{in} + m\bigr)

    For retrieval and re-identification, with several samples a class in each batch. A wrong label is always
    the hardest one, so it suffers from noisy labels. It can collapse to one point at first, where it is the
    margin; lower the learning rate or start with :func:`triplet_all`.

    Args:
        logits: (rows, N), minus the distance.
        positive: (rows, N), boolean.
        negative: (rows, N), boolean.
        margin: how much further the closest negative has to be, >= 0.

    Returns:
        (rows,), >= 0. A row without a positive or without a negative takes no part.

    Example:
        >>> logits = -torch.tensor([[0.0, 1.0, 1.5]])
        >>> positive = torch.tensor([[False, True, False]])
        >>> triplet_batch_hard(logits, positive, torch.tensor([[False, False, True]]))
        tensor([0.5000])

    Reference:
        Hermans, Beyer, Leibe, "In Defense of the Triplet Loss for Person Re-Identification", 2017,
        arXiv:1703.07737.
    """
    if logits.numel() == 0:
        return logits.sum(1)
    furthest = torch.where(positive, logits, torch.inf).amin(1)
    closest = torch.where(negative, logits, -torch.inf).amax(1)
    return torch.relu(closest - furthest + margin)


@pairwise(similarity="euclidean", temperature=None, needs=("positive", "negative"))
def triplet_semi_hard(logits: Tensor, positive: Tensor, negative: Tensor, *, margin: float = 1.0) -> Unreduced:
    r"""Triplet loss of each positive pair with its semi-hard negative.

    .. math:: \ell_{ip} = \max\bigl(0, d_{ip} - \min_{n: d_{in} > d_{ip}} d_{in} + m\bigr)

    The closest negative that is still further away than the positive; where there is none, the furthest
    negative. Milder than the hardest negative, which early in training collapses the embedding.

    Args:
        logits: (rows, N), minus the distance.
        positive: (rows, N), boolean.
        negative: (rows, N), boolean.
        margin: how much further the negative has to be, >= 0.

    Returns:
        (rows,), the sum over the row's positives, which counts as many. A row without a positive or without a
        negative takes no part.

    Example:
        >>> logits = -torch.tensor([[0.0, 1.0, 0.5, 1.5]])
        >>> positive = torch.tensor([[False, True, False, False]])
        >>> triplet_semi_hard(logits, positive, torch.tensor([[False, False, True, True]])).values
        tensor([0.5000])

    Reference:
        Schroff, Kalenichenko, Philbin, "FaceNet: A Unified Embedding for Face Recognition and Clustering",
        CVPR 2015.
    """
    distances = -logits
    negatives = _ascending(distances, negative)
    beyond = _place(distances, negatives, right=True)
    chosen = negatives.gather(1, torch.minimum(beyond, negative.sum(1, keepdim=True) - 1).clamp(min=0))
    losses = torch.where(positive, torch.relu(distances - chosen + margin), 0.0)
    return Unreduced(losses.sum(1), positive.sum(1).to(logits.dtype))


@pairwise(similarity="euclidean", temperature=None, needs=("positive", "negative"))
def triplet_all(
    logits: Tensor, positive: Tensor, negative: Tensor, *, margin: float = 1.0, average: str = "all"
) -> Unreduced:
    r"""Triplet loss of every valid triplet of the batch.

    .. math:: \ell_i = \sum_{p} \sum_{n} \max(0, d_{ip} - d_{in} + m)

    Smoother than mining. Late in training most triplets are satisfied and wash the mean out; "nonzero" then
    divides by the triplets that are not. The sum over negatives is read off their sorted distances, so memory
    and time grow with the pairs, not with the triplets.

    Args:
        logits: (rows, N), minus the distance.
        positive: (rows, N), boolean.
        negative: (rows, N), boolean.
        margin: how much further the negative has to be, >= 0.
        average: "all": the mean counts every triplet; "nonzero": those with a loss above 0.

    Returns:
        (rows,), the sum over the row's triplets, which counts as many. A row without a positive or without a
        negative takes no part.

    Example:
        >>> logits = -torch.tensor([[0.0, 1.0, 1.5, 9.0]])
        >>> positive = torch.tensor([[False, True, False, False]])
        >>> triplet_all(logits, positive, torch.tensor([[False, False, True, True]]))
        Unreduced(values=tensor([0.5000]), counts=tensor([2.]))

    Reference:
        Hermans, Beyer, Leibe, "In Defense of the Triplet Loss for Person Re-Identification", 2017,
        arXiv:1703.07737.
    """
    # In float64: a sum of k hinges is k times the reach minus a prefix sum, and the two may nearly cancel.
    distances = -logits.double()
    reach = distances + margin
    negatives = _ascending(distances, negative)
    active = _place(reach, negatives, right=False)
    within = torch.where(negatives < torch.inf, negatives, 0.0).cumsum(1)
    within = torch.nn.functional.pad(within, (1, 0)).gather(1, active)
    sums = torch.where(positive, active * reach - within, 0.0).sum(1)
    every = positive.sum(1) * negative.sum(1)
    counts = torch.where(positive, active, 0).sum(1) if average == "nonzero" else every
    return Unreduced(sums.to(logits.dtype), counts.to(logits.dtype))


def _ascending(distances: Tensor, mask: Tensor) -> Tensor:
    """Distances under the mask from the smallest up, then infinity for the rest of each row."""
    return torch.where(mask, distances, torch.inf).sort(1).values


def _place(values: Tensor, ascending: Tensor, *, right: bool) -> Tensor:
    """How many of the row's ascending entries are below each value (``right``: or equal to it)."""
    return torch.searchsorted(ascending.detach().contiguous(), values.detach().contiguous(), right=right)
