"""Tasks whose targets are counts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from sklearn.metrics import mean_poisson_deviance
from torch import Tensor

from losszoo import DataError, Kind, metrics


class CountsTask(Kind):
    """A number of 0 or more for each row, whose spread grows with its mean."""

    name = "counts"
    natural = "counts"
    metrics = ("poisson_deviance", "rmse", "mae")
    smaller = ("poisson_deviance", "rmse", "mae")

    def check_targets(self, where: str, targets: Any) -> None:
        super().check_targets(where, targets)
        if (targets < 0).any():
            raise DataError(f"task {where} targets must be counts >= 0, got {targets[targets < 0][0]}")

    def score(self, outputs: Tensor, targets: Tensor, data: Any, expects: str) -> dict[str, float]:
        means, counts = outputs.double().cpu().numpy(), targets.double().cpu().numpy()
        return {
            "poisson_deviance": poisson_deviance(counts, means),
            "rmse": metrics.rmse(counts, means),
            "mae": metrics.mae(counts, means),
        }


def poisson_deviance(counts: Any, means: Any) -> float:
    """Mean Poisson deviance, 2 (t log(t / m) - t + m); infinite where a mean is no positive number."""
    if not len(counts) or not (np.isfinite(means) & (means > 0)).all():
        return math.nan if not len(counts) else math.inf
    return float(mean_poisson_deviance(counts, means))
