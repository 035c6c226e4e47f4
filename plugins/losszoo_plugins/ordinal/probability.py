"""Logarithms of differences of probabilities."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.special import log_ndtr

LOG_ROOT = 0.5 * math.log(2 * math.pi)
# From here on the derivative of torch's log_ndtr loses digits, down to none at -1e15.
_TAIL = -100.0


def log1mexp(x: Tensor) -> Tensor:
    """log(1 - e^-x) of x >= 0; -infinity at 0, and no NaN there in the gradient of what does not use it.

    Example:
        >>> log1mexp(torch.tensor([1e-8, math.log(2), 50.0]))
        tensor([-1.8421e+01, -6.9315e-01, -1.9287e-22])
    """
    small = x < math.log(2)
    # Near 0 the difference has no digits, far from it the logarithm has none.
    near, far = torch.where(small, x, 1.0), torch.where(small, 1.0, x)
    return torch.where(small, torch.log(-torch.expm1(-near)), torch.log1p(-torch.exp(-far)))


def log_normal_below(x: Tensor) -> Tensor:
    """log of the standard normal distribution function at x in float64; its derivative is right in the whole tail.

    Example:
        >>> log_normal_below(torch.tensor([0.0, -1e20], dtype=torch.float64))
        tensor([-6.9315e-01, -5.0000e+39], dtype=torch.float64)
    """
    far = x < _TAIL
    tail = torch.where(far, x, _TAIL)
    # Mills' ratio: the terms fall as powers of 1 / x^2, and the first that is left out is 945 / x^10.
    y = tail.square().reciprocal()
    series = -y * (1 - y * (3 - y * (15 - 105 * y)))
    asymptotic = -0.5 * tail.square() - torch.log(-tail) - LOG_ROOT + torch.log1p(series)
    return torch.where(far, asymptotic, log_ndtr(torch.where(far, 0.0, x)))
