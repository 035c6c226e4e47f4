"""Tasks in which lists are to be sorted."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from sklearn.metrics import ndcg_score
from torch import Tensor

from losszoo import DataError, Kind
from losszoo_plugins.ranking.signature import ITEMS


class RankingTask(Kind):
    """A grade of relevance for each row; every 20 rows in a row are a list that is judged."""

    name = "ranking"
    natural = "ranking"
    metrics = ("ndcg_at_10", "mrr")
    takes = ("preference", "order")

    def check_targets(self, where: str, targets: Any) -> None:
        super().check_targets(where, targets)
        if (targets < 0).any():
            raise DataError(f"task {where} targets must be grades >= 0, got {targets[targets < 0][0]}")

    def score(self, outputs: Tensor, targets: Tensor, data: Any, expects: str) -> dict[str, float]:
        scores, grades = outputs.double().cpu().numpy(), targets.double().cpu().numpy()
        lists = [slice(start, start + ITEMS) for start in range(0, len(grades), ITEMS)]
        return {
            "ndcg_at_10": _mean([ndcg(grades[rows], scores[rows], 10) for rows in lists]),
            "mrr": _mean([reciprocal_rank(grades[rows], scores[rows]) for rows in lists]),
        }


def ndcg(grades: Any, scores: Any, k: int) -> float:
    """Gain of the first k items over the largest possible; gains 2^y - 1. NaN for one item, or without a relevant one.

    Example:
        >>> round(ndcg([0, 1], [2.0, 1.0], k=10), 4)
        0.6309
    """
    gains = np.exp2(np.asarray(grades, dtype=float)) - 1
    if len(gains) < 2 or not gains.any() or not np.isfinite(scores).all():
        return math.nan
    return float(ndcg_score(gains[None], np.asarray(scores)[None], k=k))


def reciprocal_rank(grades: Any, scores: Any) -> float:
    """One over the place of the first item of the highest grade; behind all items of an equal score.

    Example:
        >>> reciprocal_rank([0, 2, 1], [3.0, 2.0, 1.0])
        0.5
    """
    grades, scores = np.asarray(grades), np.asarray(scores)
    best = scores[grades == grades.max()].max()
    ahead = (scores >= best) & (grades < grades.max())
    return float(1 / (1 + np.count_nonzero(ahead)))


def _mean(values: list[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan
