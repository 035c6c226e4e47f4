"""Losses on counts of right and wrong pixels: Tversky, Jaccard and the generalised Dice loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple

import torch
from torch import Tensor

from losszoo import Floats, OverBatch, Range, Unreduced, loss
from losszoo_plugins.segmentation.maps import counted, hidden, probabilities, spatial
from losszoo_plugins.signatures._shared import class_weights, of_channels

Over = Literal["map", "image", "batch"]
Smooth = Annotated[float, Range(0, None, log=True, search=(0.01, 100))]
ClassWeight = Annotated[Floats | None, Range(0, None)]


class Regions(NamedTuple):
    """Soft numbers of pixels: found, invented, missed."""

    right: Tensor
    invented: Tensor
    missed: Tensor


@loss(
    signature="segmentation",
    tags=("overlap", "imbalance", "per-map"),
    aliases=("tversky-index", "focal-tversky"),
)
def tversky(
    logits: Tensor,
    targets: Tensor,
    *,
    alpha: Annotated[float, Range(0, None, bounds="()", search=(0.1, 0.9))] = 0.5,
    beta: Annotated[float, Range(0, None, bounds="()", search=(0.1, 0.9))] = 0.5,
    gamma: Annotated[float, Range(0, None, bounds="()", search=(0.5, 2))] = 1.0,
    smooth: Smooth = 1.0,
    over: Over = "map",
    weight: ClassWeight = None,
    mask: Tensor | None = None,
) -> Unreduced:
    r"""Soft Tversky loss: the Dice loss with a price of its own for invented and for missed pixels.

    .. math:: \ell = \Bigl(1 - \frac{TP + s}{TP + \alpha FP + \beta FN + s}\Bigr)^{\gamma}

    For small objects of which none may be missed: raise ``beta``. At 1/2 and 1/2 it is the Dice loss with half the
    smoothing, at 1 and 1 Jaccard's. With ``gamma`` it is the focal Tversky loss: below 1 maps that are nearly right
    count more. An empty map with ``smooth=0`` costs 1 and has no gradient, as with ``dice``; MONAI gives NaN there.

    Args:
        logits: (N, C, ...), with one spatial dimension or more.
        targets: (N, C, ...), in [0, 1]; or labels (N, ...), one class for each pixel.
        alpha: price of an invented pixel.
        beta: price of a missed pixel.
        gamma: exponent.
        smooth: s, pixels added; above 0 an empty map can be predicted right.
        over: what the sums run over: each "map" (a class of an image), each "image", or each class over the "batch".
        weight: how many times the maps of each class (channel) count.
        mask: boolean, (N, C, ...); False pixels take no part.

    Returns:
        One value per map, (N, C), per image, (N,), or per class, (C,), in [0, 1] times its weight.

    Example:
        >>> tversky(torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2), beta=1.0, smooth=0.0).values
        tensor([[0.5000]])

    Reference:
        Salehi, Erdogmus, Gholipour, "Tversky Loss Function for Image Segmentation Using 3D Fully Convolutional Deep
        Networks", MLMI 2017, https://arxiv.org/abs/1706.05721; Abraham, Khan, "A Novel Focal Tversky Loss Function
        with Improved Attention U-Net for Lesion Segmentation", ISBI 2019, https://arxiv.org/abs/1810.07842.
    """

    def value(found: Regions) -> Tensor:
        return _power(_misplaced(found, alpha, beta, smooth), gamma)

    return _of_regions(logits, targets, value, over, weight, mask)


@loss(
    signature="segmentation",
    tags=("overlap", "imbalance", "per-map"),
    aliases=("iou-of-masks", "soft-iou", "jaccard-loss"),
)
def jaccard(
    logits: Tensor,
    targets: Tensor,
    *,
    power: Annotated[float, Range(0, None, bounds="()", search=(0.5, 2))] = 1.0,
    smooth: Smooth = 1.0,
    over: Over = "map",
    weight: ClassWeight = None,
    mask: Tensor | None = None,
) -> Unreduced:
    r"""One minus the soft Jaccard index, the intersection over the union, of each map.

    .. math:: \ell = \Bigl(1 - \frac{I + s}{U + s}\Bigr)^{k}, \quad I = \sum_i p_i t_i, \;
        U = \sum_i p_i + \sum_i t_i - I

    For segmentation that is judged by the mean intersection over union. It ranks maps as the Dice loss does and
    punishes bad ones more. An empty map with ``smooth=0`` costs 1 whatever is predicted; with smoothing the loss
    falls to 0 with the predicted region. smp gives 0 and no gradient for an empty map of an invented region.

    Args:
        logits: (N, C, ...), with one spatial dimension or more.
        targets: (N, C, ...), in [0, 1]; or labels (N, ...), one class for each pixel.
        power: k, exponent of the loss.
        smooth: s, pixels added to intersection and union.
        over: what the sums run over: each "map" (a class of an image), each "image", or each class over the "batch".
        weight: how many times the maps of each class (channel) count.
        mask: boolean, (N, C, ...); False pixels take no part.

    Returns:
        One value per map, (N, C), per image, (N,), or per class, (C,), in [0, 1] times its weight.

    Example:
        >>> jaccard(torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2), smooth=0.0).values
        tensor([[0.5000]])

    Reference:
        Rahman, Wang, "Optimizing Intersection-Over-Union in Deep Neural Networks for Image Segmentation", ISVC 2016,
        https://doi.org/10.1007/978-3-319-50835-1_22.
    """

    def value(found: Regions) -> Tensor:
        return _power(_misplaced(found, 1.0, 1.0, smooth), power)

    return _of_regions(logits, targets, value, over, weight, mask)


@loss(
    signature="segmentation",
    tags=("overlap", "imbalance"),
    aliases=("generalised-dice", "generalized-dice-loss", "gdl"),
)
def generalized_dice(
    logits: Tensor,
    targets: Tensor,
    *,
    weighting: Literal["square", "simple", "uniform"] = "square",
    smooth: Smooth = 1.0,
    weight: ClassWeight = None,
    mask: Tensor | None = None,
) -> Unreduced:
    r"""Dice loss of a whole image in which each class counts by the inverse of its true size.

    .. math:: \ell = 1 - \frac{2 \sum_c w_c I_c + s}{\sum_c w_c (P_c + T_c) + s}, \quad w_c \propto T_c^{-2}

    For classes of very different sizes in one image. The weights are scaled so that the largest is 1, which makes the
    smoothing that of pixels of the smallest class. A class that is absent has the largest weight of those present, as
    in MONAI, and 1 where all are absent.

    Args:
        logits: (N, C, ...), with one spatial dimension or more.
        targets: (N, C, ...), in [0, 1]; or labels (N, ...), one class for each pixel.
        weighting: by the inverse of the "square" of the size, of the size itself ("simple"), or "uniform".
        smooth: s, pixels added to overlap and sizes.
        weight: a further factor of each class (channel).
        mask: boolean, (N, C, ...); False pixels take no part.

    Returns:
        One value per image, (N,), in [0, 1].

    Example:
        >>> generalized_dice(torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2), smooth=0.0).values
        tensor([0.3333])

    Reference:
        Sudre, Li, Vercauteren, Ourselin, Cardoso, "Generalised Dice Overlap as a Deep Learning Loss Function for
        Highly Unbalanced Segmentations", DLMIA 2017, https://arxiv.org/abs/1707.03237.
    """
    given = None if weight is None else of_channels(class_weights(weight, logits), logits)
    mask = with_weights(logits, given, mask)
    found, sizes, some = _regions(logits, targets, mask)
    exponent = {"square": 2, "simple": 1, "uniform": 0}[weighting]
    present = sizes > 0
    # In units of the smallest class that is there, no power over- or underflows to a quotient of zeros.
    least = torch.where(present, sizes, torch.inf).amin(1, keepdim=True)
    least = torch.where(least.isinf(), 1.0, least)
    times = torch.where(present, least / torch.where(present, sizes, 1.0), 1.0) ** exponent
    times = times if given is None else times * given.flatten(1)[:, : times.shape[1]]
    summed = Regions(*((x * times).sum(1) for x in found))
    return counted(_misplaced(summed, 0.5, 0.5, 0.5 * smooth), some.any(1))


def _of_regions(
    logits: Tensor,
    targets: Tensor,
    value: Callable[[Regions], Tensor],
    over: str,
    weight: Floats | None,
    mask: Tensor | None,
) -> Unreduced:
    """The values of maps, of images, or of the classes of a batch."""
    each = None if weight is None else class_weights(weight, logits)
    times = None if each is None else of_channels(each, logits)
    found, _, some = _regions(logits, targets, with_weights(logits, times, mask))
    if over == "image":
        by_class = 1.0 if each is None else each
        return counted(value(Regions(*((x * by_class).sum(1) for x in found))), some.any(1))
    if over == "batch":
        found, some = Regions(*(x.sum(0) for x in found)), some.any(0)
    unreduced = counted(value(found), some)
    if each is not None:
        unreduced = Unreduced(unreduced.values * each, some * each)
    return OverBatch(*unreduced) if over == "batch" else unreduced


def with_weights(logits: Tensor, times: Tensor | None, mask: Tensor | None) -> Tensor | None:
    """A class of weight 0 is absent, whatever its numbers are."""
    if times is None or times.requires_grad:
        return mask
    counts = (times > 0).expand(logits.shape)
    return counts if mask is None else mask & counts


def _regions(logits: Tensor, targets: Tensor, mask: Tensor | None) -> tuple[Regions, Tensor, Tensor]:
    """Soft numbers of pixels of each map, (N, C) each; true sizes; and whether a map has any pixel that takes part."""
    targets = hidden(targets, mask)
    inside, outside = (hidden(p, mask) for p in probabilities(hidden(logits, mask)))
    pixels = spatial(logits)
    found = Regions(
        (inside * targets).sum(pixels), (inside * (1 - targets)).sum(pixels), (outside * targets).sum(pixels)
    )
    there = logits.new_ones(logits.shape[:2], dtype=torch.bool) if mask is None else mask.any(pixels)
    return found, targets.sum(pixels), there & (logits[0, 0].numel() > 0 if logits.numel() else False)


def _misplaced(found: Regions, alpha: float, beta: float, smooth: float) -> Tensor:
    """1 - (right + s) / (right + alpha invented + beta missed + s), as one quotient: nothing cancels."""
    wrong = alpha * found.invented + beta * found.missed
    # Without target or smoothing the quotient is that of the invented by itself, the constant 1.
    anchored = found.right + found.missed + smooth > torch.finfo(wrong.dtype).tiny
    size = torch.where(anchored, found.right + wrong + smooth, 1.0)
    return torch.where(anchored, wrong / size, 1.0)


def _power(value: Tensor, exponent: float) -> Tensor:
    """At 0 a power below 1 has an infinite derivative, and a map that is right none."""
    if exponent == 1:
        return value
    positive = value > 0
    return torch.where(positive, torch.where(positive, value, 1.0) ** exponent, 0.0)
