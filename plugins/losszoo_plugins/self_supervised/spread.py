"""What keeps embeddings apart, whatever they are of."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from losszoo import Range, Unreduced, loss, pairwise_logits, safe_sqrt
from losszoo_plugins.pairs import directions


@loss(signature="embedding", tags=("self-supervised", "regularizer"), aliases=("kozachenko-leonenko", "ko-leo"))
def koleo(
    embeddings: Tensor,
    labels: Tensor,
    *,
    eps: Annotated[float, Range(0, None, bounds="()", search=(1e-10, 1e-4), log=True)] = 1e-8,
    mask: Tensor | None = None,
) -> Unreduced:
    r"""Minus the logarithm of the distance to the nearest other row: directions spread evenly over the sphere.

    .. math:: \ell_i = -\log\Bigl(\min_{j \ne i} \Bigl\lVert \frac{x_i}{\lVert x_i \rVert} - \frac{x_j}{\lVert x_j
        \rVert} \Bigr\rVert + \epsilon\Bigr)

    A term beside another loss, such as ``nt-xent`` or ``dino``, against collapse; an estimate of the entropy of the
    embeddings, up to constants. No label is looked at: any of the right shape will do. Duplicates cost 18.4 each, and
    have no direction to move apart, so their gradient is 0. The distance is that of the two rows themselves, found by
    exact distances: a cosine of nearly 1 has no digits of it.

    Args:
        embeddings: (N, D).
        labels: (N,) int64, which do not matter.
        eps: added to the distance, > 0.
        mask: (N,) rows that take part, as neighbours too.

    Returns:
        One value per row, (N,), >= -log 2. A row without another one takes no part.

    Example:
        >>> koleo(torch.tensor([[1.0, 0.0], [0.0, 5.0]]), torch.tensor([0, 0])).values
        tensor([-0.3466, -0.3466])

    Reference:
        Sablayrolles, Douze, Schmid, Jegou, "Spreading Vectors for Similarity Search", ICLR 2019,
        https://arxiv.org/abs/1806.03198.
    """
    count = len(embeddings)
    if count < 2:
        return Unreduced(0 * embeddings.sum(1), 0 * embeddings.detach().sum(1))
    rows = directions(embeddings)
    nearest, there = _nearest(rows.detach(), mask)
    values = -(safe_sqrt((rows - rows[nearest]).square().sum(1)) + eps).log()
    return Unreduced(torch.where(there, values, 0.0), there.to(values.dtype))


def _nearest(rows: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Place of the nearest other row that takes part, and whether there is one."""
    present = torch.ones(len(rows), dtype=torch.bool, device=rows.device) if mask is None else mask
    others = present & ~torch.eye(len(rows), dtype=torch.bool, device=rows.device)
    closeness = torch.where(others, pairwise_logits(rows, rows, "euclidean"), -torch.inf)
    return closeness.argmax(1), present & others.any(1)
