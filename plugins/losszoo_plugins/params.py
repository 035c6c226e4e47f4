"""Hyperparameters that several families announce alike."""

from __future__ import annotations

import math

from losszoo import Param


def similarity(default: str) -> Param:
    """What a pair's logit is made of."""
    return Param(
        name="similarity",
        type="str",
        default=default,
        choices=("euclidean", "squared-euclidean", "cosine", "dot"),
        summary="what a pair's logit is made of; a distance is its negative",
    )


def temperature(default: float, search: tuple[float, float], summary: str) -> Param:
    """What the similarities are divided by, and the span of it that is worth a search."""
    return Param(
        name="temperature",
        default=default,
        range=(0.0, math.inf),
        bounds="()",
        log=True,
        search=search,
        summary=f"what the similarities are divided by: the lower, {summary}",
    )
