"""Likelihoods with heavy tails: Student's t, and the same as the marginal of a normal-inverse-gamma distribution."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from torch import Tensor

from losszoo import Range, loss, wide
from losszoo_plugins.distribution.columns import columns, half_log_gamma_ratio, in_units, log_positive, positive

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


@loss(
    signature="distribution-tails",
    tags=("probabilistic", "proper", "robust"),
    aliases=("student-nll", "t-distribution-nll"),
)
@wide
def student_t_nll(parameters: Tensor, targets: Tensor, *, scale: Literal["softplus", "exp"] = "softplus") -> Tensor:
    r"""Negative log-likelihood of Student's t: location, scale, and how heavy the tails are, for each row.

    .. math:: \ell = -\log \frac{\Gamma(\frac{\nu + 1}{2})}{\Gamma(\frac{\nu}{2}) \sqrt{\nu \pi}} + \log \sigma
              + \tfrac{\nu + 1}{2} \log \Bigl( 1 + \frac{(t - \mu)^2}{\nu \sigma^2} \Bigr)

    For noise with outliers whose share is to be learned. Degrees of freedom are above 2, so the variance
    :math:`\sigma^2 \nu / (\nu - 2)` exists. As they grow this becomes ``gaussian-nll(full=true)``, and no digit is lost
    on the way: the two logarithms of the gamma function are subtracted before they grow, in float64. torch's
    ``StudentT`` subtracts them in float32: at an error of 1 and 1e7 degrees of freedom its value is 0.5, the true one
    1.4189. From a raw scale of about -20 down the least scale, 1e-6, holds and the column has next to no gradient:
    0.006 there at an error of 1, 1e-37 at -100. The location still has its own, 3.7, and leads back.

    Args:
        parameters: (..., 3): location, raw scale, raw degrees of freedom,
            :math:`\nu = 2 + \operatorname{softplus}(\cdot) + 10^{-6}`.
        targets: (...), finite.
        scale: how the raw scale becomes the scale: by softplus or exp, plus 1e-6.

    Returns:
        One value per target.

    Raises:
        UsageError: another number of columns.

    Example:
        >>> student_t_nll(torch.tensor([[0.0, 0.0, 1e4]]), torch.tensor([2.0]), scale="exp")
        tensor([2.9188])

    Reference:
        Lange, Little, Taylor, "Robust Statistical Modeling Using the t Distribution", Journal of the American
        Statistical Association 1989, https://doi.org/10.1080/01621459.1989.10478852.
    """
    location, raw, tails = (x.double() for x in columns(parameters, "location", "scale", "degrees of freedom - 2"))
    value = t_nll(targets.double() - location, log_positive(raw, scale), 2 + positive(tails))
    return value.to(parameters.dtype)


def t_nll(error: Tensor, log_scale: Tensor, degrees: Tensor) -> Tensor:
    """Minus the logarithm of Student's density, in float64."""
    ratio = in_units(error, log_scale)
    # Gamma((v + 1) / 2) / Gamma(v / 2) = sqrt(v / 2) e^(...), which takes sqrt(v pi) with it and leaves sqrt(2 pi).
    bend = torch.log1p(torch.square(ratio) / degrees)
    return _HALF_LOG_2PI - half_log_gamma_ratio(degrees / 2) + log_scale + 0.5 * (degrees + 1) * bend


@loss(
    signature="distribution-evidence",
    tags=("probabilistic", "uncertainty"),
    aliases=("der", "deep-evidential-regression", "normal-inverse-gamma"),
)
@wide
def evidential_regression(
    parameters: Tensor, targets: Tensor, *, weight: Annotated[float, Range(0, None, search=(0.001, 1))] = 0.01
) -> Tensor:
    r"""Deep evidential regression: one network gives the noise of the data and its own doubt.

    .. math:: \ell = -\log \operatorname{St} \Bigl( t; \gamma, \frac{\beta (1 + \nu)}{\nu \alpha}, 2 \alpha \Bigr)
              + \lambda |t - \gamma| (2 \nu + \alpha)

    The network gives a normal-inverse-gamma distribution over mean and variance, whose marginal is Student's t. The
    noise of the data is :math:`\beta / (\alpha - 1)`, the doubt in the mean that divided by :math:`\nu`. The second
    term takes evidence away where the mean is wrong. The first term alone does not fix :math:`\nu`: many values with
    the same :math:`\beta (1 + \nu) / \nu` are as likely, so compare doubts between rows and not as numbers. It is
    computed in float64. From a raw beta of about -20 down the least one, 1e-6, holds, and the column has next to no
    gradient, while gamma has its own.

    Args:
        parameters: (..., 4): gamma, and raw nu, alpha - 1 and beta, made positive by softplus, plus 1e-6.
        targets: (...), finite.
        weight: lambda, of the second term.

    Returns:
        One value per target.

    Raises:
        UsageError: another number of columns.

    Example:
        >>> evidential_regression(torch.tensor([[0.0, 0.0, 0.0, 0.0]]), torch.tensor([1.0]))
        tensor([1.5901])

    Reference:
        Amini, Schwarting, Soleimany, Rus, "Deep Evidential Regression", NeurIPS 2020, https://arxiv.org/abs/1910.02600.
    """
    gamma, *raw = (x.double() for x in columns(parameters, "gamma", "nu", "alpha - 1", "beta"))
    nu, alpha = positive(raw[0]), 1 + positive(raw[1])
    error = targets.double() - gamma
    log_scale = 0.5 * (log_positive(raw[2]) + torch.log1p(nu) - log_positive(raw[0]) - torch.log(alpha))
    value = t_nll(error, log_scale, 2 * alpha) + weight * error.abs() * (2 * nu + alpha)
    return value.to(parameters.dtype)
