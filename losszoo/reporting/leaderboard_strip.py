"""A number as a dot on a scale that all rows of a leaderboard share."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from losszoo.reporting.leaderboard_data import Board

# The page draws it so many units wide, and 16 high.
WIDTH, MARGIN = 150, 8
# A loss that has learned nothing would press all others into one dot.
_FAR = 3.0


@dataclass(frozen=True)
class Strip:
    """The scale: the whole range, but for what lies far out."""

    low: float
    high: float

    @classmethod
    def of(cls, board: Board) -> Strip:
        """Wide enough for the spread of every mean that is no outlier."""
        rows = [(entry.mean(), entry.spread) for entry in board.entries] + [(v, s) for _, v, s, _ in board.published]
        known = [(mean, spread or 0.0) for mean, spread in rows if mean is not None]
        low, high = _fences([mean for mean, _ in known])
        ends = [mean + sign * spread for mean, spread in known if low <= mean <= high for sign in (-1, 1)]
        return cls(min(ends, default=0.0), max(ends, default=1.0))

    def place(self, value: float) -> float:
        """Where a value of the range stands, in the units of the drawing."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return MARGIN + (WIDTH - 2 * MARGIN) * min(max(share, 0.0), 1.0)


def _fences(values: Sequence[float]) -> tuple[float, float]:
    """Beyond them a value is an outlier: three times the middle half away from it."""
    if len(values) < 4:
        return min(values, default=0.0), max(values, default=0.0)
    first, _, third = statistics.quantiles(values, n=4)
    return first - _FAR * (third - first), third + _FAR * (third - first)
