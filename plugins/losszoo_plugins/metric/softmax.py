"""Losses that pick a row's partners out of all others by a softmax."""

from __future__ import annotations

from torch import Tensor

from losszoo import softmax_row
from losszoo_plugins.pairs import negative_log_share


@softmax_row(similarity="cosine", temperature=0.1, needs=("positive",))
def info_nce(odds: Tensor) -> Tensor:
    r"""Cross-entropy of picking a query's own key among all keys.

    .. math:: \ell_i = -\log \frac{e^{s_{ii}}}{\sum_j e^{s_{ij}}}

    For self-supervised training on two views of the same samples, and for pairs of two kinds such as image
    and text. More keys make it harder, so it likes large batches.

    Args:
        odds: (rows,), log odds of the negatives against the positives in the row's softmax; see
            :func:`losszoo.softmax_row`.

    Returns:
        (rows,), >= 0; 0 for a query that has only its own key.

    Example:
        >>> import torch
        >>> info_nce(torch.tensor([[2.0, 2.0]]), torch.tensor([[True, False]]), torch.tensor([[False, True]]))
        tensor([0.6931])

    Reference:
        van den Oord, Li, Vinyals, "Representation Learning with Contrastive Predictive Coding", 2018,
        arXiv:1807.03748.
    """
    return negative_log_share(odds)


@softmax_row(similarity="cosine", temperature=0.1, needs=("positive",))
def sup_con(odds: Tensor, spread: Tensor) -> Tensor:
    r"""Supervised contrastive loss, with the mean over the positives outside the logarithm.

    .. math:: \ell_i = -\frac{1}{|P_i|} \sum_{p \in P_i} \log \frac{e^{s_{ip}}}{\sum_{j \ne i} e^{s_{ij}}}

    For embeddings from labels: every positive is pulled, where :func:`nca` is content with one. It ends at
    log(number of positives), not at 0.

    Args:
        odds: (rows,), log odds of the negatives against the positives in the row's softmax; see
            :func:`losszoo.softmax_row`.
        spread: (rows,), by how much the positives' log-sum-exp exceeds their mean.

    Returns:
        (rows,), >= 0. A row without a positive takes no part.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[9.0, 0.0, 0.0]])
        >>> sup_con(logits, torch.tensor([[False, True, False]]), torch.tensor([[False, False, True]]))
        tensor([0.6931])

    Reference:
        Khosla, Teterwak, Wang, Sarna, Tian, Isola, Maschinot, Liu, Krishnan, "Supervised Contrastive
        Learning", NeurIPS 2020, arXiv:2004.11362.
    """
    # The share of all positives together, and what their mean lacks: two terms >= 0, so nothing cancels.
    return negative_log_share(odds) + spread
