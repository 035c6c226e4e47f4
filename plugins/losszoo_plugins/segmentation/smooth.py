"""Losses that charge for differences between neighbouring pixels."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from losszoo import Range, Unreduced, loss
from losszoo_plugins.segmentation.maps import map_mean, per_map, present, probabilities, spatial

Activation = Literal["none", "sigmoid"]
Weight = Annotated[float, Range(0, None, search=(0, 1))]


@loss(
    signature="segmentation",
    tags=("regularizer", "total-variation", "per-map"),
    aliases=("tv", "total-variation", "anisotropic-total-variation"),
)
def smoothness(
    logits: Tensor, targets: Tensor, *, activation: Activation = "none", mask: Tensor | None = None
) -> Unreduced:
    r"""Mean absolute difference of neighbouring pixels; a term of a sum, independent of the targets.

    .. math:: \ell = \sum_d \operatorname{mean}_i |x_{i + e_d} - x_i|

    The sum runs over the spatial dimensions d, the mean over the pixels i that have a next one along d.

    For fewer specks and holes, as one term of a sum (``0.7*bce + 0.3*smoothness``): alone, a constant map is
    its minimum. On raw logits it also holds back confident edges; ``activation="sigmoid"`` charges an edge
    between two sure regions at most 1. Where the targets are labels, x is the log odds of a class in the softmax
    over the channels, and its probability the softmax share.

    Args:
        logits: (N, C, ...), the prediction, with one spatial dimension or more. A map of one row (or column) has
            no such neighbours: that term is 0.
        targets: (N, C, ...), or labels (N, ...); not looked at.
        activation: what is smoothed: the prediction as it is, or its probability.
        mask: boolean, (N, C, ...); a pair counts where both of its pixels are True.

    Returns:
        One value per map, (N, C); it counts 1, or 0 where the mask leaves no pixel. The gradient of a pair of
        equal pixels is 0.

    Example:
        >>> x = torch.tensor([[[[0.0, 1.0], [0.0, 4.0]]]])
        >>> smoothness(x, x).values
        tensor([[4.]])

    Reference:
        Rudin, Osher, Fatemi, "Nonlinear Total Variation Based Noise Removal Algorithms", Physica D 1992,
        https://doi.org/10.1016/0167-2789(92)90242-F.
    """
    logits, _, mask = present(logits, targets, mask)
    return per_map(_variation(logits, activation, mask), mask)


@loss(signature="segmentation", tags=("total-variation", "per-map"))
def smooth_segmentation(
    logits: Tensor,
    targets: Tensor,
    *,
    bce_weight: Weight = 0.7,
    smoothness_weight: Weight = 0.3,
    activation: Activation = "none",
    mask: Tensor | None = None,
) -> Unreduced:
    r"""Binary cross-entropy plus smoothness: favours few, unbroken regions.

    .. math:: \ell = a \operatorname{mean}_i \operatorname{bce}(x_i, t_i) + b \operatorname{smoothness}(x)

    For masks that should be few unbroken regions, and for labels that are noisy pixel by pixel. Differences of
    logits have no bound, so at the default weights a map of thin strokes is cheapest when it is almost flat and
    below every threshold (on ``digits-segmentation``: IoU 0); ``activation="sigmoid"`` bounds each difference
    by 1 (IoU 0.76 there). Where the targets are labels, each class is set against all others: x is its log odds
    in the softmax over the channels.

    Args:
        logits: (N, C, ...), with one spatial dimension or more.
        targets: (N, C, ...), in [0, 1]; or labels (N, ...), one class for each pixel.
        bce_weight: a, the weight of the cross-entropy.
        smoothness_weight: b, the weight of the smoothness.
        activation: what is smoothed: the prediction as it is, or its probability.
        mask: boolean, (N, C, ...); False pixels take no part in either term.

    Returns:
        One value per map, (N, C); it counts 1, or 0 where the mask leaves no pixel.

    Example:
        >>> smooth_segmentation(torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)).values
        tensor([[0.4852]])

    Reference:
        Javanmardi, Sajjadi, Liu, Tasdizen, "Unsupervised Total Variation Loss for Semi-supervised Deep
        Learning of Semantic Segmentation", 2016, https://arxiv.org/abs/1605.01368.
    """
    logits, targets, mask = present(logits, targets, mask)
    bce = map_mean(F.binary_cross_entropy_with_logits(logits, targets, reduction="none"), mask)
    return per_map(bce_weight * bce + smoothness_weight * _variation(logits, activation, mask), mask)


def _variation(logits: Tensor, activation: str, mask: Tensor) -> Tensor:
    x = probabilities(logits)[0] if activation == "sigmoid" else logits
    steps = [_mean_step(x.transpose(d, -1), mask.transpose(d, -1)) for d in reversed(spatial(x))]
    return torch.stack(steps).sum(0)


def _mean_step(x: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute difference of neighbours along the last dimension, over the pairs that are both True."""
    both = mask[..., 1:] & mask[..., :-1]
    return map_mean(torch.abs(x[..., 1:] - x[..., :-1]), both)
