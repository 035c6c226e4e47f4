"""Binary cross-entropy, on logits and on probabilities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from losszoo import Floats, Range, loss, wide

from .labels import along_classes

# torch's bounds: a logarithm of a probability is at least -100, and its slope at most 1e12.
_LOWEST_LOG = -100.0
_STEEPEST = 1e12


@loss(
    signature="binary",
    tags=("probabilistic", "proper"),
    aliases=(
        "binary-cross-entropy",
        "binary-crossentropy",
        "bce-with-logits",
        "binary-cross-entropy-with-logits",
        "sigmoid-cross-entropy",
        "sigmoid-binary-cross-entropy",
        "logistic",
    ),
)
@wide
def bce(
    predictions: Tensor, targets: Tensor, *, pos_weight: Annotated[Floats | None, Range(0, None, bounds="()")] = None
) -> Tensor:
    r"""Binary cross-entropy on logits.

    .. math:: \ell = -w\, t \log \sigma(x) - (1 - t) \log \sigma(-x)

    The default for yes-or-no questions, one or many labels per sample. Exact at any logit. ``soft-margin`` is the
    same for labels of -1 and 1, ``multilabel-soft-margin`` its mean over the labels of a row.

    Args:
        predictions: logits, any shape.
        targets: in [0, 1], shape of ``predictions``.
        pos_weight: weight w of the positive class: a number; or a list or tensor (C,), one per class along
            dimension 1 of ``predictions``, (N, C) as in torch and (N, C, H, W) alike; or a tensor of two or more
            dimensions, such as (C, H, W), that broadcasts as in torch.

    Returns:
        One value per element, shape of ``predictions``.

    Raises:
        UsageError: as many weights as neither fit the classes nor broadcast.

    Example:
        >>> bce(torch.tensor([0.0, -1e4]), torch.tensor([1.0, 1.0]))
        tensor([6.9315e-01, 1.0000e+04])

    Reference:
        Good, "Rational Decisions", Journal of the Royal Statistical Society B 1952,
        https://doi.org/10.1111/j.2517-6161.1952.tb00104.x.
    """
    positive = along_classes("pos_weight", pos_weight, predictions) * -logsigmoid(predictions)
    # Both logarithms from the logit: neither cancels, not even for a certain prediction.
    return between(targets, positive, -logsigmoid(-predictions))


@loss(
    signature="binary",
    tags=("probabilistic", "proper"),
    aliases=("bce-loss", "binary-cross-entropy-on-probabilities"),
    expects="probabilities",
)
def bce_probabilities(predictions: Tensor, targets: Tensor) -> Tensor:
    r"""Binary cross-entropy on probabilities; a term is at most 100, as in torch.

    .. math:: \ell = -t \max(\log p, -100) - (1 - t) \max(\log(1 - p), -100)

    For models that end in probabilities. Where logits are at hand use ``bce``, which needs no bounds. As in
    torch a certain and wrong prediction costs 100, not infinity. Its slope there is bounded by 1e12 and
    points back.

    Args:
        predictions: probabilities, in [0, 1], any shape.
        targets: in [0, 1], shape of ``predictions``.

    Returns:
        One value per element, shape of ``predictions``.

    Example:
        >>> bce_probabilities(torch.tensor([0.5, 0.0, 0.0]), torch.tensor([1.0, 1.0, 0.0]))
        tensor([  0.6931, 100.0000,   0.0000])

    Reference:
        Good, "Rational Decisions", Journal of the Royal Statistical Society B 1952,
        https://doi.org/10.1111/j.2517-6161.1952.tb00104.x.
    """
    positive = -_bounded_log(predictions, predictions, torch.log)
    # log1p and not log(1 - p): a small p would be lost in 1 - p.
    negative = -_bounded_log(1 - predictions, predictions, lambda p: torch.log1p(-p))
    return between(targets, positive, negative)


def between(targets: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """Expected cost when the label is 1 with probability ``targets``."""
    return targets * positive + (1 - targets) * negative


def _bounded_log(inside: Tensor, p: Tensor, log: Callable[[Tensor], Tensor]) -> Tensor:
    """``log``, the logarithm of ``inside``, at ``p``; bounded in value and slope where ``inside`` is tiny."""
    usual = inside > 1 / _STEEPEST
    fixed = inside.detach()
    # The line has no length: it only carries the slope.
    line = fixed.log().clamp(min=_LOWEST_LOG) + _STEEPEST * (inside - fixed)
    return torch.where(usual, log(torch.where(usual, p, 0.5)), line)
