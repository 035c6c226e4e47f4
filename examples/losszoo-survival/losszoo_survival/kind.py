"""Tasks of survival analysis."""

import math

import numpy as np

from losszoo import DataError, Kind


class SurvivalTask(Kind):
    """A time and whether it is that of an event, for each row."""

    name = "survival"
    natural = "survival"
    metrics = ("concordance",)
    target_shape = "(N, 2), times and events"
    target_dims = 2

    def check_targets(self, where, targets):
        """Refuse what are no times and events."""
        super().check_targets(where, targets)
        wrong = (targets[:, 0] < 0) | ~np.isin(targets[:, 1], (0, 1))
        if wrong.any():
            first = targets[wrong][0].tolist()
            raise DataError(f"task {where} targets must be times >= 0 and events of 0 and 1, got {first}")

    def score(self, outputs, targets, data, expects):
        """The metrics of one part."""
        times, events = targets.cpu().numpy().T
        return {"concordance": concordance(outputs.cpu().numpy(), times, events)}


def concordance(risks, times, events):
    """Share of comparable pairs in which the higher risk has its event first; ties of risks count half.

    A pair is comparable where the earlier of two different times is that of an event. NaN without such a pair.

    Example:
        >>> concordance(np.array([2.0, 1.0, 0.0]), np.array([1.0, 2.0, 3.0]), np.array([1, 1, 0]))
        1.0

    Reference:
        Harrell, Califf, Pryor, Lee, Rosati, "Evaluating the Yield of Medical Tests", JAMA 1982.
    """
    comparable = (times[:, None] < times[None, :]) & (events[:, None] == 1)
    if not comparable.any():
        return math.nan
    difference = (risks[:, None] - risks[None, :])[comparable]
    return float(np.mean((difference > 0) + 0.5 * (difference == 0)))
