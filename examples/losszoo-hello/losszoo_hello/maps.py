"""Losses with one value per map."""

from typing import Annotated

import torch
from torch import Tensor

import losszoo


@losszoo.loss(signature="segmentation", aliases=("overlap-of-maps",))
def soft_jaccard(
    logits: Tensor,
    targets: Tensor,
    *,
    smooth: Annotated[float, losszoo.Range(0, None, bounds="()")] = 1.0,
    mask: Tensor | None = None,
) -> losszoo.Unreduced:
    r"""One minus the overlap of each map, over their union.

    .. math:: \ell = 1 - \frac{\sum p t + s}{\sum (p + t - p t) + s}, \quad p = \sigma(x)

    For masks that are judged by their intersection over union.

    Args:
        logits: (N, C, ...), with one spatial dimension or more.
        targets: (N, C, ...), in [0, 1]; or labels (N, ...), of which there comes a map for each class.
        smooth: s, pixels added to intersection and union.
        mask: boolean, (N, C, ...); False pixels take no part.

    Returns:
        One value per map, (N, C).

    Reference:
        Rahman, Wang, "Optimizing Intersection-Over-Union in Deep Neural Networks for Image Segmentation", ISVC
        2016, https://doi.org/10.1007/978-3-319-50835-1_22.
    """
    mask = torch.ones_like(logits, dtype=torch.bool) if mask is None else mask
    # A signal, an image, a volume: the pixels of each map in one dimension.
    logits, targets, mask = logits.flatten(2), targets.flatten(2), mask.flatten(2)
    # Before any arithmetic: 0 * NaN is NaN, so what is masked must not get that far.
    logits, targets = torch.where(mask, logits, 0.0), torch.where(mask, targets, 0.0)
    inside, outside = logits.sigmoid() * mask, (-logits).sigmoid() * mask
    # 1 - intersection/union as wrong/union: a sum of terms >= 0, so nothing cancels.
    wrong = ((1 - targets) * inside + targets * outside).sum(2)
    union = wrong + (targets * inside).sum(2)
    return losszoo.Unreduced(wrong / (union + smooth), mask.any(2).to(logits.dtype))
