"""The loss on the odds of two answers: ORPO."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from torch import Tensor
from torch.nn.functional import softplus

from losszoo import Range, loss


@loss(
    signature="preference",
    expects="log-probabilities",
    tags=("preference", "language-model"),
    aliases=("odds-ratio-preference-optimization",),
)
def orpo(
    chosen: Tensor,
    rejected: Tensor,
    *,
    weight: Annotated[float, Range(0, None, search=(0.01, 1))] = 0.1,
) -> Tensor:
    r"""Odds-ratio preference optimisation: likelihood of the chosen answer, and odds above those of the rejected.

    .. math:: \ell = -\bar\ell_w + \lambda \log\Bigl(1 + \frac{o_l}{o_w}\Bigr), \quad
        o = \frac{e^{\bar\ell}}{1 - e^{\bar\ell}}

    For fine-tuning and preferences in one step, without a reference model. Where the chosen answer is certain, TRL's
    log(1 - exp(x)) is infinite and its gradient NaN; here value and gradient are their limits.

    Args:
        chosen: (N,) log-probabilities of the better answers, <= 0: means over tokens, or sums beside their lengths.
        rejected: (N,) of the worse answers, below 0: one of probability 1 has infinite odds, and is refused.
        weight: of the term of the odds.

    Returns:
        One value per pair, (N,).

    Example:
        >>> orpo(torch.tensor([-1.0]), torch.tensor([-2.0]))
        tensor([1.0238])

    Reference:
        Hong, Lee, Thorne, "ORPO: Monolithic Preference Optimization without Reference Model", EMNLP 2024,
        https://arxiv.org/abs/2403.07691.
    """
    return -chosen + weight * _log_one_plus_ratio(chosen, rejected)


def _log_one_plus_ratio(chosen: Tensor, rejected: Tensor) -> Tensor:
    """log(1 + odds of rejected / odds of chosen), with its gradient where the chosen answer is certain."""
    certain = chosen == 0
    log_odds = _log_odds(rejected)
    value = softplus(log_odds - _log_odds(torch.where(certain, -1.0, chosen)))
    # There the ratio is 0, and its derivative is minus the odds of the rejected answer: 1 - p is -log p to first order.
    return torch.where(certain, -chosen * log_odds.detach().exp(), value)


def _log_odds(log_probability: Tensor) -> Tensor:
    """log(p / (1 - p)) from log p <= 0: log(1 - p) by whichever of log and log1p does not cancel."""
    likely = log_probability > -math.log(2)
    near = torch.log(-torch.expm1(torch.where(likely, log_probability, -1.0)))
    far = torch.log1p(-torch.exp(torch.where(likely, -1.0, log_probability)))
    return log_probability - torch.where(likely, near, far)
