"""Losses for probabilities that can be trusted: Brier's score, the confidence penalty, and PolyLoss."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from losszoo import Range, loss, wide
from losszoo_plugins.closed_form import expm1

from .labels import all_but, pick, read


@loss(
    signature="multiclass",
    tags=("probabilistic", "proper", "calibration", "bounded"),
    aliases=("brier-score", "quadratic-score"),
)
def brier(logits: Tensor, targets: Tensor) -> Tensor:
    r"""Brier score: squared distance between the predicted probabilities and the label.

    .. math:: \ell = \sum_c (p_c - q_c)^2, \quad p = \operatorname{softmax}(z)

    For calibrated probabilities, and for wrong labels, as it is proper and bounded. On a surely wrong row the gradient
    fades with the probability of the label, so training starts more slowly than with cross-entropy. For two classes
    it is twice what scikit-learn's ``brier_score_loss`` gives by default.

    Args:
        logits: (N, C, ...).
        targets: (N, ...) int64, or (N, C, ...) probabilities q.

    Returns:
        One value per position, (N, ...), in [0, 2].

    Example:
        >>> brier(torch.zeros(1, 2), torch.tensor([0]))
        tensor([0.5000])

    Reference:
        Brier, "Verification of Forecasts Expressed in Terms of Probability", Monthly Weather Review 1950,
        https://doi.org/10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.
    """
    labels = read(logits, targets)
    log_p = log_softmax(labels.logits, -1)
    if labels.targets.is_floating_point():
        return (log_p.exp() - labels.targets).square().sum(-1)
    own = ~all_but(labels.targets.unsqueeze(-1), log_p.shape[-1])
    # p - 1 from the logarithm: of a probability near 1 the difference has no digits.
    return torch.where(own, expm1(log_p), log_p.exp()).square().sum(-1)


@loss(
    signature="multiclass",
    tags=("probabilistic", "calibration"),
    aliases=("entropy-regularization", "confidence-penalized-cross-entropy"),
)
@wide
def confidence_penalty(
    logits: Tensor, targets: Tensor, *, beta: Annotated[float, Range(0, None, search=(0.01, 1))] = 0.1
) -> Tensor:
    r"""Cross-entropy minus a share of the entropy of the prediction: being sure costs something.

    .. math:: \ell = -\log p_y + \beta \sum_c p_c \log p_c, \quad p = \operatorname{softmax}(z)

    For overconfident models. Label smoothing pulls all classes towards each other, this one only the sure rows. It
    may be negative, down to about -beta log C.

    Args:
        logits: (N, C, ...).
        targets: (N, ...) int64, or (N, C, ...) probabilities q.
        beta: weight of the entropy; 0 is cross-entropy.

    Returns:
        One value per position, (N, ...).

    Example:
        >>> confidence_penalty(torch.zeros(1, 4), torch.tensor([2]))
        tensor([1.2477])

    Reference:
        Pereyra, Tucker, Chorowski, Kaiser, Hinton, "Regularizing Neural Networks by Penalizing Confident Output
        Distributions", ICLR 2017 workshop, https://arxiv.org/abs/1701.06548.
    """
    labels = read(logits, targets)
    log_p = log_softmax(labels.logits, -1)
    # 0 log 0 is 0, and a class that is ruled out has no gradient.
    finite = torch.where(log_p == -torch.inf, 0.0, log_p)
    negentropy = (log_p.exp() * finite).sum(-1)
    return pick(-log_p, labels) + beta * negentropy


@loss(signature="multiclass", tags=("probabilistic",), aliases=("polyloss", "poly-loss", "poly1"))
@wide
def poly_1(
    logits: Tensor, targets: Tensor, *, epsilon: Annotated[float, Range(-1, None, search=(-1, 5))] = 1.0
) -> Tensor:
    r"""Cross-entropy with another weight on the first term of its series.

    .. math:: \ell = -\log p_y + \epsilon \, (1 - p_y), \quad p = \operatorname{softmax}(z)

    For tuning cross-entropy by one number: above 0 the rows that are nearly right count more, below 0 less.

    Args:
        logits: (N, C, ...).
        targets: (N, ...) int64, or (N, C, ...) probabilities: the expected loss.
        epsilon: added to the coefficient of 1 - p; 0 is cross-entropy.

    Returns:
        One value per position, (N, ...).

    Example:
        >>> poly_1(torch.zeros(1, 4), torch.tensor([2]))
        tensor([2.1363])

    Reference:
        Leng, Tan, Liu, Cubuk, Shi, Cheng, Anguelov, "PolyLoss: A Polynomial Expansion Perspective of Classification
        Loss Functions", ICLR 2022, https://arxiv.org/abs/2204.12511.
    """
    labels = read(logits, targets)
    log_p = log_softmax(labels.logits, -1)
    return pick(-log_p - epsilon * expm1(log_p), labels)
