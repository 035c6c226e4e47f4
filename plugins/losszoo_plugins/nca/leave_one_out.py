"""Neighbourhood components analysis: the leave-one-out probability of the own class."""

from __future__ import annotations

from torch import Tensor

from losszoo import loss, softmax_row
from losszoo_plugins.pairs import negative_log_share


@loss(
    signature="embedding",
    tags=("nca", "neighbours", "embedding"),
    aliases=(
        "neighbourhood-components-analysis",
        "neighborhood-components-analysis",
        "soft-nearest-neighbour",
        "soft-nearest-neighbor",
    ),
)
@softmax_row(similarity="squared-euclidean", temperature=1.0, needs=("positive",), temperature_search=(0.05, 20.0))
def nca(odds: Tensor) -> Tensor:
    r"""Negative log-probability that a random neighbour has the same class; bounded below.

    .. math:: \ell_i = -\log p_i, \quad p_i = \sum_{j: y_j = y_i} \operatorname{softmax}_{j \ne i}(s_{ij} / \tau)

    For embeddings that a nearest-neighbour rule will classify; s is minus the squared distance, as in the original.
    This is the logarithmic form, the likelihood that all rows are classified right; scikit-learn's NCA maximises the
    sum of the p. As p <= 1 the loss is bounded below by 0, and the gradient of a right row vanishes. The ratio
    P_same / P_diff = p / (1 - p) has no such bound: it grows without limit, so the embedding grows until an
    exponential underflows, and then the plain form is infinite.

    Args:
        embeddings: (N, D).
        labels: (N,) int64; the positives of a row are the others of its label.
        similarity: s, of two rows; a distance is its negative.
        temperature: what the similarities are divided by: the lower, the fewer neighbours count.

    Returns:
        One value per row, (N,), >= 0; 0 where no candidate is of another class. A row without a positive takes no part.

    Example:
        >>> import losszoo, torch
        >>> losszoo.create("nca")(torch.zeros(3, 2), torch.tensor([0, 0, 1]))
        tensor(0.6931)

    Reference:
        Goldberger, Roweis, Hinton, Salakhutdinov, "Neighbourhood Components Analysis", NeurIPS 2004,
        https://papers.nips.cc/paper/2566-neighbourhood-components-analysis.
    """
    return negative_log_share(odds)
