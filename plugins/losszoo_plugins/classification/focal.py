"""Focal loss: cross-entropy that looks away from easy examples."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from losszoo import Unreduced, masked_logsumexp

from .binary import between
from .labels import Floats, read_index, weigh


def focal(predictions: Tensor, targets: Tensor, *, gamma: float = 2.0, alpha: float | None = None) -> Tensor:
    r"""Binary focal loss on logits.

    .. math:: \ell = -\alpha_t \, (1 - p_t)^{\gamma} \, \log p_t

    For dense detection and other heavy imbalance, where easy negatives drown the gradient.

    Args:
        predictions: logits, any shape.
        targets: in [0, 1], shape of ``predictions``; between 0 and 1 the mean of both labels' losses.
        gamma: discount of easy examples, >= 0; 0 is cross-entropy.
        alpha: weight of the positive class, in (0, 1), the negative class has the rest; None weighs both as
            1.

    Returns:
        One value per element, shape of ``predictions``.

    Example:
        >>> focal(torch.zeros(1), torch.ones(1))
        tensor([0.1733])

    Reference:
        Lin, Goyal, Girshick, He, Dollar, "Focal Loss for Dense Object Detection", ICCV 2017,
        arXiv:1708.02002.
    """
    positive, negative = (1.0, 1.0) if alpha is None else (alpha, 1 - alpha)
    return between(targets, positive * _discounted(predictions, gamma), negative * _discounted(-predictions, gamma))


def softmax_focal(
    logits: Tensor,
    targets: Tensor,
    *,
    gamma: float = 2.0,
    weight: Floats | None = None,
    ignore_index: int = -100,
) -> Unreduced:
    r"""Multiclass focal loss on logits.

    .. math:: \ell = -w_y \, (1 - p_y)^{\gamma} \, \log p_y, \quad p = \operatorname{softmax}(z)

    For imbalanced or noisy classes, and for calibration. With ``gamma=0`` it is cross-entropy.

    Args:
        logits: (N, C, ...).
        targets: (N, ...) int64.
        gamma: discount of easy examples, >= 0; 0 is cross-entropy.
        weight: w, one number per class, >= 0; a mean divides by the weights of the targets.
        ignore_index: label that takes no part in value or gradient.

    Returns:
        Values and counts, each (N, ...).

    Raises:
        UsageError: the targets are probabilities.

    Example:
        >>> softmax_focal(torch.zeros(1, 2), torch.tensor([0])).values
        tensor([0.1733])

    Reference:
        Mukhoti, Kulharia, Sanyal, Golodetz, Torr, Dokania, "Calibrating Deep Neural Networks using Focal
        Loss", NeurIPS 2020, arXiv:2002.09437.
    """
    labels = read_index(logits, targets, weight=weight, ignore_index=ignore_index)
    rivals = labels.others & (labels.logits != -torch.inf)
    # p_y is the sigmoid of the target's lead over all rivals together: the binary loss, with nothing to
    # cancel. Without any rival the lead is infinite; the largest number gives the same 0, and gamma = 0 no 0
    # * inf.
    lead = -masked_logsumexp(labels.logits - labels.own, rivals)
    return weigh(_discounted(lead.clamp(max=torch.finfo(lead.dtype).max), gamma), labels)


def _discounted(logit: Tensor, gamma: float) -> Tensor:
    """Focal loss of a positive label, both factors from the logit: no underflow spoils the gradient.

    (1 - p)^gamma as a power would have an infinite slope at p = 1 where gamma < 1.
    """
    return torch.exp(gamma * logsigmoid(-logit)) * -logsigmoid(logit)
