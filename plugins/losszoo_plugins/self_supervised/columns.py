"""Two views of the same things, compared column by column: no negatives, and no two columns that say the same."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from losszoo import OverBatch, Range, UsageError, loss, wide
from losszoo_plugins.pairs import directions

Weight = Annotated[float, Range(0, None, search=(0.0, 50.0))]


@loss(signature="views", tags=("self-supervised", "redundancy"), aliases=("barlow", "cross-correlation"))
def barlow_twins(
    queries: Tensor,
    keys: Tensor,
    *,
    weight_off: Annotated[float, Range(0, None, search=(1e-4, 0.1), log=True)] = 5e-3,
    mask: Tensor | None = None,
) -> OverBatch:
    r"""Each column agrees with itself in the other view, and with no other column.

    .. math:: \ell = \sum_i (1 - C_{ii})^2 + w \sum_{i \ne j} C_{ij}^2, \quad
        C_{ij} = \operatorname{corr}(q_{\cdot i}, k_{\cdot j})

    For self-supervised training without negatives, with wide embeddings and batches well beyond a hundred rows. C is
    the correlation itself, of columns that are centred and divided by their length. Others divide by the root of the
    variance plus 1e-5: in lightly 1.6 two equal views of columns with a deviation of 0.01 cost 0.008 per column, and
    not 0. A column without variance has a correlation of 0 to everything, so it costs 1, without a gradient.

    Args:
        queries: (N, D) embeddings of one view.
        keys: (N, D) embeddings of the other view.
        weight_off: w, of the correlations of different columns.
        mask: (N,) rows that take part.

    Returns:
        One value of the batch, (1,), >= 0. It does not count for fewer than two rows, which have no correlation.

    Raises:
        UsageError: further keys.

    Example:
        >>> views = torch.tensor([[1.0, 2.0], [-1.0, 2.5], [0.0, 0.0]])
        >>> barlow_twins(views, 3 * views, weight_off=0.0).values.item() < 1e-9
        True

    Reference:
        Zbontar, Jing, Misra, LeCun, Deny, "Barlow Twins: Self-Supervised Learning via Redundancy Reduction", ICML
        2021, https://arxiv.org/abs/2103.03230.
    """
    _refuse_further("barlow-twins", queries, keys)
    first, second = (directions(centred(view, mask).T) for view in (queries, keys))
    correlations = first @ second.T
    own = correlations.diagonal()
    # The own ones are left out, not taken off again: a small rest would cancel.
    others = correlations - torch.diag(own)
    return _of_two_rows((1 - own).square().sum() + weight_off * others.square().sum(), queries, mask)


@loss(signature="views", tags=("self-supervised", "redundancy"), aliases=("variance-invariance-covariance",))
@wide
def vicreg(
    queries: Tensor,
    keys: Tensor,
    *,
    invariance: Weight = 25.0,
    variance: Weight = 25.0,
    covariance: Weight = 1.0,
    eps: Annotated[float, Range(0, None, bounds="()", search=(1e-6, 1e-2), log=True)] = 1e-4,
    mask: Tensor | None = None,
) -> OverBatch:
    r"""Views are near each other, columns vary, and no two columns vary together.

    .. math:: \ell = \frac{\lambda}{N D} \lVert q - k \rVert^2
        + \sum_{z \in \{q, k\}} \Bigl[ \frac{\mu}{2 D} \sum_j \max\bigl(0, 1 - \sqrt{\operatorname{var} z_j +
        \epsilon}\bigr) + \frac{\nu}{D} \sum_{i \ne j} \operatorname{cov}(z_i, z_j)^2 \Bigr]

    For self-supervised training without negatives, where the two views may come from different networks: each is kept
    from collapse by itself. The variance is that of N - 1. The variance term is halved and the covariance is not, as in
    lightly and pytorch-metric-learning. The covariance grows with the fourth power of the embeddings: beyond about
    1e9 it leaves float32, where the value is infinite, never NaN (lightly 1.6: NaN, value and gradient, from 1e20 on).

    Args:
        queries: (N, D) embeddings of one view.
        keys: (N, D) embeddings of the other view.
        invariance: lambda, of the squared distance of the two views.
        variance: mu, of the hinge on the standard deviation of each column.
        covariance: nu, of the squared covariance of different columns.
        eps: added to the variance, > 0: at a variance of 0 the root has no derivative.
        mask: (N,) rows that take part.

    Returns:
        One value of the batch, (1,), >= 0. It does not count for fewer than two rows, which have no variance.

    Raises:
        UsageError: further keys.

    Example:
        >>> views = torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 2.0], [0.0, -2.0]])
        >>> vicreg(views, views).values
        tensor([0.])

    Reference:
        Bardes, Ponce, LeCun, "VICReg: Variance-Invariance-Covariance Regularization for Self-Supervised Learning", ICLR
        2022, https://arxiv.org/abs/2105.04906.
    """
    _refuse_further("vicreg", queries, keys)
    count = _count(queries, mask)
    apart = queries - keys if mask is None else torch.where(mask.unsqueeze(1), queries - keys, 0.0)
    value = invariance * apart.square().sum(0).mean() / count.clamp(min=1)
    for view in (queries, keys):
        centre = centred(view, mask)
        covariances = centre.T @ centre / (count - 1).clamp(min=1)
        own = covariances.diagonal()
        others = covariances - torch.diag(own)
        hinge = (1 - (own + eps).sqrt()).relu()
        value = value + 0.5 * variance * hinge.mean() + covariance * others.square().sum(0).mean()
    return _of_two_rows(value, queries, mask)


def centred(rows: Tensor, mask: Tensor | None) -> Tensor:
    """Rows less their mean; 0 where a row takes no part.

    They are first taken from one of them, so that a column of equal numbers is exactly 0 afterwards: what rounding
    would leave of it has a direction.
    """
    if rows.shape[0] == 0:
        return rows
    if mask is None:
        shifted = rows - rows[:1].detach()
        return shifted - shifted.mean(0)
    origin = rows.detach()[mask.to(torch.int8).argmax()]
    shifted = torch.where(mask.unsqueeze(1), rows - origin, 0.0)
    return torch.where(mask.unsqueeze(1), shifted - shifted.sum(0) / mask.sum().clamp(min=1), 0.0)


def _count(rows: Tensor, mask: Tensor | None) -> Tensor:
    return rows.new_tensor(float(len(rows))) if mask is None else mask.sum().to(rows.dtype)


def _of_two_rows(value: Tensor, rows: Tensor, mask: Tensor | None) -> OverBatch:
    enough = _count(rows, mask) >= 2
    return OverBatch(torch.where(enough, value, 0.0).unsqueeze(0), enough.to(value.dtype).unsqueeze(0))


def _refuse_further(name: str, queries: Tensor, keys: Tensor) -> None:
    if len(keys) != len(queries):
        raise UsageError(f"keys must have the shape of queries, as {name} has no negatives, got {tuple(keys.shape)}")
