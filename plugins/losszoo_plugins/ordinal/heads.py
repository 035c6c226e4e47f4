"""From features to the logits of the steps."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus


class CutPoints(nn.Module):
    """K - 1 numbers in ascending order, learned: the first, and the distances between neighbours.

    They begin where a logistic score has all levels equally often.

    Args:
        levels: K, at least 2.
    """

    def __init__(self, levels: int) -> None:
        super().__init__()
        start = torch.linspace(0, 1, levels + 1, dtype=torch.float64)[1:-1].logit()
        self.first = nn.Parameter(start[:1].float())
        # softplus of it is the distance: above 0 after any step of an optimiser.
        self.raw = nn.Parameter(start.diff().expm1().log().float())

    def gaps(self) -> Tensor:
        """(K - 2,), above 0."""
        return softplus(self.raw)

    def forward(self) -> Tensor:
        """(K - 1,), ascending."""
        return torch.cat((self.first, self.first + self.gaps().cumsum(0)))


class SharedRow(nn.Module):
    """One score of all features, less each of K - 1 ascending cut points: (N, D) to (N, K - 1).

    As all steps share the row of weights, a row that is likely above a level is likelier above the one before.

    Args:
        width: D.
        levels: K.
    """

    def __init__(self, width: int, levels: int) -> None:
        super().__init__()
        self.row = nn.Linear(width, 1, bias=False)
        self.cuts = CutPoints(levels)

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.row(features) - self.cuts()
        return logits
