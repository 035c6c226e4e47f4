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
# A softplus below that of it is a power series.
_SMALL = -5.0


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
    """Its logarithm, which is finite wherever the column is.

    Neither the number nor one divided by it is formed: on the way back a large gradient would meet 1e6 first, and leave
    float32 before it meets the small derivative of the column.
    """
    logarithm = _log_softplus(raw) if scale == "softplus" else raw
    return torch.logaddexp(logarithm, torch.full_like(raw, _LOG_LEAST))


def _log_softplus(raw: Tensor) -> Tensor:
    """log log(1 + e^r): far below 0 it is r + log(1 - u / 2 + ...) of u = e^r, without a quotient of small numbers."""
    small = raw < _SMALL
    u = torch.exp(torch.where(small, raw, _SMALL))
    # log(1 + u) / u - 1; the next term is u^6 / 7 = 1e-14.
    bend = u * (-1 / 2 + u * (1 / 3 - u * (1 / 4 - u * (1 / 5 - u / 6))))
    return torch.where(small, raw + torch.log1p(bend), torch.log(F.softplus(raw.clamp(min=_SMALL))))


def in_units(error: Tensor, log_scale: Tensor) -> Tensor:
    """error / scale, whose derivative by the logarithm of the scale is minus itself, and is formed so.

    By the product error e^-s it is an error times an outer gradient first, which leaves float32 where the result fits.
    """
    constant = log_scale.detach()
    return error * torch.exp(-constant) * torch.exp(constant - log_scale)


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
