"""Forms of the neighbourhood loss as they are first written, kept to show how they break."""

from __future__ import annotations

import torch
from torch import Tensor

from losszoo import pairwise


@pairwise(similarity="euclidean", temperature=1.0, needs=("positive", "negative"))
def nca_ratio(logits: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    r"""Negative log ratio of two sums of softmax probabilities, as the formula says it.

    .. math:: \ell_i = -\log \frac{P_i^{\text{same}}}{P_i^{\text{diff}}}

    An exhibit. Once the classes lie apart by 44 temperatures, the slope of the quotient overflows in float32; from
    about 100 on a sum is 0, the loss infinite and its gradient NaN. :func:`nca_stable` is the same number,
    computed without the softmax.

    Args:
        logits: (rows, N), similarity over temperature.
        positive: (rows, N), boolean.
        negative: (rows, N), boolean.

    Returns:
        (rows,), infinite where a sum underflows. A row without a positive or without a negative takes no
        part.

    Example:
        >>> logits = torch.tensor([[0.0, -1.0, -200.0]])
        >>> nca_ratio(logits, torch.tensor([[False, False, True]]), torch.tensor([[False, True, False]]))
        tensor([inf])

    Reference:
        Goldberger, Roweis, Hinton, Salakhutdinov, "Neighbourhood Components Analysis", NeurIPS 2004.
    """
    same, different = _shares(logits, positive, negative)
    return -torch.log(same / different)


@pairwise(similarity="euclidean", temperature=1.0, needs=("positive", "negative"))
def nca_epsilon(logits: Tensor, positive: Tensor, negative: Tensor, *, eps: float = 1e-10) -> Tensor:
    r"""The ratio of :func:`nca_ratio` with an epsilon in both sums.

    .. math:: \ell_i = -\log \frac{P_i^{\text{same}} + \epsilon}{P_i^{\text{diff}} + \epsilon}

    An exhibit. The epsilon cures the infinite value and nothing else. The gradient through a sum P is
    multiplied by P / (P + eps), so it fades as P falls below eps, and is exactly 0 once P underflows: a row
    that lies among another class, which needs the loss most, gets none, and the loss stands still at
    -log(eps). In float32 an ``eps`` below 1e-7 also changes nothing in a sum near 1. Use :func:`nca_stable`.

    Args:
        logits: (rows, N), similarity over temperature.
        positive: (rows, N), boolean.
        negative: (rows, N), boolean.
        eps: added to both sums, in (0, 1).

    Returns:
        (rows,), within about log(eps) of 0. A row without a positive or without a negative takes no part.

    Example:
        >>> logits = torch.tensor([[0.0, -1.0, -200.0]])
        >>> nca_epsilon(logits, torch.tensor([[False, False, True]]), torch.tensor([[False, True, False]]))
        tensor([23.0259])

    Reference:
        Goldberger, Roweis, Hinton, Salakhutdinov, "Neighbourhood Components Analysis", NeurIPS 2004.
    """
    same, different = _shares(logits, positive, negative)
    return -torch.log((same + eps) / (different + eps))


def _shares(logits: Tensor, positive: Tensor, negative: Tensor) -> tuple[Tensor, Tensor]:
    """Softmax over the other rows, summed over the own class and over the other classes."""
    probabilities = logits.masked_fill(~(positive | negative), -torch.inf).softmax(1)
    return torch.where(positive, probabilities, 0.0).sum(1), torch.where(negative, probabilities, 0.0).sum(1)
