"""The loss of one triplet."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from losszoo import Range, loss
from losszoo_plugins.metric.pairs import distance


@loss(signature="triplet", tags=("metric", "triplet"), aliases=("triplet-margin", "triplet-loss"))
def triplet(
    anchors: Tensor,
    positives: Tensor,
    negatives: Tensor,
    *,
    margin: Annotated[float, Range(0, None, search=(0.05, 2))] = 1.0,
) -> Tensor:
    r"""Hinge loss: the negative must be further from the anchor than the positive by a margin.

    .. math:: \ell = \max(0,\; \|a - p\| - \|a - n\| + m)

    On the Euclidean distance, which is not squared. For triplets that the data loader draws. With labels, the losses
    that mine triplets in the batch (such as ``triplet-batch-hard``) use each embedding many times.

    Args:
        anchors: (N, D) embeddings.
        positives: (N, D) embeddings.
        negatives: (N, D) embeddings.
        margin: how much further the negative has to be.

    Returns:
        (N,), >= 0.

    Example:
        >>> triplet(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]]), torch.tensor([[0.0, 5.5]]))
        tensor([0.5000])

    Reference:
        Schroff, Kalenichenko, Philbin, "FaceNet: A Unified Embedding for Face Recognition and Clustering",
        CVPR 2015, https://arxiv.org/abs/1503.03832.
    """
    return torch.relu(distance(anchors, positives) - distance(anchors, negatives) + margin)
