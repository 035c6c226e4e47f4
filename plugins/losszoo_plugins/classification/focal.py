"""Focal loss: cross-entropy that looks away from easy examples."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn.functional import logsigmoid, softplus

from losszoo import Range, loss, masked_logsumexp, wide
from losszoo_plugins.closed_form import batched, gradient, only_plain

from .binary import between
from .expectation import expect
from .labels import all_but, read

# From here on log(1 + e^x) is x, to the last bit of float64 too.
_STRAIGHT = 40.0


Gamma = Annotated[float, Range(0, None, search=(0, 5))]


@loss(
    signature="binary",
    tags=("probabilistic", "imbalance"),
    aliases=("sigmoid-focal", "binary-focal", "binary-focal-cross-entropy", "binary-focal-crossentropy"),
)
def focal(
    predictions: Tensor,
    targets: Tensor,
    *,
    gamma: Gamma = 2.0,
    alpha: Annotated[float | None, Range(0, 1, bounds="()")] = None,
) -> Tensor:
    r"""Binary cross-entropy that looks away from easy examples.

    .. math:: \ell = -\alpha_t \, (1 - p_t)^{\gamma} \, \log p_t, \quad p_t = \sigma((2t - 1)\, x)

    For dense detection and other heavy imbalance, where easy negatives drown the gradient. Detectors divide the sum
    by the number of positives: call the loss with that ``denominator``. torchvision's default is alpha=0.25. A target
    between 0 and 1 gives the mean of both labels' losses, in the shares t and 1 - t, alpha included; torchvision
    mixes the probabilities first and gives another value.

    Args:
        predictions: logits, any shape.
        targets: in [0, 1], shape of ``predictions``.
        gamma: focusing parameter, the discount of easy examples; 0 is cross-entropy.
        alpha: weight of the positive class, the negative class has the rest; none weighs both as 1.

    Returns:
        One value per element, shape of ``predictions``.

    Example:
        >>> focal(torch.zeros(1), torch.ones(1))
        tensor([0.1733])

    Reference:
        Lin, Goyal, Girshick, He, Dollar, "Focal Loss for Dense Object Detection", ICCV 2017,
        https://arxiv.org/abs/1708.02002.
    """
    # The slope is computed along with the value, and kept for the gradient in place of all intermediate results. It
    # can be differentiated again.
    weights = (1.0, 1.0) if alpha is None else (1 - alpha, alpha)
    if only_plain(targets):
        return _plain_focal(predictions, targets, gamma, weights)
    values: Tensor = _Focal.apply(predictions, targets, gamma, weights)  # type: ignore[no-untyped-call]
    return values


@loss(
    signature="multiclass",
    tags=("probabilistic", "imbalance"),
    aliases=("multiclass-focal", "categorical-focal", "categorical-focal-crossentropy", "focal-cross-entropy"),
)
@wide
def softmax_focal(logits: Tensor, targets: Tensor, *, gamma: Gamma = 2.0) -> Tensor:
    r"""Cross-entropy that looks away from easy examples.

    .. math:: \ell = -(1 - p_y)^{\gamma} \, \log p_y, \quad p = \operatorname{softmax}(z)

    For imbalanced or noisy classes, and for calibration.

    Args:
        logits: (N, C, ...).
        targets: (N, ...) int64, or (N, C, ...) probabilities: the expected loss.
        gamma: focusing parameter, the discount of easy examples; 0 is cross-entropy.

    Returns:
        One value per position, (N, ...).

    Example:
        >>> softmax_focal(torch.zeros(1, 2), torch.tensor([0]))
        tensor([0.1733])

    Reference:
        Mukhoti, Kulharia, Sanyal, Golodetz, Torr, Dokania, "Calibrating Deep Neural Networks using Focal
        Loss", NeurIPS 2020, https://arxiv.org/abs/2002.09437.
    """
    # Of labels only the logits and one number per target are kept for the gradient, which can be differentiated again.
    compute = _plain_softmax_focal if only_plain() else _SoftmaxFocal.apply
    return expect(
        lambda rows, index: compute(rows, index.unsqueeze(-1), gamma),
        read(logits, targets),
        partial(_every_softmax_focal, gamma=gamma),
    )


class _Focal(Function):
    """Value and slope at once; the slope is what the gradient needs."""

    @staticmethod
    def forward(ctx: Any, predictions: Tensor, targets: Tensor, gamma: float, weights: tuple[float, float]) -> Tensor:
        ctx.gamma, ctx.weights = gamma, weights
        if not _decided(targets):
            values, slope = _expected(predictions, targets, gamma, weights)
            ctx.save_for_backward(predictions, slope, targets)
            return values
        values, slope = _of_decided(predictions, targets, gamma, weights)
        ctx.save_for_backward(predictions, slope)
        return values

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        predictions, slope, *soft = ctx.saved_tensors
        if not torch.is_grad_enabled():
            return grad * slope, None, None, None
        # A label of 1 is where the loss falls, were it so little that only the sign of the zero tells.
        targets = soft[0] if soft else torch.signbit(slope).to(slope.dtype)
        formula = partial(_plain_focal, targets=targets, gamma=ctx.gamma, weights=ctx.weights)
        return gradient(formula, predictions, grad), None, None, None


class _SoftmaxFocal(Function):
    """Keeps the logits and the slope along the lead of the target; the rivals' shares are computed again."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, index: Tensor, gamma: float) -> Tensor:
        least = torch.finfo(logits.dtype).min
        own = logits.gather(-1, index)
        # Relative to the target before anything is summed: large logits do not cancel.
        rivals = (logits - own.clamp(min=least)).scatter_(-1, index, least)
        # The logarithm of the sum, off the largest share: a softmax is one pass.
        behind = rivals.amax(-1) - rivals.softmax(-1).amax(-1).log_()
        own = own.squeeze(-1)
        # An infinite logit has no share, were it the target's own: NaN, as cross-entropy says.
        behind.masked_fill_(own == -torch.inf, torch.inf).masked_fill_(own == torch.inf, torch.nan)
        values, slope = _negative(behind, gamma)
        ctx.save_for_backward(logits, index, slope)
        ctx.gamma = gamma
        return values

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        logits, index, slope = ctx.saved_tensors
        if torch.is_grad_enabled():
            formula = partial(_plain_softmax_focal, index=index, gamma=ctx.gamma)
            return gradient(formula, logits, grad), None, None
        pull = (slope * grad).unsqueeze(-1)
        # The least number and not -inf: without rivals the shares are no 0/0.
        share = logits.scatter(-1, index, torch.finfo(logits.dtype).min).softmax(-1)
        slopes = share * pull if batched(grad) else share.mul_(pull)
        return slopes.scatter_(-1, index, -pull), None, None


