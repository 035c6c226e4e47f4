"""A number as a dot on a scale that all rows of a leaderboard share."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from losszoo.reporting.leaderboard_data import Board

_WIDTH, _HEIGHT, _MARGIN = 150, 16, 8
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

    def drawn(self, mean: float | None, spread: float | None, kind: str) -> str:
        """The dot and its bar, a triangle for what lies beyond the end; nothing where there is no number."""
        if mean is None:
            return ""
        width = f'width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
        base = f'<path class="base" d="M{_MARGIN} 8H{_WIDTH - _MARGIN}"/>'
        return f'<svg class="strip-svg {kind}" {width} aria-hidden="true">{base}{self._mark(mean, spread or 0.0)}</svg>'

    def _mark(self, mean: float, spread: float) -> str:
        if mean < self.low:
            return '<path class="beyond" d="M2 8L9 3.5V12.5Z"/>'
        if mean > self.high:
            return f'<path class="beyond" d="M{_WIDTH - 2} 8L{_WIDTH - 9} 3.5V12.5Z"/>'
        bar = f'<path d="M{self._place(mean - spread):.1f} 8H{self._place(mean + spread):.1f}"/>' if spread else ""
        return f'{bar}<circle cx="{self._place(mean):.1f}" cy="8" r="4"/>'

    def _place(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return _MARGIN + (_WIDTH - 2 * _MARGIN) * min(max(share, 0.0), 1.0)


def _fences(values: Sequence[float]) -> tuple[float, float]:
    """Beyond them a value is an outlier: three times the middle half away from it."""
    if len(values) < 4:
        return min(values, default=0.0), max(values, default=0.0)
    first, _, third = statistics.quantiles(values, n=4)
    return first - _FAR * (third - first), third + _FAR * (third - first)
