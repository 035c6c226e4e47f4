"""Predictions by the nearest training rows: who votes, and how many of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from losszoo.losses.similarity import pairwise_logits
from losszoo.tasks.metric_choice import Metric
from losszoo.training.data.prepared_data import Prepared
from losszoo.training.evaluation.outputs import vote_metrics

# The numbers of neighbors that validation chooses from.
K_CHOICES = (1, 3, 5, 7, 11, 15, 21, 31, 51)
CHUNK = 1024


@dataclass(frozen=True)
class Known:
    """The training rows as predictions see them.

    Args:
        features: (M, D), of every training row.
        k: how many of the nearest vote; 0 where all of them do, softly.
    """

    features: Tensor
    k: int = 0


def best_k(
    features: Mapping[str, Tensor], data: Prepared, deciding: tuple[str, str], asked: Sequence[Metric] = ()
) -> int:
    """The number of neighbors that is best on validation; of equally good ones the largest, the smoother rule.

    Without validation rows, the one that is best for each training row by the others.
    """
    metric, direction = deciding
    choices = tuple(k for k in K_CHOICES if k < len(data.train)) or (1,)
    own = len(data.val) == 0
    part = "train" if own else "val"
    values = []
    for votes in knn_votes(features[part], features["train"], data, choices, own):
        measured = vote_metrics(votes, getattr(data, part), data, asked)
        value = measured.get(metric, next(iter(measured.values())))
        values.append(-math.inf if math.isnan(value) else value if direction == "max" else -value)
    return max(k for k, value in zip(choices, values, strict=True) if value == max(values))


def knn_votes(queries: Tensor, train: Tensor, data: Prepared, choices: tuple[int, ...], own: bool) -> list[Tensor]:
    """Shares of the votes of the k nearest training rows, (N, C), for every k; each row votes by its weight.

    Half a vote more goes to the nearest row, so that ties fall to the closer label, not to the smaller one.

    Args:
        queries: (N, D).
        train: (M, D), features of the training rows.
        data: for their labels.
        choices: values of k, ascending.
        own: the queries are the training rows, and none of them votes for itself.
    """
    most = min(max(choices), len(train) - own)
    weights = data.train.weights_with(data.class_weights)
    collected: list[list[Tensor]] = [[] for _ in choices]
    for start in range(0, len(queries), CHUNK):
        nearness = without_own(
            pairwise_logits(queries[start : start + CHUNK], train, "euclidean"), start if own else None
        )
        nearest = nearness.topk(most).indices
        voters = data.train.targets[nearest]
        power = torch.ones_like(nearness[:, :most]) if weights is None else weights[nearest].to(nearness.dtype)
        votes = nearness.new_zeros(len(voters), data.classes)
        counted = 0
        for place, k in enumerate(choices):
            ballot = voters[:, counted:k]
            votes.scatter_add_(1, ballot, power[:, counted:k])
            counted = min(k, most)
            with_nearest = votes.scatter_add(1, voters[:, :1], 0.5 * power[:, :1])
            total = counted + 0.5 if weights is None else with_nearest.sum(1, keepdim=True)
            collected[place].append(with_nearest / total)
    return [torch.cat(parts) for parts in collected]


def without_own(logits: Tensor, start: int | None) -> Tensor:
    """Rows ``start`` and on of a square matrix of training rows, which do not see themselves."""
    if start is not None:
        rows = torch.arange(len(logits), device=logits.device)
        logits[rows, rows + start] = -torch.inf
    return logits
