"""A pair against the negatives of both of its ends."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor

from losszoo import Range, Unreduced, loss, masked_logsumexp, pairwise_logits, wide
from losszoo_plugins.metric.row_blocks import in_blocks, relations


@loss(signature="embedding", tags=("metric", "contrastive"), aliases=("lifted", "lifted-structured"))
@wide
def lifted_structure(
    embeddings: Tensor,
    labels: Tensor,
    *,
    margin: Annotated[float, Range(0, None, search=(0.1, 2.0))] = 1.0,
    similarity: Literal["euclidean", "squared-euclidean", "cosine", "dot"] = "euclidean",
    mask: Tensor | None = None,
) -> Unreduced:
    r"""Each positive pair lifted against all negatives of both ends: the squared hinge of a soft maximum.

    .. math:: \ell_i = \tfrac12 \sum_{j \in P_i} \max\Bigl(0,\; d_{ij} + \log\bigl(\sum_{n \in N_i} e^{m - d_{in}}
        + \sum_{n \in N_j} e^{m - d_{jn}}\bigr)\Bigr)^2

    For retrieval with a few samples of a class in each batch: every positive pair sees the negatives of both of its
    rows, not one of them. Distances grow with the width of the embedding, so divide rows by their length or choose the
    margin by them; pytorch-metric-learning divides by the length unless told otherwise. The sums of exponentials are
    taken in log space: at distances of 100 a plain one is 0, and its logarithm infinite.

    The log-sum-exp of each row is computed first, and the pairs then, each for some rows at a time.

    Args:
        embeddings: (N, D).
        labels: (N,) int64, or (N, K) multi-hot; the positives of a row are the others of its label.
        margin: m, how much further the negatives have to be.
        similarity: minus the distance d; cosine and dot are taken for minus a distance.
        mask: (N,) rows that take part, as candidates too.

    Returns:
        (N,), the sum over the row's positives, which counts as many. A row without a positive takes no part.

    Example:
        >>> embeddings, labels = torch.tensor([[0.0], [1.0], [1.5]]), torch.tensor([0, 0, 1])
        >>> lifted_structure(embeddings, labels).values
        tensor([1.6440, 1.6440, 0.0000])

    Reference:
        Song, Xiang, Jegelka, Savarese, "Deep Metric Learning via Lifted Structured Feature Embedding", CVPR 2016,
        https://arxiv.org/abs/1511.06452.
    """
    count = len(embeddings)

    def soft_maximum(block: slice) -> Tensor:
        logits = pairwise_logits(embeddings[block], embeddings, similarity)
        return masked_logsumexp(logits + margin, relations(labels, block, mask)[1])

    reach = in_blocks(soft_maximum, count, 4 * count)
    # A row without negatives adds nothing; a logarithm of -inf would have no gradient.
    reach = torch.where(reach == -torch.inf, torch.finfo(reach.dtype).min / 4, reach)

    def pulled(block: slice) -> Tensor:
        logits = pairwise_logits(embeddings[block], embeddings, similarity)
        hinges = (torch.logaddexp(reach[block].unsqueeze(1), reach) - logits).relu()
        # Only then squared: what is no positive could overflow.
        hinges = torch.where(relations(labels, block, mask)[0], hinges, 0.0)
        return 0.5 * (hinges * hinges).sum(1)

    def positives(block: slice) -> Tensor:
        return relations(labels, block, mask)[0].sum(1)

    values = in_blocks(pulled, count, 6 * count)
    return Unreduced(values, in_blocks(positives, count, 2 * count).to(values.dtype))
