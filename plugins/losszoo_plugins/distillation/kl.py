"""Divergences of two distributions that are given as they are."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor

from losszoo import Range, loss


@loss(
    signature="divergence",
    tags=("distillation", "probabilistic"),
    aliases=("kl-divergence", "kullback-leibler", "kldiv", "kl-div-loss"),
    expects="log-probabilities",
)
def kl_div(
    log_probabilities: Tensor,
    targets: Tensor,
    *,
    direction: Literal["forward", "reverse", "jensen-shannon"] = "forward",
    share: Annotated[float, Range(0, 1, bounds="()", search=(0.1, 0.9))] = 0.5,
    log_target: bool = False,
) -> Tensor:
    r"""Terms of the Kullback-Leibler divergence of a wanted distribution from a predicted one.

    .. math:: \ell = q (\log q - x), \quad x = \log p

    It is called as ``torch.nn.KLDivLoss``: log-probabilities first, then probabilities, one value per element. So its
    mean is over all elements, as torch's default, and smaller than the divergence by the number of classes: take
    ``reduction="sum"`` and divide by the rows, or ``knowledge-distillation`` on logits, which is a divergence per row.
    "forward" covers all that the targets do; "reverse" keeps to what they do, :math:`p (\log p - \log q)`;
    "jensen-shannon" is bounded, of the mixture :math:`m = \beta q + (1 - \beta) p`, and is
    :math:`\beta q (\log q - \log m) + (1 - \beta) p (\log p - \log m)`. An element that the targets never show costs
    nothing whatever is predicted: torch 2.13 gives NaN at a target of 0 beside a log-probability of -infinity.

    Args:
        log_probabilities: x, any shape.
        targets: q, shape of ``log_probabilities``: probabilities, or their logarithms with ``log_target``.
        direction: "forward", "reverse" or "jensen-shannon".
        share: beta, the share of the targets in the mixture of "jensen-shannon".
        log_target: whether targets are logarithms.

    Returns:
        One value per element, shape of ``log_probabilities``; a single one may be below 0, their sum over a
        distribution is not.

    Example:
        >>> kl_div(torch.tensor([0.5, 0.5]).log(), torch.tensor([1.0, 0.0]))
        tensor([0.6931, 0.0000])

    Reference:
        Kullback, Leibler, "On Information and Sufficiency", Annals of Mathematical Statistics 1951,
        https://doi.org/10.1214/aoms/1177729694; Agarwal et al., "On-Policy Distillation of Language Models", ICLR
        2024, https://arxiv.org/abs/2306.13649.
    """
    if log_target:
        wanted, log_wanted = targets.exp(), targets
    else:
        none = targets == 0
        # log 0 is -inf, and its gradient infinite: they are not formed, as no term is made of them.
        wanted, log_wanted = targets, torch.where(none, -torch.inf, torch.where(none, 1.0, targets).log())
    given = log_probabilities.exp()
    if direction == "forward":
        return terms(wanted, log_wanted, log_probabilities)
    if direction == "reverse":
        return terms(given, log_probabilities, log_wanted)
    beta = torch.tensor(share, dtype=wanted.dtype, device=wanted.device)
    # Where both are 0 no term looks at the mixture, whose logarithm has no gradient there.
    neither = (wanted == 0) & (given == 0)
    first, second = (torch.where(neither, 0.0, x) for x in (log_wanted, log_probabilities))
    mixture = torch.logaddexp(first + beta.log(), second + torch.log1p(-beta))
    return share * terms(wanted, log_wanted, mixture) + (1 - share) * terms(given, log_probabilities, mixture)


def terms(wanted: Tensor, log_wanted: Tensor, other: Tensor) -> Tensor:
    r"""Terms :math:`q (\log q - o)` of a divergence; 0 where q is 0, whatever stands beside it."""
    there = wanted != 0
    return torch.where(there, wanted * (torch.where(there, log_wanted, 0.0) - torch.where(there, other, 0.0)), 0.0)
