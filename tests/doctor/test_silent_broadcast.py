"""A pairing that broadcasting loses is found; all pairs on purpose are left alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from collection.case import binary, classes, normal, uniform
from silently import line_of, noted, told
from torch import Tensor, nn

COLUMN, ROW, OTHER = normal(8, 1), normal(8, seed=1), normal(8, 1, seed=2)
MAP, FLAT = normal(3, 1, 4, 4), binary(3, 4, 4)
LABELS = classes(8, 3)


def squared(predictions: Tensor, targets: Tensor) -> Tensor:
    error = predictions - targets
    return (error**2).mean()


def by_mse_loss(predictions: Tensor, targets: Tensor) -> Tensor:
    return F.mse_loss(predictions, targets)


def by_smooth_l1(predictions: Tensor, targets: Tensor) -> Tensor:
    return F.smooth_l1_loss(predictions, targets, beta=0.5)


def by_log_likelihood(logits: Tensor, targets: Tensor) -> Tensor:
    likelihood = F.logsigmoid(logits)
    other = F.logsigmoid(-logits)
    first = targets * likelihood
    return -(first + (1 - targets) * other).mean()


def by_maps(logits: Tensor, masks: Tensor) -> Tensor:
    overlap = logits.sigmoid() * masks
    return 1 - 2 * overlap.sum() / (logits.sigmoid().sum() + masks.sum())


def by_weights(predictions: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    error = (predictions - targets).abs()
    return (weights * error).mean()


def by_row_sums(predictions: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    error = (predictions - targets).abs()
    return (error / mask.sum(1)).mean()


def by_distribution(mean: Tensor, log_scale: Tensor, targets: Tensor) -> Tensor:
    scaled = (mean - targets) / log_scale.exp()
    return (scaled.square() / 2 + log_scale).mean()


def by_network(network: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    error = network(inputs) - targets
    return error.square().mean()


torch.manual_seed(0)
NETWORK = nn.Linear(3, 1)


@pytest.mark.parametrize(
    ("loss", "inputs", "op", "line", "shapes"),
    [
        (squared, (COLUMN, ROW), "sub", "error =", "(8, 8) of (8, 1) and (8,)"),
        (squared, (ROW, COLUMN), "sub", "error =", "(8, 8) of (8,) and (8, 1)"),
        (by_mse_loss, (COLUMN, ROW), "mse_loss", "mse_loss", "(8, 8) of (8, 1) and (8,)"),
        (by_smooth_l1, (ROW, COLUMN), "smooth_l1_loss", "smooth_l1", "(8, 8) of (8,) and (8, 1)"),
        (by_log_likelihood, (COLUMN, binary(8)), "mul", "first =", "(8, 8) of (8,) and (8, 1)"),
        (by_maps, (MAP, FLAT), "mul", "overlap =", "(3, 3, 4, 4) of (3, 1, 4, 4) and (3, 4, 4)"),
        (by_weights, (COLUMN, OTHER, uniform(8)), "mul", "weights * error", "(8, 8) of (8,) and (8, 1)"),
        (by_row_sums, (COLUMN, OTHER, binary(8, 4) + 1), "div", "mask.sum", "(8, 8) of (8, 1) and (8,)"),
        (by_distribution, (COLUMN, OTHER, ROW), "sub", "scaled =", "(8, 8) of (8, 1) and (8,)"),
        (by_network, (NETWORK, normal(8, 3), ROW), "sub", "error =", "(8, 8) of (8, 1) and (8,)"),
    ],
)
def test_a_lost_pairing(loss: Callable[..., Any], inputs: tuple[Any, ...], op: str, line: str, shapes: str) -> None:
    (finding,) = told(loss, *inputs, symptom="broadcast")
    assert (finding.op, finding.source) == (op, line_of(loss, line))
    assert finding.cause.startswith(f"{op} makes {shapes}")


def test_the_remedy_is_run() -> None:
    (finding,) = told(squared, COLUMN, ROW, symptom="broadcast")
    assert finding.remedy.startswith("write predictions.squeeze(1) - targets instead of predictions - targets")
    assert finding.verified
    (fused,) = told(by_smooth_l1, ROW, COLUMN, symptom="broadcast")
    assert (
        "F.smooth_l1_loss" in fused.remedy
        or "smooth_l1_loss(predictions, targets.squeeze(1), beta=0.5)" in fused.remedy
    )
    assert fused.verified


def test_beside_a_term_that_is_paired_it_is_a_note() -> None:
    def half(predictions: Tensor, targets: Tensor) -> Tensor:
        return (predictions - targets).square().mean() + (predictions[:, 0] * targets).mean()

    assert not told(half, COLUMN, ROW, symptom="broadcast")
    assert "all pairs of two inputs" in noted(half, COLUMN, ROW)


def masks_of_a_column(scores: Tensor, labels: Tensor) -> Tensor:
    column = labels.unsqueeze(1)
    positive = (column == 1).to(scores.dtype) * (1 - scores.sigmoid()).square()
    negative = (column == 0).to(scores.dtype) * scores.sigmoid().square()
    return -(positive * F.logsigmoid(scores) + negative * F.logsigmoid(-scores)).mean()


def column_of_bits(scores: Tensor, labels: Tensor) -> Tensor:
    error = labels[:, None] * F.softplus(-scores)
    return error.sum() / len(scores)


def one_minus_column(scores: Tensor, labels: Tensor) -> Tensor:
    away = (1 - labels.view(-1, 1)) * F.softplus(scores)
    return away.sum(1).mean()


@pytest.mark.parametrize(
    ("loss", "labels", "line"),
    [
        (masks_of_a_column, classes(8, 2), "positive ="),
        (column_of_bits, binary(8), "error ="),
        (one_minus_column, binary(8), "away ="),
    ],
)
def test_a_column_of_labels_that_meets_a_row_of_scores(loss: Callable[..., Any], labels: Tensor, line: str) -> None:
    (finding,) = told(loss, ROW, labels, symptom="broadcast")
    assert (finding.op, finding.source) == ("mul", line_of(loss, line))
    assert "makes (8, 8) of (8, 1) and (8,)" in finding.cause


# Healthy.
def pairs_by_bits(scores: Tensor, labels: Tensor) -> Tensor:
    both = labels[:, None] * (1 - labels)
    return (both * F.softplus(scores - scores[:, None])).sum() / both.sum()


def signed_pairs(scores: Tensor, labels: Tensor) -> Tensor:
    return F.softplus(-(2 * labels[:, None] - 1) * scores).mean()


def gated_maximum(scores: Tensor, labels: Tensor) -> Tensor:
    return (labels[:, None] * scores).logsumexp(1).mean()


def paired_columns(scores: Tensor, labels: Tensor) -> Tensor:
    return (labels[:, None] * F.softplus(-scores[:, None])).mean()


def weight_times_pairs(scores: Tensor, labels: Tensor) -> Tensor:
    return (labels[:, None] * scores * (scores[:, None] - scores).abs()).mean()


def outer_of_scores(first: Tensor, second: Tensor) -> Tensor:
    return (first[:, None] * second).mean()


def quantiles(predictions: Tensor, targets: Tensor) -> Tensor:
    q = torch.linspace(0.1, 0.9, predictions.shape[1], dtype=predictions.dtype)
    error = targets[:, None] - predictions
    return torch.maximum(q * error, (q - 1) * error).mean()


def quantile_matrix(predictions: Tensor, targets: Tensor) -> Tensor:
    error = targets.unsqueeze(1) - predictions.unsqueeze(2)
    return F.huber_loss(error, torch.zeros_like(error))


def energy_distance(first: Tensor, second: Tensor) -> Tensor:
    return (first[:, None] - second[None]).abs().mean() - (first[:, None] - first[None]).abs().mean() / 2


def one_sided(first: Tensor, second: Tensor) -> Tensor:
    return (first[:, None] - second).abs().mean()


def kernel(first: Tensor, second: Tensor) -> Tensor:
    return torch.exp(-((first - second.T) ** 2)).mean()


def squared_distances(first: Tensor, second: Tensor) -> Tensor:
    norms = first.square().sum(1, keepdim=True) + second.square().sum(1)
    return (norms - 2 * first @ second.T).mean()


def ranking(scores: Tensor, relevance: Tensor) -> Tensor:
    better = (relevance[:, None] > relevance[None]).float()
    return (better * F.softplus(scores[None] - scores[:, None])).sum() / better.sum().clamp(min=1)


def supervised(embeddings: Tensor, labels: Tensor) -> Tensor:
    points = F.normalize(embeddings, dim=1)
    same = (labels[:, None] == labels[None]).float()
    return -(same * (points @ points.T).log_softmax(1)).mean()


def with_bias(logits: Tensor, labels: Tensor, bias: Tensor) -> Tensor:
    return F.cross_entropy(logits + bias, labels)


def class_weights(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    return (weights * F.binary_cross_entropy_with_logits(logits, targets, reduction="none")).mean()


def row_weights(predictions: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    return (weights[:, None] * (predictions - targets).square()).mean()


def paired(predictions: Tensor, targets: Tensor) -> Tensor:
    return (predictions - targets[:, None]).square().mean()


def squeezed(predictions: Tensor, targets: Tensor) -> Tensor:
    return (predictions.squeeze(1) - targets).square().mean()


def temperature(logits: Tensor, labels: Tensor, scale: Tensor) -> Tensor:
    return F.cross_entropy(logits * scale, labels)


def channel(maps: Tensor, targets: Tensor) -> Tensor:
    return (maps - targets).abs().mean()


def chamfer(first: Tensor, second: Tensor) -> Tensor:
    distances = torch.cdist(first, second)
    return distances.amin(0).mean() + distances.amin(1).mean()


def own_pairs(scores: Tensor) -> Tensor:
    return (scores - scores.squeeze(1)).square().mean()


def wasserstein(first: Tensor, second: Tensor) -> Tensor:
    return (first.sort().values - second.sort().values).abs().mean()


def reshaped(first: Tensor, second: Tensor) -> Tensor:
    column = first.reshape(-1, 1)
    return torch.exp(-(column - second).square()).mean()


CONTROLS: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
    (quantiles, (normal(8, 3), ROW)),
    (quantiles, (normal(8, 8), ROW)),
    (quantile_matrix, (normal(4, 8), normal(4, 8, seed=1))),
    (energy_distance, (ROW, normal(8))),
    (one_sided, (ROW, normal(8))),
    (kernel, (COLUMN, OTHER)),
    (squared_distances, (normal(8, 5), normal(8, 5, seed=1))),
    (ranking, (ROW, normal(8).round())),
    (supervised, (normal(9, 5), classes(9))),
    (with_bias, (normal(8, 3), LABELS, normal(3))),
    (with_bias, (normal(3, 3), classes(3), normal(3, seed=3))),
    (class_weights, (normal(8, 4), binary(8, 4), uniform(4))),
    (row_weights, (normal(8, 4), normal(8, 4, seed=1), uniform(8))),
    (paired, (COLUMN, ROW)),
    (squeezed, (COLUMN, ROW)),
    (temperature, (normal(8, 3), LABELS, torch.tensor([2.0]))),
    (channel, (MAP, FLAT[:, None])),
    (channel, (normal(3, 2, 4, 4), normal(1, 2, 1, 1))),
    (chamfer, (normal(8, 2), normal(8, 2, seed=1))),
    (own_pairs, (COLUMN,)),
    (wasserstein, (ROW, normal(8))),
    (reshaped, (ROW, normal(8))),
    (pairs_by_bits, (ROW, binary(8))),
    (signed_pairs, (ROW, binary(8))),
    (gated_maximum, (ROW, binary(8))),
    (paired_columns, (ROW, binary(8))),
    (weight_times_pairs, (ROW, binary(8))),
    (outer_of_scores, (ROW, normal(8))),
    (squared, (normal(1, 1), normal(1))),
    (squared, (COLUMN, torch.tensor(0.5))),
]


@pytest.mark.parametrize(("loss", "inputs"), CONTROLS)
def test_all_pairs_on_purpose_are_no_fault(loss: Callable[..., Any], inputs: tuple[Any, ...]) -> None:
    assert not told(loss, *inputs, symptom="broadcast")
