"""Losses over pairs, written as what one row of the pair matrix does."""

from typing import Annotated

from torch import Tensor
from torch.nn.functional import softplus

import losszoo
from losszoo import Range


@losszoo.loss(signature="embedding", tags=("metric-learning",))
@losszoo.pairwise(similarity="cosine", temperature=None, needs=("positive", "negative"))
def pull_and_push(
    logits: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    pull: Annotated[float, Range(0, None, bounds="()", search=(0.5, 20))] = 2.0,
    push: Annotated[float, Range(0, None, bounds="()", search=(5, 200))] = 50.0,
    base: Annotated[float, Range(None, None, search=(0, 1))] = 0.5,
) -> Tensor:
    r"""Pulls a row's positives and pushes its negatives, the hardest most.

    .. math:: \ell_i = \tfrac{1}{a} \log\bigl(1 + \sum_{p} e^{-a (s_{ip} - b)}\bigr)
        + \tfrac{1}{c} \log\bigl(1 + \sum_{n} e^{c (s_{in} - b)}\bigr)

    For retrieval, with several samples of a class in each batch.

    Args:
        embeddings: (N, D).
        labels: (N,) int64; the positives of a row are the others of its label.
        pull: a, how much the hardest positive counts before the others.
        push: c, how much the hardest negative counts before the others.
        base: b, the similarity that parts the two.
        similarity: s, of two rows; a distance is its negative.

    Returns:
        One value per row. A row without a positive or without a negative takes no part.

    Reference:
        Wang, Han, Huang, Dong, Scott, "Multi-Similarity Loss with General Pair Weighting for Deep Metric
        Learning", CVPR 2019, https://arxiv.org/abs/1904.06627.
    """
    # log(1 + sum) as the softplus of a log-sum-exp: no number of pairs overflows it.
    near = losszoo.masked_logsumexp(pull * (base - logits), positive)
    far = losszoo.masked_logsumexp(push * (logits - base), negative)
    return softplus(near) / pull + softplus(far) / push
