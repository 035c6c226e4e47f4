"""Tasks of survival analysis."""

import math

import numpy as np

from losszoo import DataError, Kind


class SurvivalTask(Kind):
    """A time and whether it is that of an event, for each row."""

    name = "lifetimes"
    natural = "lifetimes"
    metrics = ("concordance",)
    target_shape = "(N, 2), exits and deaths"
    target_dims = 2

    def check_targets(self, where, targets):
        """Refuse what are no exits and deaths."""
        super().check_targets(where, targets)
        wrong = (targets[:, 0] < 0) | ~np.isin(targets[:, 1], (0, 1))
        if wrong.any():
            first = targets[wrong][0].tolist()
            raise DataError(f"task {where} targets must be exits >= 0 and deaths of 0 and 1, got {first}")

    def score(self, outputs, targets, data, expects):
        """The metrics of one part."""
        exits, deaths = targets.cpu().numpy().T
        return {"concordance": concordance(outputs.cpu().numpy(), exits, deaths)}


def concordance(risks, exits, deaths):
    """Share of comparable pairs in which the higher risk has its event first; ties of risks count half.

    A pair is comparable where the earlier of two different exits is that of an event. NaN without such a pair.

    Example:
        >>> concordance(np.array([2.0, 1.0, 0.0]), np.array([1.0, 2.0, 3.0]), np.array([1, 1, 0]))
        1.0

    Reference:
        Harrell, Califf, Pryor, Lee, Rosati, "Evaluating the Yield of Medical Tests", JAMA 1982.
    """
    comparable = (exits[:, None] < exits[None, :]) & (deaths[:, None] == 1)
    if not comparable.any():
        return math.nan
    difference = (risks[:, None] - risks[None, :])[comparable]
    return float(np.mean((difference > 0) + 0.5 * (difference == 0)))
