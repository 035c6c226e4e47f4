"""Defective losses of the kinds that people report, each with a stable twin, and healthy ones to set beside them."""

from . import (
    boxes,
    divergences,
    geometry,
    half,
    likelihoods,
    masks,
    metric,
    moments,
    overlap,
    precision,
    probabilities,
    products,
    ranking,
    regression,
    transport,
)
from .case import Case
from .controls import CONTROLS

CASES: list[Case] = [
    *boxes.CASES,
    *divergences.CASES,
    *geometry.CASES,
    *half.CASES,
    *likelihoods.CASES,
    *masks.CASES,
    *metric.CASES,
    *moments.CASES,
    *overlap.CASES,
    *precision.CASES,
    *probabilities.CASES,
    *products.CASES,
    *ranking.CASES,
    *regression.CASES,
    *transport.CASES,
]

__all__ = ["CASES", "CONTROLS", "Case"]
