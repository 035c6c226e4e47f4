"""Curves of a few hundred points that look like those of ten thousand."""

from __future__ import annotations

import math
from collections.abc import Sequence


def chosen(values: Sequence[float | None], most: int) -> list[int]:
    """Places of at most so many values, ascending: the first, the last, and the extremes of equal stretches.

    A peak of one step is what a curve of gradient norms is looked at for; a mean, or every n-th step, would lose it.

    Args:
        values: of the curve; None is nothing to draw.
        most: at least 4.

    Example:
        >>> chosen([0, 1, 9, 1, 0, 1, 1, -5, 1, 0], 6)
        [0, 2, 5, 7, 9]
    """
    drawn = [i for i, value in enumerate(values) if value is not None]
    if len(drawn) <= most:
        return drawn
    stretches = (most - 2) // 2
    kept = {drawn[0], drawn[-1]}
    for k in range(stretches):
        stretch = drawn[k * len(drawn) // stretches : (k + 1) * len(drawn) // stretches]
        kept |= {min(stretch, key=lambda i: values[i] or 0.0), max(stretch, key=lambda i: values[i] or 0.0)}
    return sorted(kept)


def every(places: Sequence[int], most: int) -> list[int]:
    """At most so many of the places, at equal distances.

    Example:
        >>> every(range(10), 4)
        [0, 2, 5, 7]
    """
    if len(places) <= most:
        return list(places)
    return [places[k * len(places) // most] for k in range(most)]


def rounded(value: float | None) -> float | None:
    """A number in as many digits as can be seen, which is a third of the page's size."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.5g}")
