"""Tasks of survival analysis."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from torch import Tensor

from losszoo import DataError, Kind


class SurvivalTask(Kind):
    """A time, and whether it is that of an event, for each row."""

    name = "survival"
    natural = "survival"
    metrics = ("concordance",)
    target_shape = "(N, 2), times and events"
    target_dims = 2

    def check_targets(self, where: str, targets: Any) -> None:
        super().check_targets(where, targets)
        if targets.shape[1] != 2:
            raise DataError(f"task {where} targets must have shape {self.target_shape}, got {targets.shape}")
        wrong = (targets[:, 0] < 0) | ~np.isin(targets[:, 1], (0, 1))
        if wrong.any():
            first = targets[wrong][0].tolist()
            raise DataError(f"task {where} targets must be times >= 0 and events of 0 and 1, got {first}")

    def score(self, outputs: Tensor, targets: Tensor, data: Any, expects: str) -> dict[str, float]:
        times, events = targets.double().cpu().numpy().T
        return {"concordance": concordance(outputs.double().cpu().numpy(), times, events)}


def concordance(risks: Any, times: Any, events: Any) -> float:
    """Harrell's C: share of the comparable pairs in which the row of higher risk has its event first.

    Equal risks count half. A pair is comparable where the earlier time is that of an event; of equal times, where one
    is an event and the other is not. NaN without such a pair.

    Example:
        >>> concordance(np.array([2.0, 1.0, 0.0]), np.array([1.0, 2.0, 3.0]), np.array([1, 1, 0]))
        1.0

    Reference:
        Harrell, Califf, Pryor, Lee, Rosati, "Evaluating the Yield of Medical Tests", JAMA 1982,
        https://doi.org/10.1001/jama.1982.03320430047030.
    """
    # One event against all rows at a time, so that memory stays linear.
    right = pairs = 0.0
    for risk, time in zip(risks[events == 1], times[events == 1], strict=True):
        later = (times > time) | ((times == time) & (events == 0))
        pairs += later.sum()
        right += (risk > risks[later]).sum() + 0.5 * (risk == risks[later]).sum()
    return float(right / pairs) if pairs else math.nan
