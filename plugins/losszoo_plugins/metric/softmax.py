"""Losses that pick a row's partners out of all others by a softmax."""

from __future__ import annotations

import torch
from torch import Tensor

from losszoo import masked_logsumexp, pairwise
from losszoo_plugins.pairs import log_odds, negative_log_share


@pairwise(similarity="cosine", temperature=0.1, needs=("positive",))
def info_nce(logits: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    r"""Cross-entropy of picking a query's own key among all keys.

    .. math:: \ell_i = -\log \frac{e^{s_{ii}}}{\sum_j e^{s_{ij}}}

    For self-supervised training on two views of the same samples, and for pairs of two kinds such as image
    and text. More keys make it harder, so it likes large batches.

    Args:
        logits: (rows, N), similarity over temperature.
        positive: (rows, N), boolean, one True a row; several are summed.
        negative: (rows, N), boolean.

    Returns:
        (rows,), >= 0; 0 for a query that has only its own key.

    Example:
        >>> info_nce(torch.tensor([[2.0, 2.0]]), torch.tensor([[True, False]]), torch.tensor([[False, True]]))
        tensor([0.6931])

    Reference:
        van den Oord, Li, Vinyals, "Representation Learning with Contrastive Predictive Coding", 2018,
        arXiv:1807.03748.
    """
    return negative_log_share(log_odds(logits, positive, negative))


@pairwise(similarity="cosine", temperature=0.1, needs=("positive",))
def sup_con(logits: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    r"""Supervised contrastive loss, with the mean over the positives outside the logarithm.

    .. math:: \ell_i = -\frac{1}{|P_i|} \sum_{p \in P_i} \log \frac{e^{s_{ip}}}{\sum_{j \ne i} e^{s_{ij}}}

    For embeddings from labels: every positive is pulled, where :func:`nca` is content with one. It ends at
    log(number of positives), not at 0.

    Args:
        logits: (rows, N), similarity over temperature.
        positive: (rows, N), boolean.
        negative: (rows, N), boolean.

    Returns:
        (rows,), >= 0. A row without a positive takes no part.

    Example:
        >>> logits = torch.tensor([[9.0, 0.0, 0.0]])
        >>> sup_con(logits, torch.tensor([[False, True, False]]), torch.tensor([[False, False, True]]))
        tensor([0.6931])

    Reference:
        Khosla, Teterwak, Wang, Sarna, Tian, Isola, Maschinot, Liu, Krishnan, "Supervised Contrastive
        Learning", NeurIPS 2020, arXiv:2004.11362.
    """
    if logits.numel() == 0:
        return logits.sum(1)
    others = positive | negative
    # Relative to the closest row, so that a loss near 0 is not what is left of two large numbers.
    closest = torch.where(others, logits.detach(), -torch.inf).amax(1, keepdim=True)
    shifted = logits - torch.where(closest.isfinite(), closest, 0.0)
    # Divided before the sum, which could overflow.
    pulled = (torch.where(positive, shifted, 0.0) / positive.sum(1, keepdim=True).clamp(min=1)).sum(1)
    return masked_logsumexp(shifted, others) - pulled
