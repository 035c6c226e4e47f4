"""How good the outputs of a model are, by the kind of its task."""

from __future__ import annotations

from torch import Tensor

from losszoo.registry.registry import installed
from losszoo.training.data.prepared_data import Part, Prepared
from losszoo.training.evaluation.metrics import labels_of as labels_of
from losszoo.training.evaluation.metrics import numbers_of as numbers_of


def output_metrics(outputs: Tensor, part: Part, data: Prepared, expects: str) -> dict[str, float]:
    """Metrics of outputs: (N, 1) or (N, C) scores, (N, 1) standardised numbers, (N, C, H, W) maps."""
    scores: dict[str, float] = installed().kind(data.kind).score(outputs, part.targets, data, expects)
    return scores


def vote_metrics(votes: Tensor, part: Part, data: Prepared) -> dict[str, float]:
    """Metrics of votes of the training rows: (N, C) shares, or (N, 1) standardised numbers."""
    scores: dict[str, float] = installed().kind(data.kind).score_votes(votes, part.targets, data)
    return scores
