"""The loss on single answers: KTO."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from losszoo import Range, Unreduced, loss


@loss(
    signature="feedback",
    tags=("preference", "language-model", "bounded", "detached-weights"),
    aliases=("kahneman-tversky-optimization",),
)
def kto(
    log_ratios: Tensor,
    desirable: Tensor,
    *,
    beta: Annotated[float, Range(0, None, bounds="()", log=True, search=(0.01, 1))] = 0.1,
    desirable_weight: Annotated[float, Range(0, None, search=(0.5, 2))] = 1.0,
    undesirable_weight: Annotated[float, Range(0, None, search=(0.5, 2))] = 1.0,
    mask: Tensor | None = None,
) -> Unreduced:
    r"""Kahneman-Tversky optimisation: desirable answers above a baseline, the others below it.

    .. math:: \ell_i = w_i \, \sigma(\mp \beta (r_i - z)), \quad z = \max(0, \operatorname{mean} r)

    For language models where each answer has a thumbs up or down instead of a rival. The upper sign is that of a
    desirable answer. The baseline has no gradient. The loss is bounded, so the gradient fades on an answer that is
    far on the wrong side.

    Args:
        log_ratios: (N,) log-probabilities of whole answers, policy minus reference.
        desirable: (N,) 1 for a desirable answer, 0 for another.
        beta: strength of the reference.
        desirable_weight: of the desirable answers.
        undesirable_weight: of the others.
        mask: (N,) answers that take part, in the baseline too.

    Returns:
        One value per answer, (N,).

    Example:
        >>> kto(torch.tensor([0.0, 0.0]), torch.tensor([1.0, 0.0])).values
        tensor([0.5000, 0.5000])

    Reference:
        Ethayarajh, Xu, Muennighoff, Jurafsky, Kiela, "KTO: Model Alignment as Prospect Theoretic Optimization",
        ICML 2024, https://arxiv.org/abs/2402.01306.
    """
    present = torch.ones_like(log_ratios) if mask is None else mask.to(log_ratios.dtype)
    ratios = log_ratios if mask is None else torch.where(mask, log_ratios, 0.0)
    baseline = (ratios.detach().sum() / present.sum().clamp(min=1)).clamp(min=0)
    sign, weights = 1 - 2 * desirable, torch.where(desirable > 0, desirable_weight, undesirable_weight)
    values = weights.to(ratios.dtype) * torch.sigmoid(sign * beta * (ratios - baseline))
    return Unreduced(values * present, present)
