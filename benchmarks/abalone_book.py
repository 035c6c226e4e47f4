"""What the runs of abalone.py say: means, and paired differences with their intervals."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from abalone_trainings import Row
from scipy.stats import t as student  # type: ignore[import-untyped]

Document = Mapping[str, Any]


class Interval(NamedTuple):
    """A mean difference in percentage points, and its 95 % confidence interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:+.1f} ({self.low:+.1f} to {self.high:+.1f})"

    @property
    def sign(self) -> int:
        """Of a difference that is not noise; 0 where the interval holds 0."""
        return (self.low > 0) - (self.high < 0)


class Book:
    """The runs of a document by training, seed and split."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.runs = {(run["training"], run["seed"], run["split"]): run for run in document["runs"]}
        self.by_seed = [cell for cell in _cells(document) if cell[1] == 0]
        self.by_split = [cell for cell in _cells(document) if cell[0] == 0]

    def values(self, row: Row, cells: Iterable[tuple[int, int]], part: str = "test") -> list[float] | None:
        """Accuracy in every cell; None where the training was not run in all of them."""
        runs = [self.runs.get((row.training, *cell)) for cell in cells]
        return None if None in runs else [run[part][row.weights][row.rule] for run in runs if run]

    def mean(self, row: Row, part: str = "test") -> str:
        """Mean and deviation over the training seeds."""
        values = self.values(row, self.by_seed, part) or []
        return spread(values)

    def change(self, row: Row, base: Row, cells: list[tuple[int, int]]) -> Interval | None:
        """Paired difference in points, from run to run."""
        after, before = self.values(row, cells), self.values(base, cells)
        return paired(after, before) if after and before else None

    def changes(self, row: Row, base: Row) -> list[str]:
        """Both differences, and what they say together."""
        found = [self.change(row, base, cells) for cells in (self.by_seed, self.by_split)]
        return [*("" if one is None else str(one) for one in found), verdict(found)]


def _cells(document: Document) -> list[tuple[int, int]]:
    return sorted({(run["seed"], run["split"]) for run in document["runs"]})


def paired(after: list[float], before: list[float]) -> Interval:
    """Student's interval of the mean difference.

    Example:
        >>> paired([0.61, 0.62, 0.63], [0.60, 0.60, 0.60])
        Interval(mean=2.0, low=-0.48, high=4.48)
    """
    differences = [100 * (one - other) for one, other in zip(after, before, strict=True)]
    middle, count = statistics.fmean(differences), len(differences)
    half = float(student.ppf(0.975, count - 1)) * statistics.stdev(differences) / count**0.5
    return Interval(*(round(x, 2) for x in (middle, middle - half, middle + half)))


def verdict(found: Iterable[Interval | None]) -> str:
    """What the intervals say together; one alone is no more than a guess."""
    signs = {0 if one is None else one.sign for one in found}
    if len(signs) == 1 and 0 not in signs:
        return "better" if signs == {1} else "worse"
    return "open" if signs != {0} else "noise"


def spread(values: list[float]) -> str:
    return f"{statistics.fmean(values):.3f} +- {statistics.stdev(values):.3f}"
