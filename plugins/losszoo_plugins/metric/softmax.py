"""Losses that pick a row's partners out of all others by a softmax."""

from __future__ import annotations

from torch import Tensor

from losszoo import loss, softmax_row
from losszoo_plugins.pairs import negative_log_share


@loss(
    signature="views",
    tags=("metric", "contrastive", "self-supervised"),
    aliases=(
        "infonce",
        "mnr",
        "multiple-negatives-ranking",
        "in-batch-negatives",
    ),
)
@softmax_row(similarity="cosine", temperature=0.1, needs=("positive",), temperature_search=(0.02, 1.0), symmetric=False)
def info_nce(odds: Tensor) -> Tensor:
    r"""Cross-entropy of the positive key of each query among all keys.

    .. math:: \ell_i = -\log \frac{e^{s_{ii}/\tau}}{\sum_j e^{s_{ij}/\tau}}

    For self-supervised training on two views of the same samples, and for pairs of two kinds such as image and text.
    More keys make the task harder, so large batches help, and so do further keys that belong to no query, such as hard
    negatives or the queue of momentum contrast, which leaves out the keys of the other queries; here they stay
    negatives. With ``symmetric=true`` and a learned temperature it is ``clip``; with ``temperature=0.05`` multiple
    negatives ranking, whose scale is 20. ``nt-xent``, the loss of SimCLR, sets each view against the other view and
    against the rest of its own one; here the keys are the other view alone.

    Args:
        queries: (N, D) embeddings.
        keys: (M, D) embeddings, M >= N; row i belongs to query i, and the rows below the first N are negatives of all.
        similarity: s, of a query to a key; a distance is its negative.
        temperature: what the similarities are divided by: the lower, the more the hard negatives count.
        symmetric: mean of queries to keys, and of the first N keys to queries.

    Returns:
        One value per query, (N,), >= 0; 0 for a query that has only its own key.

    Example:
        >>> import losszoo, torch
        >>> losszoo.create("info-nce", similarity="dot", temperature=1.0)(torch.zeros(2, 3), torch.ones(2, 3))
        tensor(0.6931)

    Reference:
        van den Oord, Li, Vinyals, "Representation Learning with Contrastive Predictive Coding", 2018,
        https://arxiv.org/abs/1807.03748.
    """
    return negative_log_share(odds)


@loss(
    signature="embedding",
    tags=("metric", "contrastive"),
    aliases=("supcon", "supervised-contrastive", "sup-con-out"),
)
@softmax_row(similarity="cosine", temperature=0.1, needs=("positive",), temperature_search=(0.02, 1.0))
def sup_con(odds: Tensor, spread: Tensor) -> Tensor:
    r"""Cross-entropy of each positive among all other rows, averaged over the positives of a row.

    .. math:: \ell_i = -\frac{1}{|P_i|} \sum_{p \in P_i} \log \frac{e^{s_{ip}/\tau}}{\sum_{j \ne i} e^{s_{ij}/\tau}}

    The supervised contrastive loss in the form that its authors call L_out: the mean over the positives stands
    outside of the logarithm. Their code multiplies it by the temperature over a base temperature of 0.07; here it
    follows the formula. It attracts every positive, while one near positive is enough for ``nca``. Its minimum is
    log(number of positives), not 0.

    Args:
        embeddings: (N, D).
        labels: (N,) int64; the positives of a row are the others of its label.
        similarity: s, of two rows; a distance is its negative.
        temperature: what the similarities are divided by: the lower, the more the hard negatives count.

    Returns:
        One value per row, (N,), >= 0. A row without a positive takes no part.

    Example:
        >>> import losszoo, torch
        >>> losszoo.create("sup-con")(torch.ones(3, 2), torch.tensor([0, 0, 1]))
        tensor(0.6931)

    Reference:
        Khosla, Teterwak, Wang, Sarna, Tian, Isola, Maschinot, Liu, Krishnan, "Supervised Contrastive
        Learning", NeurIPS 2020, https://arxiv.org/abs/2004.11362.
    """
    # The share of all positives together, and what their mean lacks: two terms >= 0, so nothing cancels.
    return negative_log_share(odds) + spread
