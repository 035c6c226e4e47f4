"""Several quantiles at once."""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from losszoo import Floats, Range, UsageError, loss
from losszoo_plugins.regression.robust import pinball


@loss(
    signature="distribution-quantiles",
    tags=("quantile", "robust", "proper"),
    aliases=("multi-pinball", "mqloss", "quantiles"),
)
def multi_quantile(
    parameters: Tensor,
    targets: Tensor,
    *,
    quantiles: Annotated[Floats, Range(0, 1, bounds="()")] = (0.1, 0.5, 0.9),
    monotone: bool = True,
) -> Tensor:
    r"""Pinball loss of several quantiles of one model: an interval without the assumption of a distribution.

    .. math:: \ell = \sum_q \max \bigl( q (t - y_q), \; (q - 1)(t - y_q) \bigr)

    For prediction intervals. Two quantiles from columns of their own may cross; with ``monotone`` the first column is
    the first quantile and every further one a step, :math:`y_k = y_{k-1} + \operatorname{softplus}(r_k)`, so they
    cannot. pytorch-forecasting multiplies by 2. A run has a column for each of ``quantiles``, and predicts the one that
    is nearest to the median.

    Args:
        parameters: (..., Q), a column for each quantile in their order.
        targets: (...), finite.
        quantiles: shares of the targets that should lie below; increasing where ``monotone``.
        monotone: whether columns after the first are steps.

    Returns:
        One value per target, the sum over the quantiles.

    Raises:
        UsageError: another number of columns, or quantiles in no order.

    Example:
        >>> multi_quantile(torch.tensor([[0.0, 1.0, 3.0]]), torch.tensor([2.0]), monotone=False)
        tensor([0.8000])

    Reference:
        Wen, Torkkola, Narayanaswamy, Madeka, "A Multi-Horizon Quantile Recurrent Forecaster", 2017,
        https://arxiv.org/abs/1711.11053.
    """
    levels = torch.as_tensor(quantiles, dtype=parameters.dtype, device=parameters.device).reshape(-1)
    if parameters.shape[-1] != len(levels):
        raise UsageError(
            f"parameters must have {len(levels)} columns, one a quantile, got shape {tuple(parameters.shape)}"
        )
    numbers = [quantiles] if isinstance(quantiles, int | float) else list(quantiles)
    if monotone and sorted(set(numbers)) != numbers:
        raise UsageError(f"quantiles must increase where monotone is true, got {numbers}")
    predicted = increasing(parameters) if monotone else parameters
    return pinball(predicted, targets.unsqueeze(-1), levels).sum(-1)


def increasing(raw: Tensor) -> Tensor:
    """The first column, and steps above 0 from each to the next."""
    return torch.cat([raw[..., :1], raw[..., :1] + F.softplus(raw[..., 1:]).cumsum(-1)], -1)
