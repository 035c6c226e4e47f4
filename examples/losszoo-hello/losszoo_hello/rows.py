"""Losses over pairs, written as what one row of the pair matrix does."""

from torch import Tensor
from torch.nn.functional import softplus

import losszoo


@losszoo.pairwise(similarity="cosine", temperature=None, needs=("positive", "negative"))
def multi_similarity(
    logits: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    pull: float = 2.0,
    push: float = 50.0,
    base: float = 0.5,
) -> Tensor:
    """Pulls positives above the base similarity and pushes negatives below it, the hardest ones most."""
    # log(1 + sum) as the softplus of a log-sum-exp: no number of pairs overflows it.
    near = losszoo.masked_logsumexp(pull * (base - logits), positive)
    far = losszoo.masked_logsumexp(push * (logits - base), negative)
    return softplus(near) / pull + softplus(far) / push
