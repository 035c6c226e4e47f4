"""Losses that weigh each pair by how similar it is, and by how similar the other pairs of its row are."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from losszoo import Range, loss, masked_logsumexp, pairwise, wide
from losszoo_plugins.pairs import softplus

Scale = Annotated[float, Range(0, None, bounds="()", search=(1.0, 100.0))]


@loss(
    signature="embedding",
    tags=("metric", "contrastive"),
    aliases=("multisimilarity", "ms-loss", "general-pair-weighting"),
)
@wide
@pairwise(similarity="cosine", temperature=None, needs=("candidate",))
def multi_similarity(
    logits: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    alpha: Annotated[float, Range(0, None, bounds="()", search=(0.5, 20.0))] = 2.0,
    beta: Annotated[float, Range(0, None, bounds="()", search=(5.0, 200.0))] = 50.0,
    base: Annotated[float, Range(None, None, search=(0.0, 1.0))] = 0.5,
) -> Tensor:
    r"""Pulls the positives of a row and pushes its negatives, the hardest of either most.

    .. math:: \ell_i = \tfrac{1}{\alpha} \log\bigl(1 + \sum_{p} e^{-\alpha (s_{ip} - b)}\bigr)
        + \tfrac{1}{\beta} \log\bigl(1 + \sum_{n} e^{\beta (s_{in} - b)}\bigr)

    For retrieval with several samples of a class in each batch. Every pair counts, as the two sums weigh them: the
    authors leave out the easy ones before, by a miner with a margin of 0.1. A row without positives still pushes its
    negatives, and one without negatives still pulls, as in pytorch-metric-learning; with the miner of the authors such
    a row has no loss. At 1e20 times the embeddings pytorch-metric-learning 2.9 gives a gradient of 0, as the squares
    of their length overflow.

    Args:
        embeddings: (N, D).
        labels: (N,) int64; the positives of a row are the others of its label.
        alpha: how much the least similar positive counts before the others.
        beta: how much the most similar negative counts before the others.
        base: b, the similarity that parts the two.
        similarity: s, of two rows; a distance is its negative.

    Returns:
        One value per row, (N,), >= 0. A row that is alone takes no part.

    Example:
        >>> import losszoo
        >>> embeddings = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]])
        >>> losszoo.create("multi-similarity", reduction="none")(embeddings, torch.tensor([0, 0, 1])).round(decimals=4)
        tensor([0.1566, 0.1566, 0.0000])

    Reference:
        Wang, Han, Huang, Dong, Scott, "Multi-Similarity Loss with General Pair Weighting for Deep Metric Learning",
        CVPR 2019, https://arxiv.org/abs/1904.06627.
    """
    # log(1 + sum) as the softplus of a log-sum-exp: no number of pairs overflows it.
    near = masked_logsumexp(alpha * (base - logits), positive)
    far = masked_logsumexp(beta * (logits - base), negative)
    return softplus(near) / alpha + softplus(far) / beta


@loss(signature="embedding", tags=("metric", "contrastive", "detached-weights"), aliases=("circle-loss",))
@wide
@pairwise(similarity="cosine", temperature=None, needs=("positive", "negative"))
def circle(
    logits: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    margin: Annotated[float, Range(0, 1, bounds="()", search=(0.1, 0.6))] = 0.4,
    gamma: Scale = 80.0,
) -> Tensor:
    r"""Similarities with a pace of their own: what is far from its optimum is pulled most.

    .. math:: \ell_i = \log\Bigl(1 + \sum_n e^{\gamma [s_{in} + m]_+ (s_{in} - m)}
        \sum_p e^{\gamma [1 + m - s_{ip}]_+ (1 - m - s_{ip})}\Bigr)

    For retrieval and faces. The two factors in brackets are weights: as in the paper they have no gradient of their
    own, so the gradient is not the derivative of the value, and a gradient check must fail. Made for cosines, of
    which 1 is the optimum of positives and 0 that of negatives. The authors take a margin of 0.25 and a gamma of 256
    for faces, 128 for persons.

    Args:
        embeddings: (N, D).
        labels: (N,) int64; the positives of a row are the others of its label.
        margin: m, how far from their optima similarities are let be.
        gamma: what the similarities are multiplied by.
        similarity: s, of two rows; the optima are those of cosines.

    Returns:
        One value per row, (N,), >= 0. A row without a positive or without a negative takes no part.

    Example:
        >>> import losszoo
        >>> embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> losszoo.create("circle", reduction="none", gamma=1.0)(embeddings, torch.tensor([0, 0, 1]))
        tensor([0.5459, 0.5459, 0.0000])

    Reference:
        Sun, Cheng, Zhang, Zhang, Zheng, Wang, Wei, "Circle Loss: A Unified Perspective of Pair Similarity
        Optimization", CVPR 2020, https://arxiv.org/abs/2002.10857.
    """
    # What stands in neither mask, or in both as in a row that takes no part, is 0: a square of it could overflow.
    pulled = torch.where(positive & ~negative, logits, 0.0)
    pushed = torch.where(negative & ~positive, logits, 0.0)
    near = gamma * (1 + margin - pulled.detach()).relu() * (1 - margin - pulled)
    far = gamma * (pushed.detach() + margin).relu() * (pushed - margin)
    # The logarithm of a product of two sums, and of nothing beside it at +-1e4: both in log space.
    return softplus(masked_logsumexp(near, positive) + masked_logsumexp(far, negative))
