"""Losses with parameters of their own."""

from math import log
from typing import Annotated

import torch
from torch import Tensor, nn

import losszoo


@losszoo.loss(signature="regression", tags=("learned",))
class LearnedLaplace(nn.Module):
    r"""Absolute error in units of a noise scale that is learned.

    .. math:: \ell = |p - t| / b + \log 2b

    The negative log-likelihood of Laplace noise, for targets whose noise is as unknown as their median.

    Args:
        scale: b at the start.

    Returns:
        From the call on predictions and targets of one shape: one value per element.

    Reference:
        Kendall, Gal, "What Uncertainties Do We Need in Bayesian Deep Learning for Computer Vision?", NeurIPS
        2017, https://arxiv.org/abs/1703.04977.
    """

    def __init__(self, *, scale: Annotated[float, losszoo.Range(0, None, bounds="()")] = 1.0) -> None:
        super().__init__()
        # The logarithm is learned, so that the scale stays positive.
        self.log_scale = nn.Parameter(torch.tensor(scale).log())

    def forward(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return (predictions - targets).abs() * (-self.log_scale).exp() + self.log_scale + log(2)
