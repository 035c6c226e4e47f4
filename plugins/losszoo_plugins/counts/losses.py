"""Losses of counts and of amounts that are 0 or positive: Poisson and Tweedie."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from torch import Tensor

from losszoo import Range, loss, wide

# A rate below it is no count's: the logarithm goes on as its tangent, so that value and gradient stay finite.
_LEAST_RATE = 1e-12
# Within it the deviance is its Taylor series: there the closed form is a difference of nearly equal numbers.
_NEAR = 0.3
_TERMS = range(2, 10)


@loss(signature="counts", tags=("counts", "probabilistic"), aliases=("poisson", "poisson-loss"))
@wide
def poisson_nll(log_rates: Tensor, counts: Tensor, *, log_input: bool = True, full: bool = False) -> Tensor:
    r"""Negative log-likelihood of the Poisson distribution, of the logarithm of its rate.

    .. math:: \ell = e^z - t z \; (+ \log t!)

    For counts. The network gives the logarithm z of the rate, which may be any number; with ``log_input=False`` it
    gives the rate p itself, and the loss is :math:`p - t \log p`. Nothing is added to the rate, as torch adds its
    ``eps``; below 1e-12 the logarithm goes on as its tangent, which leads a rate of 0 or less back. With ``full`` the
    factorial is exact, where torch has Stirling's series, and 0 for counts up to 1. Beyond z = 88.7 the true value
    leaves float32.

    Args:
        log_rates: any shape; logarithms of rates, or rates.
        counts: shape of ``log_rates``, >= 0.
        log_input: whether the rates come as logarithms.
        full: whether the term of the counts alone is added; it has no gradient.

    Returns:
        One value per element, shape of ``log_rates``.

    Example:
        >>> poisson_nll(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 2.0]))
        tensor([1.0000, 0.7183])

    Reference:
        Nelder, Wedderburn, "Generalized Linear Models", Journal of the Royal Statistical Society A 1972,
        https://doi.org/10.2307/2344614.
    """
    value = torch.exp(log_rates) - counts * log_rates if log_input else _of_rate(log_rates, counts)
    return value + torch.lgamma(counts + 1) if full else value


def _of_rate(rates: Tensor, counts: Tensor) -> Tensor:
    """p - t log p, with the tangent of the logarithm below the least rate."""
    # A choice, and not a sum of both: the slope 1e12 of the tangent, added and taken off again, leaves no digit.
    below = rates < _LEAST_RATE
    tangent = math.log(_LEAST_RATE) - 1 + rates / _LEAST_RATE
    logarithm = torch.where(below, tangent, torch.where(below, 1.0, rates).log())
    return rates - counts * logarithm


@loss(signature="counts", tags=("counts", "probabilistic"), aliases=("tweedie-deviance", "gamma-deviance"))
@wide
def tweedie(
    log_rates: Tensor,
    counts: Tensor,
    *,
    power: Annotated[float, Range(1, 2, search=(1.1, 1.9))] = 1.5,
) -> Tensor:
    r"""Half the Tweedie deviance of the logarithm of a mean: amounts that are often 0 and otherwise spread widely.

    .. math:: \ell = \frac{t^{2-p}}{(1-p)(2-p)} - \frac{t \, e^{z(1-p)}}{1-p} + \frac{e^{z(2-p)}}{2-p}

    For insurance claims, rainfall and sales. The network gives the logarithm z of the mean. A ``power`` of 1 is
    Poisson's deviance and 2 the gamma distribution's; both are the limits of the formula, and near them it is
    computed without its quotients. The constant term is there, as in scikit-learn, so an exact fit costs 0.

    Args:
        log_rates: any shape; logarithms of means.
        counts: shape of ``log_rates``, >= 0; above 0 for a power of 2, where a target of 0 costs infinity.
        power: p, of the mean in the variance.

    Returns:
        One value per element, shape of ``log_rates``, >= 0.

    Example:
        >>> tweedie(torch.tensor([0.0, 0.0]), torch.tensor([1.0, 4.0]))
        tensor([0., 2.])

    Reference:
        Jorgensen, "Exponential Dispersion Models", Journal of the Royal Statistical Society B 1987,
        https://doi.org/10.1111/j.2517-6161.1987.tb01685.x.
    """
    nothing = counts == 0
    logs = torch.log(torch.where(nothing, 1.0, counts))
    apart = logs - log_rates
    near = (apart.abs() < _NEAR) & ~nothing
    close = torch.exp((2 - power) * log_rates) * _series(torch.where(near, apart, 0.0), power)
    low, high = (_integral(log_rates, torch.where(near, log_rates + 1, logs), k - power) for k in (1, 2))
    value = torch.where(near, close, counts * low - high)
    if power == 2:
        return torch.where(nothing, torch.inf, value)
    return torch.where(nothing, torch.exp((2 - power) * log_rates) / (2 - power), value)


def _integral(low: Tensor, high: Tensor, k: float) -> Tensor:
    """The integral of exp(k v) from low to high: the larger end is taken out, so that nothing else can overflow."""
    apart = high - low
    steep = (k * apart).abs()
    flat = steep < 1e-30
    mean = torch.where(flat, 1.0, -torch.expm1(-steep) / torch.where(flat, 1.0, steep))
    return torch.exp(torch.maximum(k * low, k * high)) * apart * mean


def _series(a: Tensor, power: float) -> Tensor:
    """Deviance over mean^(2 - p) where log(target / mean) = a is small; it begins with a^2 / 2."""
    k, value = 1 - power, torch.zeros_like(a)
    for m in reversed(_TERMS):
        inner = sum(math.comb(m, n) * k ** (n - 1) for n in range(1, m + 1))
        value = value * a + (inner - (k + 1) ** (m - 1)) / math.factorial(m)
    return value * a * a
