"""Ordered classes as yes-or-no questions, one for each step from a level to the next: CORAL and CORN."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor
from torch.nn.functional import softplus

from losszoo import Floats, Range, Unreduced, UsageError, loss, wide


@loss(
    signature="ordinal",
    tags=("ordinal", "probabilistic"),
    aliases=("consistent-rank-logits", "ordinal-binary-cross-entropy"),
)
@wide
def coral(logits: Tensor, labels: Tensor, *, importance: Annotated[Floats | None, Range(0, None)] = None) -> Tensor:
    r"""Binary cross-entropy of being above each level, summed.

    .. math:: \ell = -\sum_{k < K - 1} w_k \bigl([y > k] \log \sigma(z_k) + [y \le k] \log \sigma(-z_k)\bigr)

    For grades, stars, ages. A row that is wrong by two levels is wrong in two questions. The logits must come from one
    score less K - 1 cut points, as from the head of a run here: only so the probabilities fall from level to level.
    The predicted level is the number of logits above 0. Labels are levels from 0 to K - 1; coral-pytorch's loss, of the
    same value, takes each as a row of K - 1 zeros and ones.

    Args:
        logits: (N, K - 1), z; logit k is that of being above level k.
        labels: (N,) int64, 0 to K - 1.
        importance: w, one number for each step; none weighs all alike.

    Returns:
        One value per row, (N,).

    Raises:
        UsageError: another number of weights than of steps; scores (N,), which are for ``ordered-logit``.

    Example:
        >>> coral(torch.zeros(1, 3), torch.tensor([1]))
        tensor([2.0794])

    Reference:
        Cao, Mirjalili, Raschka, "Rank Consistent Ordinal Regression for Neural Networks with Application to Age
        Estimation", Pattern Recognition Letters 2020, https://arxiv.org/abs/1901.07884.
    """
    costs = _costs(logits, labels)
    if importance is None:
        return costs.sum(1)
    weights = torch.as_tensor(importance, dtype=costs.dtype, device=costs.device)
    if weights.shape not in ((), (1,), costs.shape[1:]):
        raise UsageError(f"importance must have one entry per step, K-1={costs.shape[1]}, got {weights.numel()}")
    return (costs * weights).sum(1)


@loss(
    signature="conditional-ordinal",
    tags=("ordinal", "probabilistic", "proper"),
    aliases=("conditional-ordinal-regression", "continuation-ratio", "sequential-logit"),
)
@wide
def corn(logits: Tensor, labels: Tensor) -> Unreduced:
    r"""Binary cross-entropy of going on from each level, over the rows that have come so far.

    .. math:: \ell = -\sum_{k < \min(y + 1, K - 1)} [y > k] \log \sigma(z_k) + [y = k] \log \sigma(-z_k)

    For ordered classes. The sum of a row is minus the log-probability of its level, a product of conditional
    probabilities, so any logits are consistent and no head has to share its weights. The probability of being above a
    level is the product of the sigmoids up to it. The mean is over all questions that were asked, as in the paper's
    code: a row of level y counts min(y + 1, K - 1) times. A step that no row of the batch has come to counts nothing.

    Args:
        logits: (N, K - 1), z; logit k is that of going on to k + 1 for a row that is at k or above.
        labels: (N,) int64, 0 to K - 1.

    Returns:
        One value per row, (N,), and how many questions it was asked.

    Example:
        >>> corn(torch.zeros(2, 3), torch.tensor([0, 3])).values
        tensor([0.6931, 2.0794])

    Reference:
        Shi, Cao, Raschka, "Deep Neural Networks for Rank-Consistent Ordinal Regression Based on Conditional
        Probabilities", Pattern Analysis and Applications 2023, https://arxiv.org/abs/2111.08851.
    """
    costs = _costs(logits, labels)
    asked = labels.unsqueeze(1) >= torch.arange(costs.shape[1], device=costs.device)
    return Unreduced(torch.where(asked, costs, 0.0).sum(1), asked.sum(1).to(costs.dtype))


def _costs(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy of each step, (N, K - 1): the label is 1 where the row is above."""
    if logits.ndim != 2:
        raise UsageError(f"logits must have shape (N, K - 1), got {tuple(logits.shape)}; ordered-logit takes scores")
    above = labels.unsqueeze(1) > torch.arange(logits.shape[1], device=logits.device)
    return softplus(torch.where(above, -logits, logits))