def _plain_focal(predictions: Tensor, targets: Tensor, gamma: float, weights: tuple[float, float]) -> Tensor:
    negative, positive = weights
    return between(targets, positive * _discounted(predictions, gamma), negative * _discounted(-predictions, gamma))


def _plain_softmax_focal(logits: Tensor, index: Tensor, gamma: float) -> Tensor:
    rivals = all_but(index, logits.shape[-1]) & (logits != -torch.inf)
    # p_y is the sigmoid of the target's lead over all rivals together: the binary loss, with nothing to
    # cancel. Without any rival the lead is infinite; the largest number gives the same 0, and gamma = 0 no 0
    # * inf.
    own = logits.gather(-1, index)
    lead = -masked_logsumexp(logits - own, rivals)
    # An infinite logit has no share, were it the target's own: inf - inf is NaN.
    own = own.squeeze(-1).clamp(min=0)
    lead = lead + (own - own)
    return _discounted(lead.clamp(max=torch.finfo(lead.dtype).max), gamma)


def _every_softmax_focal(logits: Tensor, *, gamma: float) -> Tensor:
    """The loss (..., C) of each class, were it the target."""
    ruled_out = logits == -torch.inf
    top, first = logits.max(-1, keepdim=True)
    behind = torch.where(ruled_out, 0.0, logits - top)
    is_first = ~all_but(first, logits.shape[-1])
    rest = masked_logsumexp(behind, ~(is_first | ruled_out)).unsqueeze(-1)
    # The largest logit is among the rivals of all others, so that what is left of the sum is at least 1.
    left = torch.log1p(rest.exp() - torch.where(is_first | ruled_out, 0.0, behind.exp()))
    lead = (behind - torch.where(is_first, rest, left)).clamp(max=torch.finfo(logits.dtype).max)
    # What costs infinity has no slope, which times 0 would be NaN.
    return torch.where(ruled_out, torch.inf, _discounted(torch.where(ruled_out, 0.0, lead), gamma))


def _discounted(logit: Tensor, gamma: float) -> Tensor:
    """Focal loss of a positive label, both factors from the logit: no underflow spoils the gradient.

    (1 - p)^gamma as a power would have an infinite slope at p = 1 where gamma < 1.
    """
    return torch.exp(gamma * logsigmoid(-logit)) * -logsigmoid(logit)


def _decided(targets: Tensor) -> bool:
    """Whether every target is 0 or 1. On a GPU nobody waits to know."""
    if targets.device.type != "cpu" or not targets.numel():
        return False
    return bool(torch.addcmul(targets, targets, targets, value=-1).abs_().amax() == 0)


def _of_decided(
    predictions: Tensor, targets: Tensor, gamma: float, weights: tuple[float, float]
) -> tuple[Tensor, Tensor]:
    """Value and slope where each target is one label: that of a negative one, mirrored for a positive one."""
    negative, positive = weights
    mirrored = torch.addcmul(predictions, predictions, targets, value=-2)
    values, slope = _negative(mirrored, gamma)
    if positive != negative:
        weight = torch.mul(targets, positive - negative, out=mirrored).add_(negative)
        values, slope = values.mul_(weight), slope.mul_(weight)
    elif negative != 1:
        values, slope = values.mul_(negative), slope.mul_(negative)
    return values, slope.copysign_(torch.sub(0.5, targets, out=mirrored))


def _expected(
    predictions: Tensor, targets: Tensor, gamma: float, weights: tuple[float, float]
) -> tuple[Tensor, Tensor]:
    """Value and slope where both labels have their share."""
    negative, positive = (1 - targets) * weights[0], targets * weights[1]
    values, slope = _negative(predictions, gamma)
    mirrored, falling = _negative(-predictions, gamma)
    return (
        values.mul_(negative).add_(mirrored.mul_(positive)),
        slope.mul_(negative).sub_(falling.mul_(positive)),
    )


def _negative(logit: Tensor, gamma: float) -> tuple[Tensor, Tensor]:
    r"""Focal loss of a negative label and its slope, in few passes.

    .. math:: \ell = p^\gamma c, \quad \ell' = p^\gamma (p + \gamma (1 - p) c), \quad c = -\log(1 - p)

    Where p underflows so does the loss, which is of the order of p^(1 + gamma); a power is exact enough.
    """
    p, cost = torch.sigmoid(logit), softplus(logit, threshold=_STRAIGHT)
    slope = (1 - p).mul_(cost).mul_(gamma).add_(p)
    discount = p.pow_(gamma)
    return cost.mul_(discount), slope.mul_(discount)
