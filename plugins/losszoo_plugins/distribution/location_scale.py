"""Likelihoods of a location and a scale: normal and Laplace."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from torch import Tensor

from losszoo import Range, loss, wide
from losszoo_plugins.distribution.columns import columns, in_units, log_positive

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


@loss(
    signature="distribution",
    tags=("probabilistic", "proper", "mean"),
    aliases=("normal-nll", "heteroscedastic", "gaussian-likelihood", "mean-variance-estimation"),
)
@wide
def gaussian_nll(
    parameters: Tensor, targets: Tensor, *, scale: Literal["softplus", "exp"] = "softplus", full: bool = False
) -> Tensor:
    r"""Negative log-likelihood of a normal distribution: a mean, and how sure it is, for each row.

    .. math:: \ell = \log \sigma + \tfrac12 \Bigl( \frac{t - \mu}{\sigma} \Bigr)^2 \; (+ \tfrac12 \log 2 \pi),
              \quad \sigma = \operatorname{softplus}(r) + 10^{-6}

    For noise that differs from row to row, and for intervals. It may be negative. Where an error is large its gradient
    on the mean is divided by the variance, so rows that are hard at first may stay so: then use ``beta-nll``. torch's
    ``gaussian_nll_loss(mean, target, var)`` takes the variance, and clamps it at 1e-6 unseen by the gradient: at an
    exact fit and a variance of 1e-8 its value is constant, and its gradient 500000. Here the column is any number, and
    the gradient is that of the value. torch's arguments become ``torch.stack([mean, (var.sqrt() - 1e-6).log()], -1)``
    with ``scale="exp"``.

    Args:
        parameters: (..., 2): mean, and the raw scale r.
        targets: (...), finite.
        scale: how r becomes the standard deviation: by softplus or exp, plus 1e-6.
        full: whether the constant is added, so that it is the logarithm of a density.

    Returns:
        One value per target.

    Raises:
        UsageError: another number of columns.

    Example:
        >>> gaussian_nll(torch.tensor([[0.0, 0.0]]), torch.tensor([2.0]), scale="exp")
        tensor([2.0000])

    Reference:
        Nix, Weigend, "Estimating the Mean and Variance of the Target Probability Distribution", ICNN 1994,
        https://doi.org/10.1109/ICNN.1994.374138.
    """
    mean, raw = columns(parameters, "mean", "scale")
    value = normal_nll(targets - mean, log_positive(raw, scale))
    return value + _HALF_LOG_2PI if full else value


def normal_nll(error: Tensor, log_scale: Tensor) -> Tensor:
    """Without its constant."""
    # The error is divided before it is squared.
    return log_scale + 0.5 * torch.square(in_units(error, log_scale))


def laplace_of(error: Tensor, log_scale: Tensor) -> Tensor:
    """With its constant."""
    return in_units(error.abs(), log_scale) + log_scale + math.log(2)


@loss(signature="distribution", tags=("probabilistic", "mean", "detached-weights"), aliases=("beta-gaussian-nll",))
@wide
def beta_nll(
    parameters: Tensor,
    targets: Tensor,
    *,
    beta: Annotated[float, Range(0, 1)] = 0.5,
    scale: Literal["softplus", "exp"] = "softplus",
) -> Tensor:
    r"""Gaussian likelihood in which rows of a large variance keep their say on the mean.

    .. math:: \ell = \lfloor \sigma^{2 \beta} \rfloor
              \Bigl( \log \sigma + \tfrac12 \Bigl( \frac{t - \mu}{\sigma} \Bigr)^2 \Bigr)

    For ``gaussian-nll`` that explains a hard row by a large variance and no longer fits its mean. The factor in
    brackets has no gradient: ``beta=0`` is ``gaussian-nll``, and at 1 the gradient on the mean is that of half the
    squared error. Its values do not compare between models, as their weights differ: judge by ``gaussian-nll``.

    Args:
        parameters: (..., 2): mean, and the raw scale r, :math:`\sigma = \operatorname{softplus}(r) + 10^{-6}`.
        targets: (...), finite.
        beta: how much of the division by the variance is taken back.
        scale: how r becomes the standard deviation: by softplus or exp, plus 1e-6.

    Returns:
        One value per target.

    Raises:
        UsageError: another number of columns.

    Example:
        >>> beta_nll(torch.tensor([[0.0, 0.0]]), torch.tensor([2.0]), scale="exp")
        tensor([2.0000])

    Reference:
        Seitzer, Tavakoli, Antic, Martius, "On the Pitfalls of Heteroscedastic Uncertainty Estimation with Probabilistic
        Neural Networks", ICLR 2022, https://arxiv.org/abs/2203.09168.
    """
    mean, raw = columns(parameters, "mean", "scale")
    log_scale = log_positive(raw, scale)
    return torch.exp(2 * beta * log_scale.detach()) * normal_nll(targets - mean, log_scale)


@loss(signature="distribution", tags=("probabilistic", "proper", "robust", "median"), aliases=("laplacian-nll",))
@wide
def laplace_nll(parameters: Tensor, targets: Tensor, *, scale: Literal["softplus", "exp"] = "softplus") -> Tensor:
    r"""Negative log-likelihood of a Laplace distribution: a median and a scale for each row.

    .. math:: \ell = \frac{|t - \mu|}{b} + \log 2 b, \quad b = \operatorname{softplus}(r) + 10^{-6}

    For noise that differs from row to row, with outliers: the absolute error takes the place of the squared one of
    ``gaussian-nll``. The standard deviation is :math:`\sqrt 2 b`. At an error of 0 the gradient on the median is 0.

    Args:
        parameters: (..., 2): median, and the raw scale r.
        targets: (...), finite.
        scale: how r becomes b: by softplus or exp, plus 1e-6.

    Returns:
        One value per target.

    Raises:
        UsageError: another number of columns.

    Example:
        >>> laplace_nll(torch.tensor([[0.0, 0.0]]), torch.tensor([2.0]), scale="exp")
        tensor([2.6931])

    Reference:
        Kendall, Gal, "What Uncertainties Do We Need in Bayesian Deep Learning for Computer Vision?", NeurIPS 2017,
        https://arxiv.org/abs/1703.04977.
    """
    median, raw = columns(parameters, "median", "scale")
    return laplace_of(targets - median, log_positive(raw, scale))
