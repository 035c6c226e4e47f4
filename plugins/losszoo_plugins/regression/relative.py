"""Losses on the ratio of prediction and target: MSLE, MAPE, SMAPE."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from losszoo import Range, loss, wide

# Where log(1 + x) goes on as its tangent: below it a network would be thrown about, and from -1 on there is no number.
_EDGE = -0.99


@loss(signature="regression", tags=("relative", "mean"), aliases=("mean-squared-logarithmic-error",))
@wide
def msle(predictions: Tensor, targets: Tensor) -> Tensor:
    r"""Squared difference of the logarithms of 1 + p and 1 + t: relative errors of numbers from 0 on.

    .. math:: \ell = \bigl(\log(1 + p) - \log(1 + t)\bigr)^2

    For counts, prices and other targets from 0 on that span several powers of ten. A prediction of half the target
    costs more than one of twice the target. Below -0.99 the logarithm goes on as its tangent, so that a network that
    predicts -5 is led back: scikit-learn refuses such a prediction, keras cuts it at 0, where it has no gradient.

    Args:
        predictions: any shape.
        targets: shape of ``predictions``.

    Returns:
        One value per element, shape of ``predictions``.

    Example:
        >>> msle(torch.tensor([0.0, 9.0]), torch.tensor([0.0, 99.0]))
        tensor([0.0000, 5.3019])

    Reference:
        Tofallis, "A Better Measure of Relative Prediction Accuracy for Model Selection and Model Estimation",
        Journal of the Operational Research Society 2015, https://doi.org/10.1057/jors.2014.103.
    """
    return (_log1p(predictions) - _log1p(targets)).square()


def _log1p(x: Tensor) -> Tensor:
    inside = x.clamp(min=_EDGE)
    return torch.log1p(inside) + (x - inside) / (1 + _EDGE)


@loss(signature="regression", tags=("relative", "median"), aliases=("mean-absolute-percentage-error",))
@wide
def mape(
    predictions: Tensor,
    targets: Tensor,
    *,
    floor: Annotated[float, Range(0, None, bounds="()", log=True, search=(1e-3, 1))] = 1e-8,
) -> Tensor:
    r"""Absolute error as a share of the target.

    .. math:: \ell = \frac{|p - t|}{\max(|t|, f)}

    For positive targets whose relative error counts. A target near 0 drowns all others: raise ``floor`` to the least
    target that is meant. Predictions that are too small cost at most 1, so the loss favours them. A share, not per
    cent; the floor is 1e-7 in keras and 2.2e-16 in scikit-learn.

    Args:
        predictions: any shape.
        targets: shape of ``predictions``.
        floor: the least that is divided by, in the unit of the target.

    Returns:
        One value per element, shape of ``predictions``.

    Example:
        >>> mape(torch.tensor([8.0, 3.0]), torch.tensor([10.0, 2.0]))
        tensor([0.2000, 0.5000])

    Reference:
        de Myttenaere, Golden, Le Grand, Rossi, "Mean Absolute Percentage Error for regression models",
        Neurocomputing 2016, https://arxiv.org/abs/1605.02541.
    """
    return (predictions - targets).abs() / targets.abs().clamp(min=floor)


@loss(
    signature="regression",
    tags=("relative", "bounded"),
    aliases=("symmetric-mean-absolute-percentage-error",),
)
def smape(predictions: Tensor, targets: Tensor) -> Tensor:
    r"""Absolute error as a share of the mean size of prediction and target.

    .. math:: \ell = \frac{2 |p - t|}{|p| + |t|}

    For forecasts of positive numbers, some of them 0. It is at most 2, and it is 2 for every prediction of the wrong
    sign: the gradient is 0 there, so start with predictions of the right sign, or use ``mape`` with a floor. Where
    both are 0 the value is 0. A share, not per cent.

    Args:
        predictions: any shape.
        targets: shape of ``predictions``.

    Returns:
        One value per element, shape of ``predictions``, in [0, 2].

    Example:
        >>> smape(torch.tensor([8.0, 0.0]), torch.tensor([12.0, 0.0]))
        tensor([0.4000, 0.0000])

    Reference:
        Makridakis, "Accuracy measures: theoretical and practical concerns", International Journal of Forecasting
        1993, https://doi.org/10.1016/0169-2070(93)90079-3.
    """
    # The value does not change with the scale of both. Their sum would overflow near float32's largest number.
    scale = torch.maximum(predictions.detach().abs(), targets.abs()).clamp(min=torch.finfo(predictions.dtype).tiny)
    p, t = predictions / scale, targets / scale
    size = p.abs() + t.abs()
    both_zero = size == 0
    return torch.where(both_zero, 0.0, 2 * (p - t).abs() / torch.where(both_zero, 1.0, size))
