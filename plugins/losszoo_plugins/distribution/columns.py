"""From the raw columns of a network to the parameters of a distribution."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from losszoo import UsageError

# What every scale keeps. So a likelihood is bounded even where an error is exactly 0.
LEAST = 1e-6
_LOG_LEAST = math.log(LEAST)


def columns(parameters: Tensor, *names: str) -> tuple[Tensor, ...]:
    """The columns of (..., P), which must be as many as they have names.

    Raises:
        UsageError: another number of them.
    """
    if parameters.shape[-1] != len(names):
        raise UsageError(
            f"parameters must have {len(names)} columns ({', '.join(names)}), got shape {tuple(parameters.shape)}"
        )
    return parameters.unbind(-1)


def positive(raw: Tensor, scale: str = "softplus") -> Tensor:
    """A number above 0 from any number."""
    return (F.softplus(raw) if scale == "softplus" else torch.exp(raw)) + LEAST


def log_positive(raw: Tensor, scale: str = "softplus") -> Tensor:
    """Its logarithm, which of an exponential is finite wherever the column is."""
    if scale == "softplus":
        return torch.log(positive(raw))
    # log(e^r + m) = max + log1p(e^-distance): e^r itself is never formed.
    return torch.logaddexp(raw, torch.full_like(raw, _LOG_LEAST))


def half_log_gamma_ratio(h: Tensor) -> Tensor:
    r"""log Gamma(h + 1/2) - log Gamma(h) - 1/2 log h, for h > 0 in float64: about -1/(8h) where h is large.

    From 20 on it is its asymptotic series, whose next term is below 1e-15; the two logarithms, each about h log h,
    would cancel.
    """
    large = h > 20
    inverse = 1 / torch.where(large, h, 20.0)
    square = inverse * inverse
    series = inverse * (-1 / 8 + square * (1 / 192 + square * (-1 / 640 + square * (17 / 14336 - square * 31 / 18432))))
    small = torch.where(large, 1.0, h)
    return torch.where(large, series, torch.lgamma(small + 0.5) - torch.lgamma(small) - 0.5 * torch.log(small))
