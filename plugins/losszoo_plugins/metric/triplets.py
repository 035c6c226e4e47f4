"""The loss of one triplet."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor

from losszoo import Range, loss, wide
from losszoo_plugins.metric.pairs import apart


@loss(signature="triplet", tags=("metric", "triplet"), aliases=("triplet-margin", "triplet-loss"))
@wide
def triplet(
    anchors: Tensor,
    positives: Tensor,
    negatives: Tensor,
    *,
    margin: Annotated[float, Range(0, None, search=(0.05, 2))] = 1.0,
    similarity: Literal["euclidean", "squared-euclidean", "cosine", "dot"] = "euclidean",
    swap: bool = False,
) -> Tensor:
    r"""Hinge loss: the negative must be further from the anchor than the positive by a margin.

    .. math:: \ell = \max(0,\; \|a - p\| - \|a - n\| + m)

    On the Euclidean distance, which is not squared, unless another similarity is chosen. For triplets that the data
    loader draws. With labels, the losses that mine triplets in the batch (such as ``triplet-batch-hard``) use each
    embedding many times.

    Args:
        anchors: (N, D) embeddings.
        positives: (N, D) embeddings.
        negatives: (N, D) embeddings.
        margin: how much further the negative has to be.
        similarity: minus the distance; that of a cosine is one minus it, of a dot product minus it.
        swap: whether the negative may be compared with the positive, where it is nearer to that than to the anchor.

    Returns:
        (N,), >= 0.

    Example:
        >>> triplet(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]]), torch.tensor([[0.0, 5.5]]))
        tensor([0.5000])

    Reference:
        Schroff, Kalenichenko, Philbin, "FaceNet: A Unified Embedding for Face Recognition and Clustering",
        CVPR 2015, https://arxiv.org/abs/1503.03832.
    """
    far = apart(anchors, negatives, similarity)
    if swap:
        far = torch.minimum(far, apart(positives, negatives, similarity))
    return torch.relu(apart(anchors, positives, similarity) - far + margin)
