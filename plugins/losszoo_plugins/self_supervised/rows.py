"""Two views of the same things, compared row by row."""

from __future__ import annotations

import torch
from torch import Tensor

from losszoo import Unreduced, loss, softmax_row
from losszoo_plugins.pairs import directions


@loss(
    signature="views",
    tags=("self-supervised", "detached-weights"),
    aliases=("simsiam", "byol", "negative-cosine-similarity"),
)
def negative_cosine(queries: Tensor, keys: Tensor, *, detach: bool = True, mask: Tensor | None = None) -> Unreduced:
    r"""Minus the cosine of a prediction and of the other view, whose gradient is stopped.

    .. math:: \ell_i = -\cos\bigl(q_i, \operatorname{stop}(k_i)\bigr)

    For SimSiam and BYOL, without negatives: queries are what a predictor makes of one view, keys the projection of the
    other, by the same network or by its slow copy. Without predictor and stopped gradient everything collapses to one
    point. Both papers take both ways, of the two views a and b: the mean of ``loss(predict(a), b)`` and
    ``loss(predict(b), a)``. BYOL's 2 - 2 cos has twice the gradient. A zero row has a cosine of 0, and no gradient;
    rows of any length have one, while lightly 1.6 gives 0 at rows times 1e20.

    Args:
        queries: (N, D) embeddings.
        keys: (M, D) embeddings, M >= N; row i is the other view of query i, and those below the first N are not looked
            at, as there are no negatives.
        detach: whether keys are taken for constant.
        mask: (N,) rows that take part.

    Returns:
        One value per query, (N,), in [-1, 1].

    Example:
        >>> negative_cosine(torch.tensor([[2.0, 0.0]]), torch.tensor([[3.0, 3.0]])).values
        tensor([-0.7071])

    Reference:
        Chen, He, "Exploring Simple Siamese Representation Learning", CVPR 2021, https://arxiv.org/abs/2011.10566;
        Grill et al., "Bootstrap Your Own Latent", NeurIPS 2020, https://arxiv.org/abs/2006.07733.
    """
    own = keys[: len(queries)]
    values = -(directions(queries) * directions(own.detach() if detach else own)).sum(1)
    return Unreduced(values) if mask is None else Unreduced(torch.where(mask, values, 0.0), mask.to(values.dtype))


@loss(signature="views", tags=("self-supervised", "contrastive"), aliases=("decoupled-contrastive", "dcl-loss"))
@softmax_row(
    similarity="cosine",
    temperature=0.1,
    needs=("positive", "negative"),
    temperature_search=(0.05, 1.0),
    both_views=True,
)
def dcl(odds: Tensor) -> Tensor:
    r"""NT-Xent without the positive in the denominator: it pulls as hard when the other view is near already.

    .. math:: \ell_i = -\tfrac12 \sum_{a \in \{q_i, k_i\}}
        \log \frac{e^{s_{q_i k_i}/\tau}}{\sum_{b \notin \{q_i, k_i\}} e^{s_{ab}/\tau}}

    For self-supervised training with small batches, where the pull of ``nt-xent`` fades as soon as the positive is
    nearer than the few negatives. It has no lower bound: a cosine of 1 to the positive and -1 to all negatives gives
    -2 / tau + log(2N - 2). A batch of one row has no negatives, and does not count; lightly 1.6 gives -infinity.

    Args:
        queries: (N, D) embeddings.
        keys: (M, D) embeddings, M >= N; row i is the other view of query i, and those below the first N are negatives
            of all.
        similarity: s, of two rows; a distance is its negative.
        temperature: what the similarities are divided by: the lower, the more the hard negatives count.

    Returns:
        One value per query, (N,): the mean of its own and its key's; it may be below 0.

    Example:
        >>> import losszoo, torch
        >>> losszoo.create("dcl")(torch.zeros(2, 3), torch.zeros(2, 3))
        tensor(0.6931)

    Reference:
        Yeh, Hong, Hsu, Liu, Chen, LeCun, "Decoupled Contrastive Learning", ECCV 2022,
        https://arxiv.org/abs/2110.06848.
    """
    return odds
