"""Losses that grow no faster than the error itself, so that an outlier cannot take over."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from losszoo import Range, loss, wide

# Beyond this, log cosh e and |e| - log 2 agree to the last digit of float64; sinh^2 is far from overflow.
_STRAIGHT_BEYOND = 20.0


@loss(
    signature="regression",
    tags=("robust", "median"),
    aliases=("mean-absolute-error", "absolute-error", "l1-loss", "least-absolute-deviations"),
)
def mae(predictions: Tensor, targets: Tensor) -> Tensor:
    r"""Absolute error: predicts the median; an outlier has the same gradient at any distance.

    .. math:: \ell = |p - t|

    For targets with outliers, or where the median is wanted. The gradient is 1 even for the smallest error, and 0 at
    an error of 0.

    Args:
        predictions: any shape.
        targets: shape of ``predictions``.

    Returns:
        One value per element, shape of ``predictions``.

    Example:
        >>> mae(torch.tensor([0.0, 3.0]), torch.tensor([0.0, 1.0]))
        tensor([0., 2.])

    Reference:
        Willmott, Matsuura, "Advantages of the mean absolute error (MAE) over the root mean square error
        (RMSE) in assessing average model performance", Climate Research 2005,
        https://doi.org/10.3354/cr030079.
    """
    return (predictions - targets).abs()


@loss(signature="regression", tags=("robust",), aliases=("huber-loss",))
@wide
def huber(
    predictions: Tensor,
    targets: Tensor,
    *,
    delta: Annotated[float, Range(0, None, bounds="()", log=True, search=(0.01, 10))] = 1.0,
) -> Tensor:
    r"""Squared error within delta, linear beyond: robust to outliers.

    .. math:: \ell = \begin{cases} \tfrac12 e^2 & |e| \le \delta \\
              \delta (|e| - \tfrac12 \delta) & |e| > \delta \end{cases}, \quad e = p - t

    For regression with some outliers: as efficient as the squared error on the rest, and no gradient exceeds
    ``delta``. Note the factor: inside it is half of ``mse``. ``smooth-l1`` is this divided by ``delta``.

    Args:
        predictions: any shape.
        targets: shape of ``predictions``.
        delta: error beyond which the loss is linear, in the unit of the target.

    Returns:
        One value per element, shape of ``predictions``.

    Example:
        >>> huber(torch.tensor([0.5, 3.0]), torch.tensor([0.0, 0.0]))
        tensor([0.1250, 2.5000])

    Reference:
        Huber, "Robust Estimation of a Location Parameter", Annals of Mathematical Statistics 1964,
        https://doi.org/10.1214/aoms/1177703732.
    """
    error = predictions - targets
    # Both branches are c (e - c / 2), c being e cut to [-delta, delta]: no square of a large error is ever
    # formed.
    capped = error.clamp(-delta, delta)
    return capped * (error - 0.5 * capped)


@loss(signature="regression", tags=("robust", "smooth"), aliases=("logcosh",))
def log_cosh(predictions: Tensor, targets: Tensor) -> Tensor:
    r"""Logarithm of the hyperbolic cosine: like the Huber loss, with smooth derivatives.

    .. math:: \ell = \log \cosh (p - t)

    For outliers, with an optimiser that uses curvature: :math:`e^2 / 2` near zero, :math:`|e| - \log 2` far
    away, gradient :math:`\tanh e`, and smooth throughout.

    Args:
        predictions: any shape.
        targets: shape of ``predictions``; the scale matters, as the bend is at an error of about 1.

    Returns:
        One value per element, shape of ``predictions``.

    Example:
        >>> log_cosh(torch.tensor([1e-3, 1e4]), torch.tensor([0.0, 0.0]))
        tensor([5.0000e-07, 9.9993e+03])

    Reference:
        Saleh, Saleh, "Statistical Properties of the log-cosh Loss Function Used in Machine Learning", 2022,
        https://arxiv.org/abs/2208.04564.
    """
    error = predictions - targets
    bent = error.clamp(-_STRAIGHT_BEYOND, _STRAIGHT_BEYOND)
    # cosh e = 1 + 2 sinh^2(e/2): nothing cancels near zero, where cosh itself rounds to 1.
    return torch.log1p(2 * torch.sinh(0.5 * bent).square()) + (error - bent).abs()


@loss(
    signature="regression",
    tags=("robust", "quantile"),
    aliases=("pinball", "quantile-regression", "check-loss", "tilted-absolute-error"),
)
def quantile(
    predictions: Tensor,
    targets: Tensor,
    *,
    quantile: Annotated[float, Range(0, 1, bounds="()", search=(0.05, 0.95))] = 0.5,
) -> Tensor:
    r"""Pinball loss: predicts a quantile, for intervals, or if too low costs more than too high.

    .. math:: \ell = \max(q\,e,\ (q - 1)\,e), \quad e = t - p

    For prediction intervals (train one model per end), and where too low costs more than too high or less. At
    ``quantile=0.5`` it is half of ``mae``. The gradient is :math:`-q` below the target, :math:`1 - q` above it, and
    0 on it, so an exact fit does not move.

    Args:
        predictions: any shape.
        targets: shape of ``predictions``.
        quantile: q, the share of the targets that should lie below the prediction.

    Returns:
        One value per element, shape of ``predictions``.

    Example:
        >>> quantile(torch.tensor([0.0, 2.0]), torch.tensor([1.0, 1.0]), quantile=0.9)
        tensor([0.9000, 0.1000])

    Reference:
        Koenker, Bassett, "Regression Quantiles", Econometrica 1978, https://doi.org/10.2307/1913643.
    """
    return pinball(predictions, targets, quantile)


def pinball(predictions: Tensor, targets: Tensor, share: float | Tensor) -> Tensor:
    """The values of it, of one share or of several beside each other."""
    missing = targets - predictions
    # Two relus, as the gradient of relu at 0 is 0; `maximum` would share a tie out between q and q - 1.
    return share * torch.relu(missing) + (1 - share) * torch.relu(-missing)
