"""A row of the table of a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from losszoo.comparison.cell import named
from losszoo.comparison.statistics import Difference


@dataclass(frozen=True)
class Row:
    """A loss or a baseline on one task.

    Args:
        loss: text of the loss, or name of the baseline.
        kind: "loss" or "baseline".
        mean: of the test metric over the seeds; None where there is no number.
        std: standard deviation over the seeds; None of fewer than two.
        n: seeds with a number.
        asked: seeds that were asked for; a baseline has one cell for all of them.
        difference: to the best of those with most seeds, over the seeds of both; None for the best itself.
        nonfinite: non-finite steps in all its runs.
        stopped: runs that their guard stopped; the best state before it was scored.
        statuses: how many cells have each status.
        seconds: mean of training, a run.
        peak_memory_mb: the largest.
        leads: the best of those with most seeds, to which the others are compared.
        others: means of the other metrics that were asked for, by name.
        per_class: recall, precision, f1 and support of the test part by the name of the class, means over the seeds.
    """

    loss: str
    kind: str
    mean: float | None
    std: float | None
    n: int
    asked: int
    difference: Difference | None
    nonfinite: int
    stopped: int
    statuses: Mapping[str, int]
    seconds: float | None
    peak_memory_mb: float | None
    leads: bool = False
    others: Mapping[str, float | None] = field(default_factory=dict)
    per_class: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Tells a baseline from a loss of the same name."""
        return named(self.loss, self.kind)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)
