"""Neighbourhood components analysis: the leave-one-out probability of the own class."""

from __future__ import annotations

import torch
from torch import Tensor

from losszoo import pairwise
from losszoo_plugins.nca.contrast import log_odds


def negative_log_share(logits: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    r"""Negative logarithm of the positives' share in the softmax over positives and negatives.

    .. math:: -\log \frac{\sum_{j \in P} e^{s_j}}{\sum_{j \in P} e^{s_j} + \sum_{j \in N} e^{s_j}}

    Computed from the log odds, so that it keeps its digits both where the share is nearly 0 and where it is
    nearly 1.

    Args:
        logits: (rows, N).
        positive: (rows, N), boolean, at least one a row.
        negative: (rows, N), boolean; 0 comes out of a row that has none.

    Returns:
        (rows,), >= 0.

    Example:
        >>> negative_log_share(torch.zeros(1, 2), torch.tensor([[True, False]]), torch.tensor([[False, True]]))
        tensor([0.6931])
    """
    return -torch.nn.functional.logsigmoid(-log_odds(logits, positive, negative))


@pairwise(similarity="squared-euclidean", temperature=1.0, needs=("positive",))
def nca(logits: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    r"""Negative log-likelihood that a row's randomly drawn neighbour is of its own class.

    .. math:: \ell_i = -\log p_i, \qquad p_i = \frac{\sum_{j \ne i: y_j = y_i} e^{s_{ij}}}{\sum_{j \ne i} e^{s_{ij}}}

    For embeddings that a nearest-neighbour rule will classify. As p <= 1 the loss is bounded below by 0, and
    a row that is right stops pulling. The ratio P_same / P_diff = p / (1 - p) has no such end: it grows
    without limit, so the embedding inflates until an exponential underflows, and then the plain form is
    infinite.

    Args:
        logits: (rows, N), similarity over temperature; as in the original minus the squared distance.
        positive: (rows, N), boolean.
        negative: (rows, N), boolean.

    Returns:
        (rows,), >= 0; 0 where no candidate is of another class. A row without a positive takes no part.

    Example:
        >>> logits = torch.tensor([[0.0, -1.0, -1.0]])
        >>> nca(logits, torch.tensor([[False, False, True]]), torch.tensor([[False, True, False]]))
        tensor([0.6931])

    Reference:
        Goldberger, Roweis, Hinton, Salakhutdinov, "Neighbourhood Components Analysis", NeurIPS 2004.
    """
    return negative_log_share(logits, positive, negative)
