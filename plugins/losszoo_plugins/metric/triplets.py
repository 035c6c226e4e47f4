"""The loss of one triplet."""

from __future__ import annotations

import torch
from torch import Tensor

from losszoo_plugins.metric.pairs import distance


def triplet(anchors: Tensor, positives: Tensor, negatives: Tensor, *, margin: float = 1.0) -> Tensor:
    r"""Triplet loss on the Euclidean distance, which is not squared.

    .. math:: \ell = \max(0, \lVert a - p \rVert - \lVert a - n \rVert + m)

    For triplets that are drawn outside, or given. Where only labels are given, the losses that mine in the
    batch (:func:`triplet_batch_hard` and its kin) use each embedding many times.

    Args:
        anchors: (N, D) embeddings.
        positives: (N, D) embeddings.
        negatives: (N, D) embeddings.
        margin: how much further the negative has to be, >= 0.

    Returns:
        (N,), >= 0.

    Example:
        >>> triplet(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]]), torch.tensor([[0.0, 5.5]]))
        tensor([0.5000])

    Reference:
        Schroff, Kalenichenko, Philbin, "FaceNet: A Unified Embedding for Face Recognition and Clustering",
        CVPR 2015.
    """
    return torch.relu(distance(anchors, positives) - distance(anchors, negatives) + margin)
