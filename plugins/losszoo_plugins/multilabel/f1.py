"""The F1 score as a loss of several labels."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor

from losszoo import OverBatch, Range, loss


@loss(signature="multilabel", tags=("imbalance", "overlap"), aliases=("f1", "macro-soft-f1"))
def soft_f1(
    label_logits: Tensor,
    has_labels: Tensor,
    *,
    average: Literal["macro", "micro"] = "macro",
    smooth: Annotated[float, Range(0, None, search=(0, 1))] = 0.0,
    mask: Tensor | None = None,
) -> OverBatch:
    r"""One minus the F1 score of each label, of probabilities in place of yes and no, over the batch.

    .. math:: \ell_c = \frac{\mathit{fp} + \mathit{fn}}{2 \mathit{tp} + \mathit{fp} + \mathit{fn} + s}, \quad
        \mathit{tp} = \sum_i p_i t_i, \; \mathit{fp} = \sum_i p_i (1 - t_i), \; \mathit{fn} = \sum_i (1 - p_i) t_i,
        \quad p = \sigma(x)

    For rare labels that are judged by F1, in batches that hold each of them several times; ``bce`` is steadier, and
    gives probabilities. It is Dice over the batch, written by its errors, so a score near 1 keeps its digits. The
    score of a batch is not the mean of the scores of its parts, so a batch cannot be split to be accumulated.

    A label that no row has costs 1 whatever is predicted, as scikit-learn's F1 is 0 there, and gets no gradient;
    ``smooth`` > 0 lets it fall to 0 with the probabilities.

    Args:
        label_logits: (N, C) of C labels.
        has_labels: (N, C), in [0, 1].
        average: "macro" is one score per label, "micro" one score of all labels together.
        smooth: s, rows added to the sizes.
        mask: boolean, (N,); False rows take no part.

    Returns:
        One value per label, (C,), or one, (1,), in [0, 1]; they count 0 where the mask leaves no row.

    Example:
        >>> soft_f1(torch.zeros(2, 1), torch.tensor([[1.0], [0.0]])).values
        tensor([0.5000])

    Reference:
        Benedict, Koops, Odijk, de Rijke, "sigmoidF1: A Smooth F1 Score Surrogate Loss for Multilabel Classification",
        TMLR 2022, https://arxiv.org/abs/2108.10566.
    """
    classes = label_logits.shape[-1]
    logits, targets = label_logits.reshape(-1, classes), has_labels.reshape(-1, classes)
    there = torch.ones_like(logits[:, :1]) if mask is None else mask.reshape(-1, 1).to(logits.dtype)
    yes, no = torch.sigmoid(logits) * there, torch.sigmoid(-logits) * there
    right, wrong = (yes * targets).sum(0), (yes * (1 - targets) + no * targets).sum(0)
    if average == "micro":
        right, wrong = right.sum().unsqueeze(0), wrong.sum().unsqueeze(0)
    size = 2 * right + wrong + smooth
    # All probabilities of a label that no row has underflow: 0 / 0, whose limit is 1.
    empty = size < torch.finfo(size.dtype).tiny
    values = torch.where(empty, 1.0, wrong / torch.where(empty, 1.0, size))
    counts = (there > 0).any().to(values.dtype).expand_as(values)
    return OverBatch(values * counts, counts)
