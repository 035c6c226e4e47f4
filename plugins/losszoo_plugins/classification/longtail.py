"""Losses for classes of very different sizes: logit adjustment and LDAM."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, softplus

from losszoo import Floats, Range, UsageError, loss, masked_logsumexp, wide

from .expectation import expect
from .labels import all_but, pick, read

ClassCounts = Annotated[Floats | None, Range(0, None, bounds="()")]


@loss(
    signature="multiclass",
    tags=("probabilistic", "imbalance", "long-tail"),
    aliases=("balanced-softmax", "logit-adjustment"),
)
@wide
def logit_adjusted(
    logits: Tensor,
    targets: Tensor,
    *,
    class_counts: ClassCounts = None,
    tau: Annotated[float, Range(0, None, search=(0, 2))] = 1.0,
) -> Tensor:
    r"""Cross-entropy of logits to which the logarithms of the classes' shares are added.

    .. math:: \ell = -\log \operatorname{softmax}(z + \tau \log \pi)_y, \quad \pi_c = n_c / \sum_k n_k

    For a long tail of rare classes, where the balanced accuracy counts: the plain logits then predict as if all
    classes were alike, so nothing is added when predicting. At tau = 1 it is the balanced softmax. A run tells the
    counts of its training rows; without counts all classes are alike, and it is cross-entropy.

    Args:
        logits: (N, C, ...).
        targets: (N, ...) int64, or (N, C, ...) probabilities: the expected loss.
        class_counts: n, rows of each class, above 0, in any unit.
        tau: strength; 0 is cross-entropy.

    Returns:
        One value per position, (N, ...).

    Raises:
        UsageError: another number of counts than of classes.

    Example:
        >>> logit_adjusted(torch.zeros(1, 2), torch.tensor([1]), class_counts=[3.0, 1.0])
        tensor([1.3863])

    Reference:
        Menon, Jayasumana, Rawat, Jain, Veit, Kumar, "Long-Tail Learning via Logit Adjustment", ICLR 2021,
        https://arxiv.org/abs/2007.07314; Ren, Yu, Sheng, Ma, Zhao, Yi, Li, "Balanced Meta-Softmax for Long-Tailed
        Visual Recognition", NeurIPS 2020, https://arxiv.org/abs/2007.10740.
    """
    labels = read(logits, targets)
    scores = labels.logits
    if class_counts is not None:
        counts = _counts(class_counts, scores)
        scores = scores + tau * (counts / counts.sum()).log()
    return pick(-log_softmax(scores, -1), labels)


@loss(
    signature="multiclass",
    tags=("margin", "imbalance", "long-tail"),
    aliases=("label-distribution-aware-margin",),
)
@wide
def ldam(
    logits: Tensor,
    targets: Tensor,
    *,
    class_counts: ClassCounts = None,
    max_margin: Annotated[float, Range(0, None, search=(0.1, 1))] = 0.5,
    scale: Annotated[float, Range(0, None, bounds="()", log=True, search=(1, 64))] = 30.0,
) -> Tensor:
    r"""Cross-entropy with a margin that is larger for rarer classes.

    .. math:: \ell = -\log \operatorname{softmax}\bigl(s (z - m_y e_y)\bigr)_y, \quad
        m_c = M \, \frac{n_c^{-1/4}}{\max_k n_k^{-1/4}}

    For a long tail of rare classes. The logits are cosines in the paper, from normalised features and weights; plain
    logits are legal, and the scale is then 1. The largest margin is that of the rarest class, as in the authors' code.
    A run tells the counts of its training rows; without counts all classes have the largest margin.

    Args:
        logits: (N, C, ...).
        targets: (N, ...) int64, or (N, C, ...) probabilities: the expected loss.
        class_counts: n, rows of each class, above 0, in any unit.
        max_margin: M, the margin of the rarest class.
        scale: s, what cosines are multiplied by.

    Returns:
        One value per position, (N, ...).

    Raises:
        UsageError: another number of counts than of classes.

    Example:
        >>> ldam(torch.zeros(1, 2), torch.tensor([1]), class_counts=[16.0, 1.0], scale=1.0)
        tensor([0.9741])

    Reference:
        Cao, Wei, Gaidon, Arechiga, Ma, "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss",
        NeurIPS 2019, https://arxiv.org/abs/1906.07413.
    """
    labels = read(logits, targets)
    classes = labels.logits.shape[-1]
    rarity = labels.logits.new_ones(classes) if class_counts is None else _counts(class_counts, labels.logits) ** -0.25
    margins = scale * max_margin * rarity / rarity.amax()
    return expect(partial(_with_margin, margins=margins, scale=scale), labels)


def _with_margin(logits: Tensor, index: Tensor, *, margins: Tensor, scale: float) -> Tensor:
    """log(1 + sum of the others' exp(s z_c - s z_y + m_y)): relative to the target before anything is summed."""
    own = index.unsqueeze(-1)
    behind = masked_logsumexp(scale * (logits - logits.gather(-1, own)), all_but(own, logits.shape[-1]))
    return softplus(margins[index] + behind)


def _counts(class_counts: Floats, scores: Tensor) -> Tensor:
    counts = torch.as_tensor(class_counts, dtype=scores.dtype, device=scores.device)
    if counts.shape != scores.shape[-1:]:
        raise UsageError(f"class_counts must have one entry per class, C={scores.shape[-1]}, got {counts.numel()}")
    return counts
