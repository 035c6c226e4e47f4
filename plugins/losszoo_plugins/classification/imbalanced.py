"""Focal relatives on yes and no: the asymmetric loss of many labels, and quality focal loss."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

from losszoo import Range, loss

from .binary import between


@loss(
    signature="binary",
    tags=("probabilistic", "multilabel", "imbalance"),
    aliases=("asl", "asymmetric-loss", "asymmetric-focal"),
)
def asymmetric(
    predictions: Tensor,
    targets: Tensor,
    *,
    gamma_neg: Annotated[float, Range(0, None, search=(0, 6))] = 4.0,
    gamma_pos: Annotated[float, Range(0, None, search=(0, 2))] = 1.0,
    clip: Annotated[float, Range(0, 1, bounds="[)", search=(0, 0.2))] = 0.05,
) -> Tensor:
    r"""Focal loss with other exponents for positives and negatives; negatives below a probability count nothing.

    .. math:: \ell = -t \, (1 - p)^{\gamma_+} \log p - (1 - t) \, p_m^{\gamma_-} \log (1 - p_m), \quad
        p_m = \max(p - m, 0)

    For many labels of which few are present. With a clip m above 0 the loss of a negative is at most -log m, and its
    gradient fades where it is surely wrong, as such a label may be missing from the data; with ``clip=0`` it does
    not. A positive keeps its whole gradient: timm, which clamps the logarithm, has exactly 0 at a logit of -100. At
    equal exponents and clip 0 it is ``focal``.

    Args:
        predictions: logits, any shape.
        targets: in [0, 1], shape of ``predictions``; between 0 and 1 the expected loss.
        gamma_neg: focusing parameter of negatives.
        gamma_pos: focusing parameter of positives.
        clip: m, what is taken from the probability of a negative.

    Returns:
        One value per element, shape of ``predictions``.

    Example:
        >>> asymmetric(torch.zeros(2), torch.tensor([1.0, 0.0]))
        tensor([0.3466, 0.0245])

    Reference:
        Ben-Baruch, Ridnik, Zamir, Noy, Friedman, Protter, Zelnik-Manor, "Asymmetric Loss For Multi-Label
        Classification", ICCV 2021, https://arxiv.org/abs/2009.14119.
    """
    positive = torch.exp(gamma_pos * logsigmoid(-predictions)) * softplus(-predictions)
    if not clip:
        negative = torch.exp(gamma_neg * logsigmoid(predictions)) * softplus(predictions)
    else:
        # Not sigmoid, whose derivative p (1 - p) has no digits where p is nearly 1.
        shifted = torch.exp(logsigmoid(predictions)) - clip
        inside = shifted > 0
        # Where p_m is 0 a power below 1 has an infinite derivative beside a factor of 0.
        p = torch.where(inside, shifted, 0.5)
        # 1 - p + m with 1 - p = sigmoid(-x): near p = 1 the difference would keep no digit of it.
        rest = torch.where(inside, torch.sigmoid(-predictions) + clip, 1.0)
        negative = torch.where(inside, p**gamma_neg, 0.0) * -torch.log(rest)
    return between(targets, positive, negative)


@loss(
    signature="binary",
    tags=("probabilistic", "detection"),
    aliases=("qfl", "quality-focal-loss"),
)
def quality_focal(
    predictions: Tensor, targets: Tensor, *, beta: Annotated[float, Range(1, None, search=(1, 4))] = 2.0
) -> Tensor:
    r"""Cross-entropy towards a quality between 0 and 1, with less weight where the prediction is near it.

    .. math:: \ell = |t - \sigma(x)|^{\beta} \bigl(-t \log \sigma(x) - (1 - t) \log \sigma(-x)\bigr)

    For detectors whose score is to be the overlap with the true box: one number for class and quality. Below
    ``beta=1`` the derivative at the target would be infinite.

    Args:
        predictions: logits, any shape.
        targets: in [0, 1], shape of ``predictions``; 0 for background.
        beta: focusing parameter.

    Returns:
        One value per element, shape of ``predictions``.

    Example:
        >>> quality_focal(torch.zeros(2), torch.tensor([1.0, 0.5]))
        tensor([0.1733, 0.0000])

    Reference:
        Li, Wang, Wu, Chen, Hu, Li, Tang, Yang, "Generalized Focal Loss: Learning Qualified and Distributed Bounding
        Boxes for Dense Object Detection", NeurIPS 2020, https://arxiv.org/abs/2006.04388.
    """
    # t - p as t (1 - p) - (1 - t) p: of certain and right predictions the difference itself keeps no digit.
    apart = targets * torch.sigmoid(-predictions) - (1 - targets) * torch.sigmoid(predictions)
    weight = apart.square() if beta == 2 else apart.abs() ** beta
    return weight * between(targets, softplus(-predictions), softplus(predictions))
