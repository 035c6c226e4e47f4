"""The Lovász extension of the Jaccard index: its own convex surrogate, on sorted errors."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor

from losszoo import Floats, OverBatch, Range, Unreduced, loss
from losszoo_plugins.segmentation.maps import hidden, probabilities
from losszoo_plugins.segmentation.regions import with_weights
from losszoo_plugins.signatures._shared import class_weights, of_channels


@loss(signature="segmentation", tags=("overlap", "margin", "per-map"), aliases=("lovasz", "binary-lovasz"))
def lovasz_hinge(
    logits: Tensor,
    targets: Tensor,
    *,
    per_map: bool = True,
    weight: Annotated[Floats | None, Range(0, None)] = None,
    mask: Tensor | None = None,
) -> Unreduced:
    r"""Lovász hinge: the Jaccard loss of hinge errors, sorted from the worst.

    .. math:: \ell = \sum_i \max(0, m_{\pi(i)}) \, g_i, \quad m_i = 1 - (2 t_i - 1) x_i, \;
        g_i = \Delta_J(\{\pi(1) .. \pi(i)\}) - \Delta_J(\{\pi(1) .. \pi(i - 1)\})

    For the intersection over union of regions. It is the tightest convex function above the Jaccard loss of the signs,
    and like a hinge it has no gradient once all pixels are right by 1. Of an empty map it is the largest of the hinge
    errors, so the most confident invented pixel is pulled down until its logit is below -1.

    Args:
        logits: (N, C, ...), with one spatial dimension or more.
        targets: (N, C, ...), 0 or 1; or labels (N, ...). A share of a pixel counts as that share of a pixel.
        per_map: sort each map by itself, or each class over the whole batch.
        weight: how many times the maps of each class (channel) count.
        mask: boolean, (N, C, ...); False pixels take no part.

    Returns:
        One value per map, (N, C); over the batch one per class, (C,).

    Example:
        >>> lovasz_hinge(torch.tensor([[[2.0, -1.0]]]), torch.tensor([[[1.0, 1.0]]])).values
        tensor([[1.]])

    Reference:
        Berman, Rannen Triki, Blaschko, "The Lovasz-Softmax Loss: A Tractable Surrogate for the Optimization of the
        Intersection-Over-Union Measure in Neural Networks", CVPR 2018, https://arxiv.org/abs/1705.08790.
    """
    each, mask = _weights(weight, logits, mask)
    errors = 1 - (2 * targets - 1) * hidden(logits, mask)
    return _extended(errors.relu(), targets, per_map, mask, each, everything=True)


@loss(
    signature="segmentation",
    tags=("overlap", "probabilistic-maps", "per-map"),
    aliases=("lovasz-softmax-loss", "lovasz-sigmoid"),
)
def lovasz_softmax(
    logits: Tensor,
    targets: Tensor,
    *,
    classes: Literal["present", "all"] = "present",
    per_map: bool = True,
    weight: Annotated[Floats | None, Range(0, None)] = None,
    mask: Tensor | None = None,
) -> Unreduced:
    r"""Lovász-softmax: the Jaccard loss of the errors of the class probabilities, sorted from the worst.

    .. math:: \ell_c = \sum_i m_{\pi(i)} \, g_i, \quad m_i = |1[y_i = c] - p_{ic}|

    For the mean intersection over union of classes, after a start with ``cross-entropy`` or beside it: alone it may
    stay at one half. Classes without a pixel count nothing; with ``classes="all"`` each is pushed down by its largest
    probability, on which training often collapses. Of maps p is the sigmoid.

    Args:
        logits: (N, C, ...), with one spatial dimension or more.
        targets: (N, ...) labels; or maps (N, C, ...), 0 or 1.
        classes: that count: "present" in the map, or "all".
        per_map: sort each map by itself, or each class over the whole batch.
        weight: how many times the maps of each class (channel) count.
        mask: boolean, (N, C, ...); False pixels take no part.

    Returns:
        One value per map, (N, C), which counts where its class does; over the batch one per class, (C,).

    Example:
        >>> lovasz_softmax(torch.zeros(1, 1, 2), torch.tensor([[[1.0, 1.0]]])).values
        tensor([[0.5000]])

    Reference:
        Berman, Rannen Triki, Blaschko, "The Lovasz-Softmax Loss: A Tractable Surrogate for the Optimization of the
        Intersection-Over-Union Measure in Neural Networks", CVPR 2018, https://arxiv.org/abs/1705.08790.
    """
    each, mask = _weights(weight, logits, mask)
    inside, outside = probabilities(hidden(logits, mask))
    errors = hidden(targets, mask) * outside + (1 - hidden(targets, mask)) * inside
    return _extended(errors, targets, per_map, mask, each, classes == "all")


def _weights(weight: Floats | None, logits: Tensor, mask: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """One weight per class; and the mask, without the classes of weight 0."""
    if weight is None:
        return None, mask
    each = class_weights(weight, logits)
    return each, with_weights(logits, of_channels(each, logits), mask)


def _extended(
    errors: Tensor, targets: Tensor, per_map: bool, mask: Tensor | None, each: Tensor | None, everything: bool
) -> Unreduced:
    """The Lovász extension of the Jaccard loss at the errors, which are 0 or more."""
    there = torch.ones_like(targets, dtype=torch.bool) if mask is None else mask
    # A pixel that takes no part is of no class and comes last.
    errors, targets = torch.where(there, errors, 0.0), hidden(targets, mask)
    flat = [x.flatten(2) if per_map else x.transpose(0, 1).flatten(1) for x in (errors, targets, there)]
    worst, order = flat[0].sort(dim=-1, descending=True, stable=True)
    own, counts = flat[1].gather(-1, order), flat[2].gather(-1, order).to(worst.dtype)
    total = own.sum(-1, keepdim=True)
    left, union = total - own.cumsum(-1), total + ((1 - own) * counts).cumsum(-1)
    jaccard = 1 - left / torch.where(union > 0, union, 1.0)
    steps = torch.cat([jaccard[..., :1], jaccard[..., 1:] - jaccard[..., :-1]], -1)
    # Of a map without a pixel nothing is summed.
    values = (worst * hidden(steps, counts > 0)).sum(-1)
    some = flat[2].any(-1) if everything else (total.squeeze(-1) > 0)
    times = some.to(values.dtype) if each is None else some * each
    unreduced = Unreduced(torch.where(some, values, 0.0) * times, times)
    return unreduced if per_map else OverBatch(*unreduced)
