r"""How cost grows: a model fitted to measurements, from which larger sizes are predicted.

.. math:: t(N, D) = a\,N^2 D + b\,N^2 + c\,N D + d

Each coefficient is >= 0, and the fit is relative: a size counts as much as any other, no matter how long it takes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from losszoo.errors import UsageError

_TERMS: dict[str, Callable[[float, float], float]] = {
    "rows^2*dim": lambda n, d: n * n * d,
    "rows^2": lambda n, d: n * n,
    "rows*dim": lambda n, d: n * d,
    "1": lambda n, d: 1.0,
}
# One width cannot tell the two squares apart.
_OF_ONE_WIDTH = ("rows^2", "rows*dim", "1")
FEWEST = 4
# Around a ring on a CPU: rows of a block, and numbers that are held for each of their pairs.
_RING_ROWS = 256
_PAIR_NUMBERS = 4


@dataclass(frozen=True)
class Point:
    """A measurement: rows, width and cost."""

    rows: int
    dim: int
    cost: float


@dataclass(frozen=True)
class Model:
    """Coefficients of a cost by the name of their term."""

    coefficients: dict[str, float]

    def at(self, rows: float, dim: float) -> float:
        """The cost there."""
        return sum(factor * _TERMS[term](rows, dim) for term, factor in self.coefficients.items())


@dataclass(frozen=True)
class Check:
    """The largest size that was measured, and what the smaller ones said of it."""

    rows: int
    dim: int
    measured: float
    predicted: float

    @property
    def error(self) -> float:
        """Relative to the measurement."""
        return self.predicted / self.measured - 1 if self.measured else float("inf")


@dataclass(frozen=True)
class Forecast:
    """What a size will cost, and how good such a prediction was where it could be checked.

    Args:
        loss: which one.
        side: the zoo or a peer.
        what: "seconds" or "extra_bytes".
        rows, dim: of the size.
        predicted: by a model of all measurements.
        model: its coefficients.
        check: the largest measurement, predicted from the smaller ones.
    """

    loss: str
    side: str
    what: str
    rows: int
    dim: int
    predicted: float
    model: Model
    check: Check

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            **asdict(self),
            "model": self.model.coefficients,
            "check": {**asdict(self.check), "error": self.check.error},
        }


def fit(points: Sequence[Point], least: float = 0.0) -> Model:
    """The model of these measurements, no coefficient below 0.

    Args:
        points: at least three sizes.
        least: a cost below this is noise, and weighs as if it were this much.

    Example:
        >>> model = fit([Point(n, 64, 3e-9 * n * n + 1e-3) for n in (256, 1024, 4096, 16384)])
        >>> round(model.at(1_000_000, 64))
        3000
    """
    from sklearn.linear_model import LinearRegression

    terms = _OF_ONE_WIDTH if len({point.dim for point in points}) == 1 else tuple(_TERMS)
    table = np.array([[_TERMS[term](point.rows, point.dim) for term in terms] for point in points])
    costs = np.array([point.cost for point in points])
    weights = 1 / np.maximum(np.abs(costs), max(least, 1e-12))
    # Columns of one size: the solver's tolerance is absolute, and 1e12 pairs stand beside a constant.
    scaled = table * weights[:, None]
    lengths = np.linalg.norm(scaled, axis=0)
    found = LinearRegression(positive=True, fit_intercept=False).fit(scaled / lengths, costs * weights).coef_
    return Model(dict(zip(terms, (float(x) for x in found / lengths), strict=True)))


def check(points: Sequence[Point], least: float = 0.0) -> Check:
    """The largest point against a model of those with fewer rows.

    Raises:
        UsageError: fewer than four numbers of rows.
    """
    sizes = sorted({point.rows for point in points})
    if len(sizes) < FEWEST:
        raise UsageError(f"--predict must have at least {FEWEST} sizes to fit and to check, got {len(sizes)}")
    largest = max(points, key=lambda point: (point.rows, point.dim))
    smaller = [point for point in points if point.rows < largest.rows]
    return Check(largest.rows, largest.dim, largest.cost, fit(smaller, least).at(largest.rows, largest.dim))


@dataclass(frozen=True)
class Traffic:
    """What one rank of many sends and holds in one step, forward and backward, in bytes."""

    ranks: int
    sent: float
    held: float


def traffic(rows: int, dim: int, ranks: int, *, ring: bool, itemsize: int = 4, memory: int = 256 << 20) -> Traffic:
    """Bytes of a step over candidates of all ranks.

    Gathered, every row visits every rank once and its gradient returns; a rank holds all rows and their gradient.
    Around a ring a rank holds its own part, the part that visits, and the gradients of both. But a row function sees
    whole rows of pairs, so all columns go around for each block of rows, once for the pairs and, with their gradient,
    once more: the fewer rows a block has, the more is sent.

    Args:
        rows: of the whole batch.
        dim: width of embeddings.
        ranks: R >= 1.
        ring: passed around instead of gathered.
        itemsize: bytes of a number.
        memory: bytes that blocks of pairs may take.

    Example:
        >>> traffic(1_000_000, 64, 4, ring=False)
        Traffic(ranks=4, sent=384000000.0, held=512000000)
        >>> traffic(65_536, 64, 4, ring=True).held
        16777216.0
    """
    whole = rows * dim * itemsize
    visits = whole * (ranks - 1) / ranks
    if not ring:
        return Traffic(ranks, 2 * visits, 2 * whole)
    block = min(max(_RING_ROWS, dim), max(1, memory // (_PAIR_NUMBERS * itemsize * rows)))
    journeys = math.ceil(rows / ranks / block)
    # Out and home with the columns for the pairs, and with the columns and their gradient for the slopes.
    return Traffic(ranks, 3 * visits * journeys, 2 * whole * min(ranks, 2) / ranks)
