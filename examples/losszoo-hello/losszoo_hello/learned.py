"""Losses with parameters of their own."""

from math import log

import torch
from torch import Tensor, nn


class LaplaceNLL(nn.Module):
    """Absolute error with a scale that is learned: the negative log-likelihood of Laplace noise."""

    def __init__(self, *, scale: float = 1.0) -> None:
        super().__init__()
        # The logarithm is learned, so that the scale stays positive.
        self.log_scale = nn.Parameter(torch.tensor(scale).log())

    def forward(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return (predictions - targets).abs() * (-self.log_scale).exp() + self.log_scale + log(2)
