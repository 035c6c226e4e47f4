"""Forms of the neighbourhood loss as they are first written, kept to show how they break."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from losszoo import Range, loss, pairwise


@loss(
    signature="embedding",
    tags=("nca", "neighbours", "embedding", "underflow"),
    status="exhibit",
    stable_twin="nca-stable",
)
@pairwise(similarity="euclidean", temperature=1.0, needs=("positive", "negative"), temperature_search=(0.05, 20.0))
def nca_ratio(logits: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    r"""Logarithm of a ratio of two softmax sums, taken literally: infinite once a sum underflows.

    .. math:: \ell_i = -\log \frac{P_i^{\text{same}}}{P_i^{\text{diff}}}

    P is the softmax of s over the temperature, summed over the other rows of the own class, or of another one. An
    exhibit. Once the classes lie apart by 44 temperatures, the gradient of the quotient overflows in float32; from
    about 100 on a sum is 0, the loss infinite and its gradient NaN. ``nca-stable`` is the same number,
    computed without the softmax.

    Args:
        embeddings: (N, D).
        labels: (N,) int64; the positives of a row are the others of its label.
        similarity: s, of two rows; a distance is its negative.
        temperature: what the similarities are divided by: the lower, the fewer neighbours count.

    Returns:
        One value per row, (N,), infinite where a sum underflows. A row without a positive or without a negative takes
        no part.

    Example:
        >>> import losszoo
        >>> embeddings, labels = torch.tensor([[0.0], [1.0], [-200.0]]), torch.tensor([1, 0, 1])
        >>> losszoo.create("nca-ratio", reduction="none")(embeddings, labels)[0]
        tensor(inf)

    Reference:
        The losszoo developers; the probabilities of neighbours as in Goldberger, Roweis, Hinton, Salakhutdinov,
        "Neighbourhood Components Analysis", NeurIPS 2004,
        https://papers.nips.cc/paper/2566-neighbourhood-components-analysis.
    """
    same, different = _shares(logits, positive, negative)
    return -torch.log(same / different)


@loss(
    signature="embedding",
    tags=("nca", "neighbours", "embedding", "underflow", "vanishing-gradient"),
    status="exhibit",
    stable_twin="nca-stable",
)
@pairwise(similarity="euclidean", temperature=1.0, needs=("positive", "negative"), temperature_search=(0.05, 20.0))
def nca_epsilon(
    logits: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    eps: Annotated[float, Range(0, 1, bounds="()", log=True, search=(1e-12, 1e-3))] = 1e-10,
) -> Tensor:
    r"""The ratio with an epsilon in both sums: finite, without a gradient where it is needed.

    .. math:: \ell_i = -\log \frac{P_i^{\text{same}} + \epsilon}{P_i^{\text{diff}} + \epsilon}

    An exhibit: ``nca-ratio`` with an epsilon, which cures the infinite value and nothing else. The gradient through a
    sum P is multiplied by P / (P + eps), so it fades as P falls below eps, and is exactly 0 once P underflows: a row
    that lies among another class, which needs the loss most, gets none, and the loss stands still at
    -log(eps). In float32 an ``eps`` below 1e-7 also changes nothing in a sum near 1. Use ``nca-stable``.

    Args:
        embeddings: (N, D).
        labels: (N,) int64; the positives of a row are the others of its label.
        eps: added to both sums.
        similarity: s, of two rows; a distance is its negative.
        temperature: what the similarities are divided by: the lower, the fewer neighbours count.

    Returns:
        One value per row, (N,), within about log(eps) of 0. A row without a positive or without a negative takes no
        part.

    Example:
        >>> import losszoo
        >>> embeddings, labels = torch.tensor([[0.0], [1.0], [-200.0]]), torch.tensor([1, 0, 1])
        >>> losszoo.create("nca-epsilon", reduction="none")(embeddings, labels)[0]
        tensor(23.0259)

    Reference:
        The losszoo developers; the probabilities of neighbours as in Goldberger, Roweis, Hinton, Salakhutdinov,
        "Neighbourhood Components Analysis", NeurIPS 2004,
        https://papers.nips.cc/paper/2566-neighbourhood-components-analysis.
    """
    same, different = _shares(logits, positive, negative)
    return -torch.log((same + eps) / (different + eps))


def _shares(logits: Tensor, positive: Tensor, negative: Tensor) -> tuple[Tensor, Tensor]:
    """Softmax over the other rows, summed over the own class and over the other classes."""
    probabilities = logits.masked_fill(~(positive | negative), -torch.inf).softmax(1)
    return torch.where(positive, probabilities, 0.0).sum(1), torch.where(negative, probabilities, 0.0).sum(1)
