"""Losses on the overlap of a predicted and a true region."""

from __future__ import annotations

import torch
from torch import Tensor

from losszoo import Unreduced
from losszoo_plugins.segmentation.maps import per_map, present, probabilities


def dice(logits: Tensor, targets: Tensor, *, smooth: float = 1.0, mask: Tensor | None = None) -> Unreduced:
    r"""One minus the soft Dice coefficient of each map.

    .. math:: \ell = 1 - \frac{2 \sum_i p_i t_i + s}{\sum_i p_i + \sum_i t_i + s}, \quad p = \sigma(x)

    For small objects on a large background, alone or beside ``bce``. Each map is scored by itself and counts
    alike.

    Empty targets: with ``smooth=0`` the loss of an empty map is 1 whatever is predicted (no overlap is
    possible), so it is 1 with a zero gradient here too where every probability underflows to 0 and the
    fraction reads 0/0. Only ``smooth`` > 0 rewards predicting nothing: the loss then falls to 0 with
    :math:`\sum p`.

    Args:
        logits: (N, C, H, W).
        targets: (N, C, H, W), in {0, 1}.
        smooth: s, >= 0, in pixels.
        mask: boolean, (N, C, H, W); False pixels take no part.

    Returns:
        One value per map, (N, C), in [0, 1]; it counts 1, or 0 where the mask leaves no pixel.

    Example:
        >>> dice(torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2), smooth=0.0).values
        tensor([[0.3333]])

    Reference:
        Milletari, Navab, Ahmadi, "V-Net: Fully Convolutional Neural Networks for Volumetric Medical Image
        Segmentation", 3DV 2016, https://arxiv.org/abs/1606.04797; without squares as in Drozdzal, Vorontsov,
        Chartrand, Kadoury, Pal, "The Importance of Skip Connections in Biomedical Image Segmentation", 2016,
        https://arxiv.org/abs/1608.04117.
    """
    logits, targets, mask = present(logits, targets, mask)
    # 1 - dice, over one denominator, is the misplaced probability: a sum of terms >= 0, so nothing cancels.
    inside, outside = (torch.where(mask, p, 0.0) for p in probabilities(logits))
    misplaced = ((1 - targets) * inside + targets * outside).sum((-2, -1))
    anchor = targets.sum((-2, -1)) + smooth
    # Without target or smoothing the quotient is sum(p) / sum(p), the constant 1, whose parts may underflow.
    anchored = anchor > torch.finfo(logits.dtype).tiny
    size = torch.where(anchored, inside.sum((-2, -1)) + anchor, 1.0)
    return per_map(torch.where(anchored, misplaced / size, 1.0), mask)
