"""A loss on the direction of a prediction alone."""

from __future__ import annotations

import torch
from torch import Tensor

from losszoo import loss
from losszoo_plugins.pairs import directions


@loss(signature="vectors", tags=("direction", "bounded"), aliases=("cosine-similarity", "cosine-loss"))
def cosine_distance(vectors: Tensor, target_vectors: Tensor) -> Tensor:
    r"""One minus the cosine of the angle between prediction and target, over the last dimension.

    .. math:: \ell = 1 - \frac{\langle p, t \rangle}{\lVert p \rVert \, \lVert t \rVert}

    For targets of which only the direction counts: embeddings of a teacher, normals, word vectors. A zero row has no
    direction: it costs 1, and its gradient is 0, as is that of the exactly opposite direction. The value is half the
    squared distance of the two directions, which keeps its digits where 1 minus a cosine cancels.

    Args:
        vectors: (N, ..., D).
        target_vectors: shape of ``vectors``.

    Returns:
        One value per vector, (N, ...), in [0, 2].

    Example:
        >>> cosine_distance(torch.tensor([[1.0, 0.0], [1.0, 1.0]]), torch.tensor([[0.0, 2.0], [3.0, 3.0]]))
        tensor([1., 0.])

    Reference:
        Barz, Denzler, "Deep Learning on Small Datasets without Pre-Training using Cosine Loss", WACV 2020,
        https://arxiv.org/abs/1901.09054.
    """
    x, y = directions(vectors), directions(target_vectors)
    # Of a zero row the half square of the other is not 1 yet.
    missing = 1 - 0.5 * ((x.detach() != 0).any(-1).to(x.dtype) + (y.detach() != 0).any(-1).to(x.dtype))
    return 0.5 * torch.square(x - y).sum(-1) + missing
