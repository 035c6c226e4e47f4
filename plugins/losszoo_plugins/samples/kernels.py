"""Distances of two samples by a kernel."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor

from losszoo import Floats, OverBatch, Range, loss, pairwise_logits
from losszoo_plugins.samples.weights import one_value, weights_of


@loss(
    signature="samples",
    tags=("transport", "domain-adaptation", "generative"),
    aliases=("maximum-mean-discrepancy", "kernel-mmd", "mk-mmd"),
)
def mmd(
    first: Tensor,
    second: Tensor,
    *,
    kernel: Literal["gaussian", "laplace", "energy"] = "gaussian",
    bandwidths: Annotated[Floats, Range(0, None, bounds="()")] = 1.0,
    unbiased: bool = False,
    mask: Tensor | None = None,
) -> OverBatch:
    r"""Squared maximum mean discrepancy: how much nearer rows are to their own sample than to the other.

    .. math:: \ell = \overline{k(x, x')} + \overline{k(y, y')} - 2\,\overline{k(x, y)}, \quad
        k(x, y) = \sum_b e^{-\lVert x - y \rVert^2 / 2 b^2}

    For two domains whose features are to have one distribution, and for generators. The bandwidth has to fit the
    distances: far beyond it the kernel is 0 and so is the gradient, so take several, such as (0.5, 1, 2, 4), or the
    "energy" kernel, minus the distance, which has none. "laplace" is :math:`e^{-\lVert x - y \rVert / b}`. It is
    computed from 1 - k, so that samples that nearly agree keep their digits. geomloss gives half of this number.

    Args:
        first: (N, D).
        second: (M, D).
        kernel: "gaussian", "laplace" or "energy".
        bandwidths: b, one or several, whose kernels are summed; "energy" has none.
        unbiased: leave out the pairs of a row with itself; the value may then be below 0.
        mask: (N,) rows of the first sample that take part.

    Returns:
        One value of both samples, (1,). It does not count without a row of the first, or, unbiased, where a sample has
        a single one.

    Example:
        >>> mmd(torch.zeros(1, 2), torch.tensor([[1.0, 1.0]])).values
        tensor([1.2642])

    Reference:
        Gretton, Borgwardt, Rasch, Schoelkopf, Smola, "A Kernel Two-Sample Test", JMLR 2012,
        https://jmlr.org/papers/v13/gretton12a.html.
    """
    a, b = weights_of(first, mask), weights_of(second, None)
    counts = [x.count_nonzero().to(x.dtype) for x in (a, b)]
    between, *within = (_far(x, y, kernel, bandwidths) for x, y in ((first, second), (first, first), (second, second)))
    value = 2 * (a @ between @ b)
    for weights, far, count in zip((a, b), within, counts, strict=True):
        # A row is at no distance from itself: leaving it out changes the number of pairs alone.
        share = count / (count - 1).clamp(min=1) if unbiased else 1.0
        value = value - share * (weights @ far @ weights)
    least = 2 if unbiased else 1
    return one_value(value, (counts[0] >= least) & (counts[1] >= least), first)


def _far(x: Tensor, y: Tensor, kernel: str, bandwidths: Floats) -> Tensor:
    """1 - k of all pairs; of the energy kernel the distance."""
    distances = -pairwise_logits(x, y, "euclidean")
    if kernel == "energy":
        return distances
    several = [bandwidths] if isinstance(bandwidths, int | float) else list(bandwidths)
    # Beyond 1e3 bandwidths the kernel is 0 in float64 too, and the square of a distance may not be a number.
    scaled = [(distances / b).clamp(max=1e3) for b in several]
    powers = [x * x / 2 for x in scaled] if kernel == "gaussian" else scaled
    return torch.stack([-torch.expm1(-x) for x in powers]).sum(0)
