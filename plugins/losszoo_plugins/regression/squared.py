"""Losses that grow with the square of the error and so predict the mean."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from losszoo import Range, finish, loss, safe_sqrt, wide


@loss(
    signature="regression",
    tags=("mean",),
    aliases=("mean-squared-error", "squared-error", "l2-loss"),
)
@wide
def mse(predictions: Tensor, targets: Tensor) -> Tensor:
    r"""Squared error: predicts the mean; right for normal noise, sensitive to outliers.

    .. math:: \ell = (p - t)^2

    For normal noise of one size. The gradient of an outlier grows with its error; with outliers use ``huber``. No
    factor of one half, which optax's ``l2_loss`` has.

    Args:
        predictions: any shape.
        targets: shape of ``predictions``.

    Returns:
        One value per element, shape of ``predictions``.

    Example:
        >>> mse(torch.tensor([0.0, 3.0]), torch.tensor([0.0, 1.0]))
        tensor([0., 4.])

    Reference:
        Hodson, "Root-mean-square error (RMSE) or mean absolute error (MAE): when to use them or not",
        Geoscientific Model Development 2022, https://doi.org/10.5194/gmd-15-5481-2022.
    """
    return torch.square(predictions - targets)


@loss(signature="regression", tags=("mean", "example"))
@wide
def custom_mse(
    predictions: Tensor,
    targets: Tensor,
    *,
    param1: Annotated[float, Range(None, None, search=(-1, 1))] = 0.1,
    param2: Annotated[float, Range(None, None, search=(-1, 1))] = 0.1,
) -> Tensor:
    r"""Squared error plus multiples of prediction and target: an example of a loss with parameters.

    .. math:: \ell = (p - t)^2 + a\,p + b\,t

    For teaching: the smallest loss with parameters, with a known answer. A positive
    ``param1`` biases predictions downwards, to :math:`t - a/2`; ``param2`` changes the value and never the
    gradient. Its mean is the mean squared error plus ``param1`` times the mean prediction plus ``param2``
    times the mean target, and may be negative.

    Args:
        predictions: any shape.
        targets: shape of ``predictions``.
        param1: a, the multiple of the prediction; moves the minimum to t - a/2.
        param2: b, the multiple of the target; shifts the value, never the gradient.

    Returns:
        One value per element, shape of ``predictions``.

    Example:
        >>> custom_mse(torch.tensor([3.0]), torch.tensor([1.0]), param1=0.5, param2=2.0)
        tensor([7.5000])

    Reference:
        The losszoo developers, a teaching example with its minimum at p = t - a/2; the squared error as in Hodson,
        "Root-mean-square error (RMSE) or mean absolute error (MAE): when to use them or not", Geoscientific Model
        Development 2022, https://doi.org/10.5194/gmd-15-5481-2022.
    """
    return mse(predictions, targets) + param1 * predictions + param2 * targets


@loss(signature="regression", tags=("mean",), aliases=("root-mean-squared-error", "root-mean-square-error"))
@wide
@finish(safe_sqrt)
def rmse(predictions: Tensor, targets: Tensor) -> Tensor:
    r"""Root of the mean squared error: in the unit of the target.

    .. math:: \ell = \sqrt{\tfrac1n \sum_i (p_i - t_i)^2}

    Its gradient does not shrink as the error does, so lower the learning rate towards the end; at zero error it is
    zero. With several outputs the mean goes over all elements, before the root; scikit-learn takes the root of each
    output and then the mean. Errors whose squares leave float32, below 1e-18 and above 1e18, are squared in float64,
    where the loss looks at numbers: on the CPU, or with ``validate=True``.

    Args:
        predictions: any shape.
        targets: shape of ``predictions``.

    Returns:
        One squared error per element, shape of ``predictions``; the root follows the reduction.

    Example:
        >>> rmse(torch.tensor([0.0, 3.0]), torch.tensor([0.0, 1.0]))
        tensor([0., 4.])
        >>> rmse.__losszoo_finish__(torch.tensor(4.0))
        tensor(2.)

    Reference:
        Chai, Draxler, "Root mean square error (RMSE) or mean absolute error (MAE)? Arguments against avoiding
        RMSE in the literature", Geoscientific Model Development 2014,
        https://doi.org/10.5194/gmd-7-1247-2014.
    """
    return mse(predictions, targets)
