"""Means, spreads, paired differences with an interval, and ranks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

CONFIDENCE = 0.95


def mean(values: Sequence[float]) -> float | None:
    """None of nothing."""
    return math.fsum(values) / len(values) if values else None


def deviation(values: Sequence[float]) -> float | None:
    """Of a sample, with n - 1; None of fewer than two."""
    if len(values) < 2:
        return None
    middle = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - middle) ** 2 for value in values) / (len(values) - 1))


@dataclass(frozen=True)
class Difference:
    """A mean of paired differences and its confidence interval; no interval for one pair.

    Args:
        mean: of the differences.
        low: lower end.
        high: upper end.
        n: pairs.
    """

    mean: float
    low: float | None
    high: float | None
    n: int

    def to_dict(self) -> dict[str, float | int | None]:
        """Plain data."""
        return asdict(self)


def paired(first: Mapping[int, float], second: Mapping[int, float]) -> Difference | None:
    r"""First minus second over the seeds of both, with the 95 % interval of the paired t-test.

    .. math:: \bar d \pm t_{0.975, n-1} \, s_d / \sqrt n

    It speaks of the seeds (weights, batches, draws) on one split of the data, not of other splits.

    Args:
        first: values by seed.
        second: values by seed.

    Example:
        >>> paired({0: 1.0, 1: 2.0}, {0: 0.0, 1: 1.0, 2: 5.0})
        Difference(mean=1.0, low=1.0, high=1.0, n=2)
    """
    differences = [first[seed] - second[seed] for seed in first if seed in second]
    middle, spread = mean(differences), deviation(differences)
    if middle is None:
        return None
    if spread is None:
        return Difference(middle, None, None, len(differences))
    from scipy.special import stdtrit  # type: ignore[import-untyped, unused-ignore]

    n = len(differences)
    half = float(stdtrit(n - 1, 0.5 + CONFIDENCE / 2)) * spread / math.sqrt(n)
    return Difference(middle, middle - half, middle + half, n)


def ranks(values: Sequence[float], direction: str) -> list[float]:
    """1 for the best; equal values share the mean of their ranks.

    Example:
        >>> ranks([0.5, 0.9, 0.5], "max")
        [2.5, 1.0, 2.5]
    """
    signed = [-value if direction == "max" else value for value in values]
    return [sum(other < own for other in signed) + (sum(other == own for other in signed) + 1) / 2 for own in signed]
