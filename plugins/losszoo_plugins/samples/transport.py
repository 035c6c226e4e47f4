"""Optimal transport of one sample to another, smoothed by entropy."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from losszoo import OverBatch, Range, loss, pairwise_logits, wide
from losszoo_plugins.samples.weights import one_value, weights_of

# Steps from the diameter of the samples down to the blur.
_ANNEALING = 20


@loss(
    signature="samples",
    tags=("transport", "domain-adaptation", "generative", "detached-weights"),
    aliases=("sinkhorn-divergence", "entropic-transport", "samples-loss"),
)
@wide
def sinkhorn(
    first: Tensor,
    second: Tensor,
    *,
    blur: Annotated[float, Range(0, None, bounds="()", search=(0.01, 0.5), log=True)] = 0.05,
    iterations: Annotated[int, Range(1, None, search=(10, 200))] = 50,
    mask: Tensor | None = None,
) -> OverBatch:
    r"""Debiased entropic cost of moving one sample to the other: 0 where they agree, whatever the blur.

    .. math:: \ell = \operatorname{OT}_\epsilon(x, y) - \tfrac12 \operatorname{OT}_\epsilon(x, x)
        - \tfrac12 \operatorname{OT}_\epsilon(y, y), \quad c = \tfrac12 \lVert x - y \rVert^2, \; \epsilon = b^2

    For two samples that are to be one distribution, also where they do not overlap, which ``mmd`` does not see. Between
    the transport itself (blur to 0) and the distance of the means (blur to infinity). The potentials are iterated in
    the logarithms, in float64, with an entropy that falls from the diameter to the blur, then ``iterations`` times at
    the blur. A blur that is small beside the distances of neighbouring rows needs more; before they have converged the
    value is too small, and may be below 0. The gradient is that at the fixed point, where the potentials do not count:
    no graph goes through the iterations. It cannot be differentiated a second time. Time grows with N M.

    Args:
        first: (N, D).
        second: (M, D).
        blur: b, in units of the rows: details below it are not seen.
        iterations: at the blur itself.
        mask: (N,) rows of the first sample that take part.

    Returns:
        One value of both samples, (1,). It does not count without a row of the first.

    Example:
        >>> sinkhorn(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]])).values
        tensor([12.5000])

    Reference:
        Feydy, Sejourne, Vialard, Amari, Trouve, Peyre, "Interpolating between Optimal Transport and MMD using Sinkhorn
        Divergences", AISTATS 2019, https://arxiv.org/abs/1810.08278.
    """
    x, y = first.double(), second.double()
    a, b = weights_of(x, mask), weights_of(y, None)
    counted = a.sum() > 0.5
    if x.numel() == 0:
        return one_value(x.sum(), counted, first)
    # Of no row the logarithms would all be -inf; what is computed then does not count.
    a = torch.where(counted, a, 1.0)
    with torch.no_grad():
        between, of_first, of_second = _cost(x, y), _cost(x, x), _cost(y, y)
        ends = torch.stack([c.amax() for c in (between, of_first, of_second)]).amax().clamp(min=blur**2)
        epsilon = ends.log() + (2 * torch.tensor(blur, dtype=ends.dtype, device=ends.device).log() - ends.log()) * (
            torch.arange(_ANNEALING + iterations, dtype=ends.dtype, device=ends.device).clamp(max=_ANNEALING)
            / _ANNEALING
        )
        f, g, own_f, own_g = (torch.zeros_like(w) for w in (a, b, a, b))
        for eps in epsilon.exp().unbind():
            new_f, new_g = _soft_least(between, g, b, eps), _soft_least(between.T, f, a, eps)
            # The mean of old and new: both sides move at once, and would else swing around the solution.
            f, g = (f + new_f) / 2, (g + new_g) / 2
            own_f = (own_f + _soft_least(of_first, own_f, a, eps)) / 2
            own_g = (own_g + _soft_least(of_second, own_g, b, eps)) / 2
        eps = torch.tensor(blur**2, dtype=ends.dtype, device=ends.device)
    # One more step with a graph: each sample by its own potentials, against the other held still.
    f, g = _soft_least(_cost(x, y.detach()), g, b, eps), _soft_least(_cost(y, x.detach()), f, a, eps)
    own_f, own_g = _soft_least(_cost(x, x.detach()), own_f, a, eps), _soft_least(_cost(y, y.detach()), own_g, b, eps)
    return one_value(a @ (f - own_f) + b @ (g - own_g), counted, first)


def _cost(x: Tensor, y: Tensor) -> Tensor:
    return -0.5 * pairwise_logits(x, y, "squared-euclidean")


def _soft_least(cost: Tensor, potential: Tensor, weights: Tensor, eps: Tensor) -> Tensor:
    r"""The smooth minimum of cost less potential of each row.

    .. math:: -\epsilon \log \sum_j b_j e^{(g_j - c_j) / \epsilon}
    """
    return -eps * torch.logsumexp(weights.log() + (potential - cost) / eps, 1)
