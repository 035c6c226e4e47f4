"""Accelerated failure times with a Weibull distribution."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from losszoo import loss, wide
from losszoo_plugins.distribution.columns import columns, log_positive, positive


@loss(
    signature="survival-weibull",
    tags=("survival", "probabilistic", "proper"),
    aliases=("weibull", "weibull-nll", "aft"),
)
@wide
def weibull_aft(
    scale_and_shape: Tensor, times: Tensor, events: Tensor, *, scale: Literal["softplus", "exp"] = "softplus"
) -> Tensor:
    r"""Minus the log-likelihood of a Weibull distribution whose scale and shape are predicted.

    .. math:: \ell = (t / \lambda)^k - \delta \bigl(\log k + k \log (t / \lambda) - \log t \bigr)

    For times of which some are only known to be longer (delta = 0), where the time itself is asked for: the median is
    lambda (log 2)^(1/k). Rows are apart, so batches may be small. The columns are made positive by softplus + 1e-6;
    with ``scale="exp"`` they are logarithms, as those of ``WeibullAFTFitter`` of lifelines are. The power is formed as
    an exponent, k (log t - log lambda). Times should be in units of about their mean.

    A time of 0 is taken as the smallest positive number of the dtype: the likelihood of an event at 0 is infinite for
    shapes below 1, and 0 for those above.

    Args:
        scale_and_shape: (N, 2), raw columns of lambda and k.
        times: (N,), >= 0, of the event or of the last sight.
        events: (N,), 1 where the time is that of an event, else 0.
        scale: how the columns become positive.

    Returns:
        One value per row, (N,).

    Example:
        >>> weibull_aft(torch.zeros(2, 2), torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.0]), scale="exp")
        tensor([1.0000, 2.0000])

    Reference:
        Kalbfleisch, Prentice, "The Statistical Analysis of Failure Time Data", Wiley 2002,
        https://doi.org/10.1002/9781118032985.
    """
    raw_scale, raw_shape = columns(scale_and_shape, "scale", "shape")
    log_time = times.clamp(min=torch.finfo(times.dtype).tiny).log()
    power = positive(raw_shape, scale) * (log_time - log_positive(raw_scale, scale))
    return torch.exp(power) - events * (log_positive(raw_shape, scale) + power - log_time)
