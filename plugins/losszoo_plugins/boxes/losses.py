"""Losses of the overlap of two boxes: IoU and what makes boxes that are apart find each other."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from losszoo import loss

from .overlap import Along, Compared, compared

# mmdet's least overlap: without one, boxes that are apart cost infinity.
_LEAST = 1e-6


@loss(signature="boxes", tags=("detection", "bounded"), aliases=("iou-loss", "box-iou", "jaccard-box"))
def iou(
    predicted_boxes: Tensor, target_boxes: Tensor, *, form: Literal["linear", "log", "square"] = "linear"
) -> Tensor:
    r"""One minus the intersection over the union of two boxes.

    .. math:: \ell = 1 - \text{IoU}, \quad \text{IoU} = \frac{|P \cap T|}{|P \cup T|}

    For boxes that already overlap: it is the metric itself, whatever the size of the box. Boxes that are apart cost 1
    and have no gradient, however far they are: begin with ``giou``, ``diou`` or ``ciou``. "log" is the first form,
    :math:`-\log \max(\text{IoU}, 10^{-6})`, "square" :math:`1 - \text{IoU}^2`.

    Args:
        predicted_boxes: (N, 4), as (x1, y1, x2, y2).
        target_boxes: (N, 4).
        form: "linear", "log" or "square".

    Returns:
        One value per box, (N,); 0 for equal boxes, without an area too.

    Example:
        >>> iou(torch.tensor([[0.0, 0.0, 2.0, 2.0]]), torch.tensor([[1.0, 0.0, 3.0, 2.0]]))
        tensor([0.6667])

    Reference:
        Yu, Jiang, Wang, Cao, Huang, "UnitBox: An Advanced Object Detection Network", ACM Multimedia 2016,
        https://arxiv.org/abs/1608.01471.
    """
    found = compared(predicted_boxes, target_boxes)
    if form == "log":
        # The logarithm of the smaller of the two shares: the other one is 1 minus it, and has lost its digits.
        near = found.missed < 0.5
        from_missed = torch.log1p(-torch.where(near, found.missed, 0.0))
        return -torch.where(near, from_missed, found.covered.clamp(min=_LEAST).log())
    return found.missed * (1 + found.covered) if form == "square" else found.missed


@loss(signature="boxes", tags=("detection",), aliases=("generalized-iou", "giou-loss"))
def giou(predicted_boxes: Tensor, target_boxes: Tensor) -> Tensor:
    r"""One minus the IoU, plus the share of the box around both that neither covers.

    .. math:: \ell = 1 - \text{IoU} + \frac{|C| - |P \cup T|}{|C|}, \quad C \text{ the smallest box around both}

    For boxes that may be apart: they approach, if slowly, as the predicted box first grows towards the other. Equal
    boxes without an area cost 0; torchvision 0.28's ``generalized_box_iou_loss`` gives 1.

    Args:
        predicted_boxes: (N, 4), as (x1, y1, x2, y2).
        target_boxes: (N, 4).

    Returns:
        One value per box, (N,), from 0 to 2.

    Example:
        >>> giou(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([[2.0, 0.0, 3.0, 1.0]]))
        tensor([1.3333])

    Reference:
        Rezatofighi, Tsoi, Gwak, Sadeghian, Reid, Savarese, "Generalized Intersection over Union: A Metric and a Loss
        for Bounding Box Regression", CVPR 2019, https://arxiv.org/abs/1902.09630.
    """
    found = compared(predicted_boxes, target_boxes)
    return found.missed + found.empty


@loss(signature="boxes", tags=("detection",), aliases=("distance-iou", "diou-loss"))
def diou(predicted_boxes: Tensor, target_boxes: Tensor) -> Tensor:
    r"""One minus the IoU, plus the squared distance of the centres as a share of the squared diagonal around both.

    .. math:: \ell = 1 - \text{IoU} + \frac{\rho^2(p, t)}{c^2}

    For boxes that may be apart: the centre goes straight to the other one, faster than by ``giou``. A box of the right
    centre and the wrong shape has the gradient of the IoU alone; ``ciou`` looks at the shape.

    Args:
        predicted_boxes: (N, 4), as (x1, y1, x2, y2).
        target_boxes: (N, 4).

    Returns:
        One value per box, (N,), from 0 to 2.

    Example:
        >>> diou(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([[2.0, 0.0, 3.0, 1.0]]))
        tensor([1.4000])

    Reference:
        Zheng, Wang, Liu, Li, Ye, Ren, "Distance-IoU Loss: Faster and Better Learning for Bounding Box Regression",
        AAAI 2020, https://arxiv.org/abs/1911.08287.
    """
    found = compared(predicted_boxes, target_boxes)
    return found.missed + _centres(found)


@loss(signature="boxes", tags=("detection", "detached-weights"), aliases=("complete-iou", "ciou-loss"))
def ciou(predicted_boxes: Tensor, target_boxes: Tensor) -> Tensor:
    r"""DIoU, plus the squared difference of the shapes.

    .. math:: \ell = \ell_{\text{DIoU}} + \alpha v, \quad v = \tfrac{4}{\pi^2} \left(\arctan \tfrac{w_t}{h_t} -
        \arctan \tfrac{w_p}{h_p}\right)^2, \quad \alpha = \frac{v}{1 - \text{IoU} + v}

    The usual choice for detectors. :math:`\alpha` has no gradient. The gradient of v is the true one; the authors'
    code leaves its factor :math:`1/(w^2 + h^2)` out.

    Args:
        predicted_boxes: (N, 4), as (x1, y1, x2, y2).
        target_boxes: (N, 4).

    Returns:
        One value per box, (N,).

    Example:
        >>> ciou(torch.tensor([[0.0, 0.0, 2.0, 2.0]]), torch.tensor([[0.0, 0.0, 2.0, 1.0]]))
        tensor([0.5345])

    Reference:
        Zheng, Wang, Liu, Li, Ye, Ren, "Distance-IoU Loss: Faster and Better Learning for Bounding Box Regression",
        AAAI 2020, https://arxiv.org/abs/1911.08287.
    """
    found = compared(predicted_boxes, target_boxes)
    v = 4 / math.pi**2 * _turned(predicted_boxes, target_boxes).square()
    share = found.missed + v
    alpha = torch.where(share > 0, v / torch.where(share > 0, share, 1.0), 0.0).detach()
    return found.missed + _centres(found) + alpha * v


def _centres(found: Compared) -> Tensor:
    """Squared distance of the centres over the squared diagonal around both boxes; 0 where that is a point."""
    x, y = found.across, found.down
    # Of the larger extent, so that no square overflows; the ratio is the same, and so is its gradient.
    scale = torch.maximum(x.extent, y.extent).detach()
    point = scale <= 0
    width, height = (torch.where(point, 1.0, axis.extent / torch.where(point, 1.0, scale)) for axis in (x, y))
    gap = (_gap(x) * width).square() + (_gap(y) * height).square()
    return gap / (width.square() + height.square())


def _gap(axis: Along) -> Tensor:
    """Distance of the centres, as a share of the extent: from the ends, which are near each other where it is small."""
    return (axis.high - axis.low) / 2


def _turned(first: Tensor, second: Tensor) -> Tensor:
    """Difference of the angles of the two diagonals; 0 where a box is a point, which has no shape."""
    sizes = [boxes[:, 2:] - boxes[:, :2] for boxes in (first, second)]
    longest = [size.detach().amax(1) for size in sizes]
    shaped = (longest[0] > 0) & (longest[1] > 0)
    angles = []
    for size, length in zip(sizes, longest, strict=True):
        # The quotient w / h is infinite for a flat box; the angle of the two is not.
        sides = torch.where(shaped.unsqueeze(1), size, 1.0) / torch.where(shaped, length, 1.0).unsqueeze(1)
        angles.append(torch.atan2(sides[:, 0], sides[:, 1]))
    return angles[1] - angles[0]
