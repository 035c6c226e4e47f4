"""The earth mover's distance between ordered classes."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from losszoo import Range, loss, safe_sqrt

from .labels import read


@loss(
    signature="multiclass",
    tags=("probabilistic", "proper", "ordinal", "bounded"),
    aliases=("earth-movers-distance", "ranked-probability-score", "rps", "squared-emd"),
)
def emd(
    logits: Tensor,
    targets: Tensor,
    *,
    power: Annotated[float, Range(1, None, search=(1, 3))] = 2.0,
    root: bool = False,
) -> Tensor:
    r"""Distance between the distribution functions of prediction and label: a near class costs less than a far one.

    .. math:: \ell = \sum_k |P_k - Q_k|^r, \quad P_k = \sum_{c \le k} \operatorname{softmax}(z)_c

    For ordered classes: grades, stars, age groups. At r = 2 it is the ranked probability score, which is proper; at 1
    the least work to move one distribution into the other, in steps between classes. With ``root`` the mean over the
    classes is taken and then the r-th root, as in NIMA. It is bounded, so the gradient fades on a surely wrong row.

    Args:
        logits: (N, C, ...), the classes in their order.
        targets: (N, ...) int64, or (N, C, ...) probabilities.
        power: r.
        root: NIMA's form.

    Returns:
        One value per position, (N, ...).

    Example:
        >>> emd(torch.zeros(1, 4), torch.tensor([0]))
        tensor([0.8750])

    Reference:
        Hou, Yu, Samaras, "Squared Earth Mover's Distance-based Loss for Training Deep Neural Networks", 2016,
        https://arxiv.org/abs/1611.05916; Talebi, Milanfar, "NIMA: Neural Image Assessment", IEEE Transactions on
        Image Processing 2018, https://arxiv.org/abs/1709.05424.
    """
    labels = read(logits, targets)
    p = torch.softmax(labels.logits, -1)
    if labels.targets.is_floating_point():
        gaps = (p - labels.targets).cumsum(-1).abs()
    else:
        before = torch.arange(p.shape[-1], device=p.device) < labels.targets.unsqueeze(-1)
        # Below the label P_k is the gap; from it on 1 - P_k is, the sum of what comes later, which does not cancel.
        later = p.flip(-1).cumsum(-1).flip(-1) - p
        gaps = torch.where(before, p.cumsum(-1), later)
    total = gaps.square() if power == 2 else gaps if power == 1 else gaps.clamp(min=0) ** power
    if not root:
        return total.sum(-1)
    mean = total.mean(-1)
    if power == 2:
        return safe_sqrt(mean)
    positive = mean > 0
    return torch.where(positive, torch.where(positive, mean, 1.0) ** (1 / power), 0.0)
