"""Likelihood of a mixture: several possible answers for one row."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from losszoo import UsageError, loss, wide
from losszoo_plugins.distribution.columns import log_positive
from losszoo_plugins.distribution.location_scale import laplace_of, normal_nll

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


@loss(
    signature="distribution-mixture",
    tags=("probabilistic", "proper", "multimodal"),
    aliases=("mdn", "mixture-density", "gaussian-mixture-nll", "gmm-nll"),
)
@wide
def mixture_nll(
    parameters: Tensor,
    targets: Tensor,
    *,
    family: Literal["normal", "laplace"] = "normal",
    scale: Literal["softplus", "exp"] = "softplus",
) -> Tensor:
    r"""Negative log-likelihood of a mixture density network: several answers, each with a share and a scale.

    .. math:: \ell = -\log \sum_k \pi_k \, N(t; \mu_k, \sigma_k), \quad \pi = \operatorname{softmax}(z)

    For targets with several likely values for the same inputs, of which the mean is none. One component that stands on
    a single target with a scale of 0 would have an infinite likelihood; the least scale, 1e-6, bounds that at
    :math:`-\log(10^6 / \sqrt{2 \pi})`, and it still overfits: watch the validation. A run has five components.

    Args:
        parameters: (..., 3K): K logits of the shares, K means, K raw scales.
        targets: (...), finite.
        family: of each component.
        scale: how a raw scale becomes the scale: by softplus or exp, plus 1e-6.

    Returns:
        One value per target.

    Raises:
        UsageError: another number of columns.

    Example:
        >>> mixture_nll(torch.zeros(1, 6), torch.tensor([2.0]), scale="exp")
        tensor([2.9189])

    Reference:
        Bishop, "Mixture Density Networks", Aston University 1994,
        https://publications.aston.ac.uk/id/eprint/373/.
    """
    if parameters.shape[-1] % 3:
        raise UsageError(f"parameters must have 3 columns for each component, got shape {tuple(parameters.shape)}")
    logits, means, raw = parameters.chunk(3, -1)
    error, log_scale = targets.unsqueeze(-1) - means, log_positive(raw, scale)
    cost = laplace_of(error, log_scale) if family == "laplace" else normal_nll(error, log_scale) + _HALF_LOG_2PI
    return -torch.logsumexp(torch.log_softmax(logits, -1) - cost, -1)
