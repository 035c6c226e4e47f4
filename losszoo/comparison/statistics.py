"""Means, spreads, paired differences with an interval, who is best, and ranks."""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

K = TypeVar("K")

CONFIDENCE = 0.95
# With which probability as many seeds as are named would tell a difference from 0, as is usual.
POWER = 0.8
_MOST_SEEDS = 1000
# Differences that are equal but for the last digits of the values they are taken of.
_ROUNDING = 1e-12


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
    """A mean of paired differences and its confidence interval.

    Args:
        mean: of the differences.
        low: lower end; None where there is no interval.
        high: upper end; None where there is no interval.
        n: pairs.
    """

    mean: float
    low: float | None
    high: float | None
    n: int

    @property
    def apart(self) -> bool:
        """Whether the interval tells the two apart: it exists, and does not hold 0."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high

    def to_dict(self) -> dict[str, float | int | None]:
        """Plain data."""
        return asdict(self)


def paired(first: Mapping[Any, float], second: Mapping[Any, float]) -> Difference | None:
    r"""First minus second over the seeds of both, with the 95 % interval of the paired t-test.

    .. math:: \bar d \pm t_{0.975, n-1} \, s_d / \sqrt n

    It speaks of the seeds (weights, batches, draws) on one split of the data, not of other splits. One pair has no
    interval. Nor have differences that are all equal: with s_d = 0 it would have no width, even for few pairs.

    Args:
        first: values by seed.
        second: values by seed.

    Example:
        >>> paired({0: 1.0, 1: 2.0}, {0: 0.0, 1: 1.0, 2: 5.0})
        Difference(mean=1.0, low=None, high=None, n=2)
        >>> round(paired({0: 1.0, 1: 3.0}, {0: 0.0, 1: 1.0}).high, 6)
        7.853102
    """
    seeds = [seed for seed in first if seed in second]
    differences = [first[seed] - second[seed] for seed in seeds]
    middle, spread = mean(differences), deviation(differences)
    if middle is None:
        return None
    n = len(differences)
    if spread is None or spread <= _ROUNDING * max(abs(of[seed]) for of in (first, second) for seed in seeds):
        return Difference(middle, None, None, n)
    from scipy.stats import ttest_1samp  # type: ignore[import-untyped, unused-ignore]

    low, high = ttest_1samp(differences, 0.0).confidence_interval(CONFIDENCE)
    return Difference(middle, float(low), float(high), n)


def seeds_to_tell(difference: Difference) -> int | None:
    """The smallest number of seeds with which the paired t-test tells the difference from 0 with a power of 80 %.

    It is as large, and spread as far, as was measured. None: more than 1,000, or there is no interval.

    Example:
        >>> from scipy.stats import ttest_1samp
        >>> low, high = ttest_1samp([0.0, 1.0, 2.0], 0.0).confidence_interval(0.95)
        >>> seeds_to_tell(Difference(1.0, float(low), float(high), 3))  # as large as its deviation
        10
    """
    from scipy.stats import nct, t  # type: ignore[import-untyped, unused-ignore]

    if difference.low is None or difference.high is None:
        return None
    n = difference.n
    spread = (difference.high - difference.low) / 2 * math.sqrt(n) / t.ppf((1 + CONFIDENCE) / 2, n - 1)
    effect = abs(difference.mean) / spread

    def power(seeds: int) -> float:
        # Of the side on which the difference is: a test that tells the wrong side helps nobody.
        return float(nct.sf(t.ppf((1 + CONFIDENCE) / 2, seeds - 1), seeds - 1, effect * math.sqrt(seeds)))

    if power(_MOST_SEEDS) < POWER:
        return None
    return bisect.bisect_left(range(_MOST_SEEDS), POWER, lo=2, key=power)


@dataclass(frozen=True)
class Scores:
    """What a loss or a baseline has reached on a task.

    Args:
        values: of the deciding metric, by seed; those of a baseline stand at every seed.
        constant: it is computed once for all seeds, as a baseline is, and so is no sample of anything.
    """

    values: Mapping[Any, float]
    constant: bool = False

    @property
    def mean(self) -> float | None:
        """Over the seeds; None where there is no number."""
        return mean(list(self.values.values()))

    def minus(self, other: Scores) -> Difference | None:
        """Over the seeds of both; two baselines are one pair."""
        found = paired(self.values, other.values)
        alone = found is not None and self.constant and other.constant
        return replace(found, low=None, high=None, n=1) if found is not None and alone else found


def place(value: float | None, direction: str) -> float:
    """By which the best comes first, and what has no number last."""
    if value is None:
        return math.inf
    return -value if direction == "max" else value


def leader(scores: Mapping[K, Scores], direction: str) -> K | None:
    """The best of those that have most seeds, and of equally good ones the first; None where none has a number."""
    most = max((len(own.values) for own in scores.values() if not own.constant), default=0)
    able = [name for name, own in scores.items() if own.values and (own.constant or len(own.values) == most)]
    return min(able, key=lambda name: place(scores[name].mean, direction), default=None)


def to_the_best(scores: Mapping[K, Scores], direction: str) -> dict[K, Difference]:
    """The differences of all others to the best of those that have most seeds: one lucky seed alone is no yardstick.

    Args:
        scores: by name; of equally good ones the first is the best.
        direction: "max" or "min".

    Example:
        >>> scores = {"a": Scores({0: 0.5, 1: 0.75}), "b": Scores({0: 0.25, 1: 0.5}), "lucky": Scores({0: 1.0})}
        >>> {name: found.mean for name, found in to_the_best(scores, "max").items()}
        {'b': -0.25, 'lucky': 0.5}
    """
    best = leader(scores, direction)
    if best is None:
        return {}
    told = {name: own.minus(scores[best]) for name, own in scores.items() if name != best}
    return {name: difference for name, difference in told.items() if difference is not None}


def ranks(values: Sequence[float], direction: str) -> list[float]:
    """1 for the best; equal values share the mean of their ranks.

    Example:
        >>> ranks([0.5, 0.9, 0.5], "max")
        [2.5, 1.0, 2.5]
    """
    from scipy.stats import rankdata  # type: ignore[import-untyped, unused-ignore]

    found: list[float] = rankdata([-value if direction == "max" else value for value in values]).tolist()
    return found


def mean_ranks(tasks: Sequence[tuple[Mapping[K, float], str]]) -> dict[K, float]:
    """Over several tasks, best first; only who has a number on all of them is ranked. Nothing for one task.

    Args:
        tasks: of each the means by name, and the direction.

    Example:
        >>> mean_ranks([({"a": 0.5, "b": 0.9}, "max"), ({"a": 3.0, "b": 2.0, "c": 1.0}, "min")])
        {'b': 1.0, 'a': 2.0}
    """
    if len(tasks) < 2:
        return {}
    everywhere = [name for name in tasks[0][0] if all(name in means for means, _ in tasks)]
    by_task = [ranks([means[name] for name in everywhere], direction) for means, direction in tasks]
    averages = {name: sum(found) / len(tasks) for name, *found in zip(everywhere, *by_task, strict=True)}
    return dict(sorted(averages.items(), key=lambda item: item[1]))
