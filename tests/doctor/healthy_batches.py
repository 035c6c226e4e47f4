"""Healthy losses that mix the rows of a batch, mask positions or take means of means, on purpose."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from collection.case import Inputs, binary, classes, normal, simplex, uniform
from torch import Tensor, nn


def matched_pairs(logits: Tensor, labels: Tensor) -> Tensor:
    return (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)) / 2


def over_the_batch(logits: Tensor, labels: Tensor) -> Tensor:
    return -logits.log_softmax(0).diagonal().mean() + 0 * labels.sum()


def balanced_assignment(scores: Tensor) -> Tensor:
    share = scores.softmax(0)
    return (share.sum(1) * share.sum(1).log()).sum()


def weighted_by_batch(logits: Tensor, labels: Tensor) -> Tensor:
    weights = logits.logsumexp(1).softmax(0).detach()
    return (weights * F.cross_entropy(logits, labels, reduction="none")).sum()


def with_batch_term(logits: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(logits, labels) - 0.1 * logits.log_softmax(0).mean()


def diverse(logits: Tensor, labels: Tensor) -> Tensor:
    shares = logits.softmax(1).mean(0)
    return F.cross_entropy(logits, labels) + (shares * shares.log()).sum()


def list_net(scores: Tensor, relevance: Tensor) -> Tensor:
    return -(relevance.softmax(0) * scores.log_softmax(0)).sum()


def contrast(embeddings: Tensor, labels: Tensor) -> Tensor:
    rows = F.normalize(embeddings, dim=1)
    logits = (rows @ rows.T / 0.2).masked_fill(torch.eye(len(rows), dtype=torch.bool), -1e4)
    same = (labels[:, None] == labels) & ~torch.eye(len(rows), dtype=torch.bool)
    return -(logits.log_softmax(0) * same).sum() / same.sum().clamp(min=1)


def cross_correlation(first: Tensor, second: Tensor) -> Tensor:
    a, b = ((x - x.mean(0)) / (x.std(0) + 1e-4) for x in (first, second))
    return ((a.T @ b / len(a)) - torch.eye(a.shape[1])).square().sum()


def root_mean_square(predictions: Tensor, targets: Tensor) -> Tensor:
    return F.mse_loss(predictions, targets).sqrt()


def perplexity(logits: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(logits, labels).exp()


def bounded_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    return 1 - torch.exp(-F.cross_entropy(logits, labels))


def focal(logits: Tensor, labels: Tensor) -> Tensor:
    entropy = F.cross_entropy(logits, labels, reduction="none")
    return ((1 - torch.exp(-entropy)) ** 2 * entropy).mean()


def scaled_to_one(logits: Tensor, labels: Tensor) -> Tensor:
    entropy = F.cross_entropy(logits, labels)
    return entropy / entropy.detach()


class Uncertain(nn.Module):
    """The mean of a task, weighted by a learned precision."""

    def __init__(self) -> None:
        super().__init__()
        self.log_variance = nn.Parameter(torch.zeros(()))

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        return torch.exp(-self.log_variance) * F.cross_entropy(logits, labels) + self.log_variance


def polynomial(logits: Tensor, labels: Tensor) -> Tensor:
    entropy = F.cross_entropy(logits, labels)
    return entropy + 1 - torch.exp(-entropy)


def of_kept(predictions: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    return ((predictions - targets).square() * mask).sum() / mask.sum().clamp(min=1)


def of_rows(predictions: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    return (((predictions - targets).square() * mask).sum(1) / mask.sum(1).clamp(min=1)).mean()


def by_longest_allowed(predictions: Tensor, targets: Tensor, mask: Tensor, longest: int = 64) -> Tensor:
    return ((predictions - targets).square() * mask).sum() / (len(mask) * longest)


def by_rows_alone(predictions: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    return ((predictions - targets).abs() * mask).sum(1).mean()


def levels(logits: Tensor, mask: Tensor) -> Tensor:
    """Ordinal levels look like lengths."""
    return F.binary_cross_entropy_with_logits(logits, mask)


def weighted(predictions: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    return ((predictions - targets).square() * weights).mean()


def soft_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    return -(targets * logits.log_softmax(1)).mean()


def attended(scores: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    shares = scores.masked_fill(mask == 0, -1e4).softmax(1)
    return ((shares * values).sum(1) - 1).square().mean()


def plan_cost(cost: Tensor) -> Tensor:
    share = (-cost / 0.5).softmax(1)
    return (share * cost).sum(1).mean() + (share.mean(0) - 1 / len(cost)).square().sum()


def two_views(embeddings: Tensor) -> Tensor:
    first, second = embeddings[0::2], embeddings[1::2]
    return (first - second).square().mean()


class Normalised(nn.Module):
    """Batch statistics: a single row has none."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(5, affine=False)

    def forward(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return (self.norm(predictions) - targets).square().mean()


def lengths(*counts: int, most: int = 10) -> Tensor:
    return (torch.arange(most) < torch.tensor(counts)[:, None]).float()


_PAIR: Inputs = lambda: (normal(12), normal(12, seed=1))  # noqa: E731
_PICK: Inputs = lambda: (normal(8, 5), classes(8, 5))  # noqa: E731
_PADDED: Inputs = lambda: (normal(4, 10), normal(4, 10, seed=1), lengths(10, 6, 3, 8))  # noqa: E731

BATCHES: list[tuple[str, Callable[..., Tensor], Inputs]] = [
    ("matched-pairs", matched_pairs, lambda: (normal(8, 8), torch.arange(8))),
    ("over-the-batch", over_the_batch, lambda: (normal(8, 8), torch.arange(8))),
    ("balanced-assignment", balanced_assignment, lambda: (normal(8, 5),)),
    ("weighted-by-batch", weighted_by_batch, _PICK),
    ("with-batch-term", with_batch_term, _PICK),
    ("diverse", diverse, _PICK),
    ("list-net", list_net, lambda: (normal(8), uniform(8))),
    ("contrast", contrast, lambda: (normal(8, 5), classes(8, 3))),
    ("cross-correlation", cross_correlation, lambda: (normal(8, 5), normal(8, 5, seed=1))),
    ("root-mean-square", root_mean_square, _PAIR),
    ("perplexity", perplexity, _PICK),
    ("bounded-entropy", bounded_entropy, _PICK),
    ("focal", focal, _PICK),
    ("scaled-to-one", scaled_to_one, _PICK),
    ("uncertain", Uncertain(), _PICK),
    ("polynomial", polynomial, _PICK),
    ("of-kept", of_kept, _PADDED),
    ("of-rows", of_rows, _PADDED),
    ("by-longest-allowed", by_longest_allowed, _PADDED),
    ("by-rows-alone", by_rows_alone, _PADDED),
    ("levels", levels, lambda: (normal(4, 6), lengths(6, 2, 0, 5, most=6))),
    ("weighted", weighted, lambda: (normal(4, 10), normal(4, 10, seed=1), binary(4, 10))),
    ("weighted-by-numbers", weighted, lambda: (normal(4, 10), normal(4, 10, seed=1), uniform(4, 10))),
    ("soft-cross-entropy", soft_cross_entropy, lambda: (normal(8, 5), simplex(8, 5, seed=1))),
    ("one-hot-cross-entropy", soft_cross_entropy, lambda: (normal(8, 5), F.one_hot(classes(8, 5), 5).float())),
    ("attended", attended, _PADDED),
    ("plan-cost", plan_cost, lambda: (uniform(6, 6),)),
    ("two-views", two_views, lambda: (normal(8, 5),)),
    ("normalised", Normalised(), lambda: (normal(8, 5), normal(8, 5, seed=1))),
]
