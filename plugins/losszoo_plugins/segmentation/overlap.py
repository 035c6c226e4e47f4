"""Losses on the overlap of a predicted and a true region."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import torch
from torch import Tensor
from torch.autograd import Function

from losszoo import Range, Unreduced, loss
from losszoo_plugins.closed_form import batched, gradient, only_plain
from losszoo_plugins.segmentation.maps import hidden, per_map, probabilities


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
    mask: Tensor | None = None,
) -> Unreduced:
    r"""One minus the soft Dice overlap of each map: a small object counts as much as a large one.

    .. math:: \ell = 1 - \frac{2 \sum_i p_i t_i + s}{\sum_i p_i + \sum_i t_i + s}, \quad p = \sigma(x)

    For small objects on a large background, alone or beside ``bce``. Each map is scored by itself and counts
    alike: per-image Dice. For Dice over a whole batch make one map of it,
    ``x.transpose(0, 1).flatten(1, 2).unsqueeze(0)`` of logits and targets.

    Empty targets: with ``smooth=0`` the loss of an empty map is 1 whatever is predicted (no overlap is
    possible), so it is 1 with a zero gradient here too where every probability underflows to 0 and the
    fraction reads 0/0. Only ``smooth`` > 0 rewards predicting nothing: the loss then falls to 0 with
    :math:`\sum p`.

    Args:
        logits: (N, C, H, W).
        targets: (N, C, H, W), in {0, 1}.
        smooth: s, pixels added to overlap and sizes; above 0 an empty map can be predicted right.
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
    # Only the inputs and two numbers per map are kept for the gradient, which can be differentiated again.
    logits, targets = hidden(logits, mask), hidden(targets, mask)
    compute = _plain_dice if only_plain(targets) else _Dice.apply
    # Without a mask one pixel tells whether a map has any.
    pixels = torch.ones_like(logits[..., :1, :1], dtype=torch.bool) if mask is None else mask
    return per_map(compute(logits, targets, mask, smooth), pixels)


class _Dice(Function):
    """Keeps the inputs and, of each map, the loss and the size."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor, mask: Tensor | None, smooth: float) -> Tensor:
        inside, outside = hidden(torch.sigmoid(logits), mask), hidden(torch.sigmoid(-logits), mask)
        values, size = _quotient(torch.lerp(inside, outside, targets), inside, targets, smooth)
        ctx.save_for_backward(logits, targets, mask, values, size)
        ctx.smooth = smooth
        return values

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        logits, targets, mask, values, size = ctx.saved_tensors
        if torch.is_grad_enabled():
            formula = partial(_plain_dice, targets=targets, mask=mask, smooth=ctx.smooth)
            return gradient(formula, logits, grad), None, None, None
        # p (1 - p) from the smaller of both, which does not round to 1.
        smaller = logits.abs().neg_().sigmoid_()
        slope = hidden(smaller.addcmul_(smaller, smaller, value=-1), mask)
        pull, share = (x[..., None, None] for x in (torch.where(size < torch.inf, grad / size, 0.0), 1 - values))
        slope.mul_(torch.add(share, targets, alpha=-2))
        return slope * pull if batched(grad) else slope.mul_(pull), None, None, None


def _plain_dice(logits: Tensor, targets: Tensor, mask: Tensor | None, smooth: float) -> Tensor:
    inside, outside = (hidden(p, mask) for p in probabilities(logits))
    # 1 - dice, over one denominator, is the misplaced probability: a sum of terms >= 0, so nothing cancels.
    return _quotient((1 - targets) * inside + targets * outside, inside, targets, smooth)[0]


def _quotient(misplaced: Tensor, inside: Tensor, targets: Tensor, smooth: float) -> tuple[Tensor, Tensor]:
    """The loss of each map, and what was divided by; infinite where the loss is the constant 1."""
    anchor = targets.sum((-2, -1)) + smooth
    # Without target or smoothing the quotient is sum(p) / sum(p), the constant 1, whose parts may underflow.
    anchored = anchor > torch.finfo(misplaced.dtype).tiny
    size = torch.where(anchored, inside.sum((-2, -1)) + anchor, 1.0)
    return torch.where(anchored, misplaced.sum((-2, -1)) / size, 1.0), torch.where(anchored, size, torch.inf)
