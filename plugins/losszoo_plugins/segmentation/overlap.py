"""Losses on the overlap of a predicted and a true region."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Literal

import torch
from torch import Tensor
from torch.autograd import Function

from losszoo import Floats, OverBatch, Range, Unreduced, loss
from losszoo_plugins.closed_form import batched, gradient, only_plain
from losszoo_plugins.segmentation.maps import counted, hidden, probabilities, spatial
from losszoo_plugins.signatures._shared import class_weights, of_channels

Over = Literal["map", "image", "batch"]


@loss(
    signature="segmentation",
    tags=("overlap", "imbalance", "per-map"),
    aliases=("soft-dice", "dice-coefficient", "sorensen-dice"),
)
def dice(
    logits: Tensor,
    targets: Tensor,
    *,
    smooth: Annotated[float, Range(0, None, log=True, search=(0.01, 100))] = 1.0,
    over: Over = "map",
    weight: Annotated[Floats | None, Range(0, None)] = None,
    mask: Tensor | None = None,
) -> Unreduced:
    r"""One minus the soft Dice overlap of each map: a small object counts as much as a large one.

    .. math:: \ell = 1 - \frac{2 \sum_i p_i t_i + s}{\sum_i p_i + \sum_i t_i + s}, \quad p = \sigma(x)

    For small objects on a large background, alone or beside ``bce`` (masks) or ``cross-entropy`` (labels). What
    the sums run over is ``over``: the pixels of one map, so that each class of each image counts alike (MONAI's
    default, nnU-Net's ``batch_dice=False``); the pixels of all classes of an image; or those of one class in all
    images of the batch (MONAI's ``batch=True``), which is steadier where a class is absent from most images.

    Of labels p is the softmax share of the class. A background that shall not count is left out by a ``weight``
    of 0. Over an image the sums of each class are weighed, which is the generalised Dice loss.

    Targets between 0 and 1 are shares of a pixel. The loss is linear in each p over its denominator, so the best
    prediction of a share is 0 or 1 and not the share itself, which costs more than 0; for calibrated
    probabilities use ``bce``.

    Empty targets: with ``smooth=0`` the loss of an empty map is 1 whatever is predicted (no overlap is
    possible), so it is 1 with a zero gradient here too where every probability underflows to 0 and the
    fraction reads 0/0. Only ``smooth`` > 0 rewards predicting nothing: the loss then falls to 0 with
    :math:`\sum p`. So it is for a class that is absent.

    Args:
        logits: (N, C, ...), with one spatial dimension or more.
        targets: (N, C, ...), in [0, 1]; or labels (N, ...), one class for each pixel.
        smooth: s, pixels added to overlap and sizes; above 0 an empty map can be predicted right.
        over: what the sums run over, and so what there is one value of: each "map" (a class of an image), each
            "image", or each class over the whole "batch".
        weight: how many times the maps of each class (channel) count, one number per class; none counts all alike. A
            mean over maps or classes divides by the weights.
        mask: boolean, (N, C, ...); False pixels take no part.

    Returns:
        One value per map, (N, C), per image, (N,), or per class, (C,), in [0, 1] times its weight; it counts as much
        as its weight, an image 1, and 0 where the mask leaves no pixel.

    Example:
        >>> dice(torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2), smooth=0.0).values
        tensor([[0.3333]])

    Reference:
        Milletari, Navab, Ahmadi, "V-Net: Fully Convolutional Neural Networks for Volumetric Medical Image
        Segmentation", 3DV 2016, https://arxiv.org/abs/1606.04797; without squares as in Drozdzal, Vorontsov,
        Chartrand, Kadoury, Pal, "The Importance of Skip Connections in Biomedical Image Segmentation", 2016,
        https://arxiv.org/abs/1608.04117; weights of classes over an image as in Sudre, Li, Vercauteren, Ourselin,
        Cardoso, "Generalised Dice Overlap as a Deep Learning Loss Function for Highly Unbalanced Segmentations",
        DLMIA 2017, https://arxiv.org/abs/1707.03237.
    """
    each = None if weight is None else class_weights(weight, logits)
    times = None if each is None else of_channels(each, logits)
    if times is not None and not times.requires_grad:
        # A class of weight 0 is absent, whatever its numbers are.
        mask = (times > 0).expand(logits.shape) if mask is None else mask & (times > 0)
    # Only the inputs and two numbers per value are kept for the gradient, which can be differentiated again.
    logits, targets = hidden(logits, mask), hidden(targets, mask)
    inside = times if over == "image" else None
    constants = (targets,) if inside is None else (targets, inside)
    compute = _plain_dice if only_plain(*constants) else _Dice.apply
    summed = _summed(logits, over)
    values = compute(logits, targets, mask, inside, smooth, summed).squeeze(summed)
    # Without a mask one pixel tells whether a map has any.
    pixels = _one_pixel(logits) if mask is None else mask
    some = pixels.any(summed)
    unreduced = counted(values, some)
    if each is not None and over != "image":
        unreduced = Unreduced(unreduced.values * each, some * each)
    return OverBatch(*unreduced) if over == "batch" else unreduced


def _summed(x: Tensor, over: str) -> tuple[int, ...]:
    """The dimensions of (N, C, ...) that the sums run over."""
    return {"map": (), "image": (1,), "batch": (0,)}[over] + spatial(x)


def _one_pixel(x: Tensor) -> Tensor:
    """True at the first pixel of each map; nothing where it has none."""
    shape = [min(side, 1) for side in x.shape[2:]]
    return torch.ones(*x.shape[:2], *shape, dtype=torch.bool, device=x.device)


class _Dice(Function):
    """Keeps the inputs and, of each value, the loss and the size."""

    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        targets: Tensor,
        mask: Tensor | None,
        times: Tensor | None,
        smooth: float,
        summed: tuple[int, ...],
    ) -> Tensor:
        inside, outside = hidden(torch.sigmoid(logits), mask), hidden(torch.sigmoid(-logits), mask)
        total = partial(_total, times=times, summed=summed)
        values, size = _quotient(torch.lerp(inside, outside, targets), inside, targets, smooth, total)
        ctx.save_for_backward(logits, targets, mask, times, values, size)
        ctx.smooth, ctx.summed = smooth, summed
        return values

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        logits, targets, mask, times, values, size = ctx.saved_tensors
        if torch.is_grad_enabled():
            formula = partial(
                _plain_dice, targets=targets, mask=mask, times=times, smooth=ctx.smooth, summed=ctx.summed
            )
            return gradient(formula, logits, grad), None, None, None, None, None
        # p (1 - p) from the smaller of both, which does not round to 1.
        smaller = logits.abs().neg_().sigmoid_()
        slope = hidden(smaller.addcmul_(smaller, smaller, value=-1), mask)
        pull, share = torch.where(size < torch.inf, grad / size, 0.0), 1 - values
        pull = pull if times is None else pull * times
        slope.mul_(torch.add(share, targets, alpha=-2))
        return slope * pull if batched(grad) else slope.mul_(pull), None, None, None, None, None


def _plain_dice(
    logits: Tensor,
    targets: Tensor,
    mask: Tensor | None,
    times: Tensor | None,
    smooth: float,
    summed: tuple[int, ...],
) -> Tensor:
    inside, outside = (hidden(p, mask) for p in probabilities(logits))
    total = partial(_total, times=times, summed=summed)
    # 1 - dice, over one denominator, is the misplaced probability: a sum of terms >= 0, so nothing cancels.
    return _quotient((1 - targets) * inside + targets * outside, inside, targets, smooth, total)[0]


def _total(x: Tensor, *, times: Tensor | None, summed: tuple[int, ...]) -> Tensor:
    """The sum, in which a class counts as many times as is said, (N, C, 1, ...). Dimensions that are summed stay."""
    return x.sum(summed, keepdim=True) if times is None else (x.sum(spatial(x), keepdim=True) * times).sum(1, True)


def _quotient(
    misplaced: Tensor, inside: Tensor, targets: Tensor, smooth: float, total: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """The loss, and what was divided by: infinite where the loss is the constant 1."""
    anchor = total(targets) + smooth
    # Without target or smoothing the quotient is sum(p) / sum(p), the constant 1, whose parts may underflow.
    anchored = anchor > torch.finfo(misplaced.dtype).tiny
    size = torch.where(anchored, total(inside) + anchor, 1.0)
    values = torch.where(anchored, total(misplaced) / size, 1.0)
    return values, torch.where(anchored, size, torch.inf)
