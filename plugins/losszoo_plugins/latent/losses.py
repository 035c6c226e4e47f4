"""Divergences of latent variables from their prior."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from losszoo import Range, loss, wide
from losszoo_plugins.series import excess


@loss(
    signature="latent",
    tags=("generative", "variational"),
    aliases=("vae-kl", "gaussian-kl", "kl-gaussian", "kl-standard-gaussian"),
)
@wide
def kl_standard_normal(
    mean: Tensor, log_variance: Tensor, *, free_bits: Annotated[float, Range(0, None, search=(0.0, 0.5))] = 0.0
) -> Tensor:
    r"""Divergence of a normal distribution with independent columns from the standard normal one.

    .. math:: \ell = \tfrac12 \sum_d \bigl(\mu_d^2 + e^{s_d} - 1 - s_d\bigr), \quad s = \log \sigma^2

    The term of a variational autoencoder beside its reconstruction, and of an information bottleneck; the beta of a
    beta-VAE is its weight in a sum, ``mse + 0.5*kl-standard-normal``. It is a sum over columns and a mean over rows:
    beside a reconstruction that is a mean over pixels it weighs far more than in the paper. Near 0 the exponential
    cancels against 1 + s: there its series stands, so a log-variance of 1e-4 keeps its digits, where float32 otherwise
    gives 0. Beyond a log-variance of 88 the value leaves float32.

    Args:
        mean: (N, D).
        log_variance: (N, D), s.
        free_bits: a column below so many nats, of one row, costs as many and has no gradient. Others compare the mean
            over the batch.

    Returns:
        One value per row, (N,), >= 0.

    Example:
        >>> import torch
        >>> kl_standard_normal(torch.ones(1, 2), torch.zeros(1, 2))
        tensor([1.])

    Reference:
        Kingma, Welling, "Auto-Encoding Variational Bayes", ICLR 2014, https://arxiv.org/abs/1312.6114.
    """
    costs = 0.5 * (mean.square() + excess(log_variance))
    return (costs.clamp(min=free_bits) if free_bits else costs).sum(1)
