"""Tasks in which a row is better than another."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.stats import kendalltau, spearmanr
from torch import Tensor

from losszoo import Kind


class PreferenceTask(Kind):
    """A grade for each row, of which only the order counts."""

    name = "preference"
    natural = "preference"
    metrics = ("pair_accuracy", "spearman")

    def score(self, outputs: Tensor, targets: Tensor, data: Any, expects: str) -> dict[str, float]:
        scores, grades = outputs.double().cpu().numpy(), targets.double().cpu().numpy()
        return {"pair_accuracy": pair_accuracy(grades, scores), "spearman": spearman(grades, scores)}


def pair_accuracy(grades: Any, scores: Any) -> float:
    """Share of the pairs of unequal grades in which the better row has the higher score; equal scores count half.

    NaN where all grades are equal.

    Example:
        >>> pair_accuracy([1, 2, 3], [0.1, 0.3, 0.2])
        0.6666666666666666
    """
    grades, scores = np.asarray(grades), np.asarray(scores)
    decided = _pairs(len(grades)) - _ties(grades)
    if decided == 0:
        return math.nan
    distinct = _pairs(len(scores)) - _ties(scores)
    if distinct == 0:
        return 0.5
    # Kendall's tau-b is (right - wrong) / sqrt(decided * distinct), in n log n steps.
    gap = kendalltau(grades, scores).statistic * math.sqrt(decided) * math.sqrt(distinct)
    return float(0.5 + 0.5 * round(gap) / decided)


def spearman(grades: Any, scores: Any) -> float:
    """Correlation of the ranks, in [-1, 1]; 0 where all scores are equal, which tells no order; NaN of equal grades."""
    if len(np.unique(grades)) < 2:
        return math.nan
    if len(np.unique(scores)) < 2:
        return 0.0
    return float(spearmanr(grades, scores).statistic)


def _pairs(count: int) -> int:
    return count * (count - 1) // 2


def _ties(values: Any) -> int:
    """Pairs of equal values."""
    return sum(_pairs(int(count)) for count in np.unique(values, return_counts=True)[1])
