"""Likelihood of counts that spread more than a Poisson distribution does."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from losszoo import loss, wide
from losszoo_plugins.distribution.columns import columns, log_positive

# From it on Stirling's series has all digits of float64: its next term is 691 / 360360 / 20^11.
_LARGE = 20.0


@loss(
    signature="distribution-counts",
    tags=("counts", "probabilistic", "proper"),
    aliases=("negative-binomial", "nb-nll", "gamma-poisson"),
)
@wide
def negative_binomial_nll(
    parameters: Tensor, targets: Tensor, *, scale: Literal["softplus", "exp"] = "softplus"
) -> Tensor:
    r"""Negative log-likelihood of the negative binomial distribution: counts that spread more than Poisson's.

    .. math:: \ell = -\log \frac{\Gamma(t + \frac1\alpha)}{\Gamma(\frac1\alpha) \, t!}
              + (t + \tfrac1\alpha) \log (1 + \alpha \mu) - t \log \alpha \mu, \quad \mu = e^m

    For counts whose variance :math:`\mu + \alpha \mu^2` exceeds their mean: visits, sales, reads of a gene. As the
    dispersion falls to its least value, 1e-6, this becomes Poisson's likelihood, ``poisson-nll(full=true)``, and
    value and gradient keep their digits: of 3 at a mean of 2 it is 1.7123 there, and 2.3671 by torch's
    ``NegativeBinomial`` in float32. The logarithm of the mean is never exponentiated, so a column of 1e4 costs
    what the formula says and no NaN. It is computed in float64.

    Args:
        parameters: (..., 2): logarithm m of the mean, and the raw dispersion.
        targets: (...), counts >= 0.
        scale: how the raw dispersion becomes alpha: by softplus or exp, plus 1e-6.

    Returns:
        One value per target.

    Raises:
        UsageError: another number of columns.

    Example:
        >>> negative_binomial_nll(torch.tensor([[0.0, 0.0]]), torch.tensor([0.0]), scale="exp")
        tensor([0.6931])

    Reference:
        Lawless, "Negative Binomial and Mixed Poisson Regression", Canadian Journal of Statistics 1987,
        https://doi.org/10.2307/3314912.
    """
    log_mean, raw = (x.double() for x in columns(parameters, "log mean", "dispersion"))
    log_dispersion, counts = log_positive(raw, scale), targets.double()
    size = torch.exp(-log_dispersion)
    # x = log(alpha mu): (t + r) log(1 + e^x) - t x, without the difference of two products that a huge mean makes.
    odds = log_mean + log_dispersion
    spread = size * F.softplus(odds, threshold=50.0) + counts * F.softplus(-odds, threshold=50.0)
    value = torch.lgamma(counts + 1) - _rising(size, counts) + spread + counts * log_dispersion
    return value.to(parameters.dtype)


def _rising(size: Tensor, counts: Tensor) -> Tensor:
    """log Gamma(size + counts) - log Gamma(size) - counts log size: near 0 where the size is large."""
    large = size > _LARGE
    n = torch.where(large, size, _LARGE)
    shifted = n + counts
    far = (shifted - 0.5) * torch.log1p(counts / n) - counts + _stirling(shifted) - _stirling(n)
    n = torch.where(large, 1.0, size)
    near = torch.lgamma(n + counts) - torch.lgamma(n) - counts * torch.log(n)
    return torch.where(large, far, near)


def _stirling(x: Tensor) -> Tensor:
    """log Gamma(x) - (x - 1/2) log x + x - 1/2 log 2 pi, for x >= 20."""
    inverse = 1 / x
    square = inverse * inverse
    return inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square / 1188))))
