"""Neighbourhood components analysis: the leave-one-out probability of the own class."""

from __future__ import annotations

from torch import Tensor

from losszoo import softmax_row
from losszoo_plugins.pairs import negative_log_share


@softmax_row(similarity="squared-euclidean", temperature=1.0, needs=("positive",))
def nca(odds: Tensor) -> Tensor:
    r"""Negative log-likelihood that a row's randomly drawn neighbour is of its own class.

    .. math:: \ell_i = -\log p_i, \quad p_i = \sum_{j: y_j = y_i} \operatorname{softmax}_{j \ne i}(s_{ij})

    For embeddings that a nearest-neighbour rule will classify; the logits are minus the squared distance, as in
    the original. As p <= 1 the loss is bounded below by 0, and
    a row that is right stops pulling. The ratio P_same / P_diff = p / (1 - p) has no such end: it grows
    without limit, so the embedding inflates until an exponential underflows, and then the plain form is
    infinite.

    Args:
        odds: (rows,), log odds of the negatives against the positives in the row's softmax; see
            :func:`losszoo.softmax_row`.

    Returns:
        (rows,), >= 0; 0 where no candidate is of another class. A row without a positive takes no part.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[0.0, -1.0, -1.0]])
        >>> nca(logits, torch.tensor([[False, False, True]]), torch.tensor([[False, True, False]]))
        tensor([0.6931])

    Reference:
        Goldberger, Roweis, Hinton, Salakhutdinov, "Neighbourhood Components Analysis", NeurIPS 2004.
    """
    return negative_log_share(odds)
