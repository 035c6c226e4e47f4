"""Tasks whose labels are levels, and what judges a predicted level."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from torch import Tensor

from losszoo import metrics
from losszoo_plugins.preference.kind import spearman
from losszoo_plugins.signatures.kinds import MulticlassTask


class OrdinalTask(MulticlassTask):
    """A level for each row: labels from 0 in their order, so a near one is less wrong than a far one."""

    name = "ordinal"
    natural = "ordinal"
    metrics = ("rank_mae", "quadratic_kappa", "accuracy", "spearman")
    smaller = ("rank_mae",)
    target_type = "multiclass"
    labels = True
    takes = ("multiclass", "embedding", "neighbors", "pair", "triplet", "views", "regression", "binary")
    baselines = ("logistic-regression", "knn", "gradient-boosting", "nca-knn")

    def score(self, outputs: Tensor, targets: Tensor, data: Any, expects: str) -> dict[str, float]:
        levels = self.predict(outputs, data, expects).cpu().numpy()
        truth = targets.cpu().numpy()
        return {
            "rank_mae": metrics.mae(truth, levels),
            "quadratic_kappa": quadratic_kappa(truth, levels),
            "accuracy": metrics.accuracy(truth, levels),
            "spearman": spearman(truth, levels),
        }


def quadratic_kappa(truth: Any, levels: Any) -> float:
    r"""Cohen's kappa with squared distances as weights: 1 is agreement, 0 what chance gives.

    .. math:: \kappa = 1 - \frac{\sum_i (t_i - p_i)^2}{\tfrac1N \sum_{i, j} (t_i - p_j)^2}

    NaN where both are one and the same level.

    Example:
        >>> quadratic_kappa([0, 1, 2, 2], [0, 1, 2, 1])
        0.8

    Reference:
        Cohen, "Weighted Kappa", Psychological Bulletin 1968, https://doi.org/10.1037/h0026256.
    """
    truth, levels = np.asarray(truth, dtype=np.float64), np.asarray(levels, dtype=np.float64)
    if not len(truth):
        return math.nan
    by_chance = truth.var() + levels.var() + (truth.mean() - levels.mean()) ** 2
    return float(1 - np.mean((truth - levels) ** 2) / by_chance) if by_chance > 0 else math.nan
