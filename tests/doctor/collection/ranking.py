"""Ranking, survival and class balance: lists without relevance, batches without events, absent classes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .case import Case, binary, classes, normal, put, uniform


class ListMLE(nn.Module):
    def forward(self, scores: Tensor, relevance: Tensor) -> Tensor:
        order = relevance.argsort(dim=1, descending=True)
        ranked = scores.gather(1, order)
        tails = torch.exp(ranked).flip(1).cumsum(1).flip(1)
        return (torch.log(tails) - ranked).sum(1).mean()


def list_mle_twin(scores: Tensor, relevance: Tensor) -> Tensor:
    ranked = scores.gather(1, relevance.argsort(1, descending=True))
    return (ranked.flip(1).logcumsumexp(1).flip(1) - ranked).sum(1).mean()


def soft_ndcg(scores: Tensor, relevance: Tensor) -> Tensor:
    """NDCG with ranks made smooth by sigmoids."""
    ranks = 0.5 + torch.sigmoid(scores[:, None, :] - scores[:, :, None]).sum(-1)
    gains = 2**relevance - 1
    dcg = (gains / torch.log2(1 + ranks)).sum(1)
    places = torch.arange(scores.shape[1]) + 2.0
    ideal = (gains.sort(dim=1, descending=True).values / torch.log2(places)).sum(1)
    return (1 - dcg / ideal).mean()


def soft_ndcg_twin(scores: Tensor, relevance: Tensor) -> Tensor:
    ranks = 0.5 + torch.sigmoid(scores[:, None] - scores[:, :, None]).sum(-1)
    gains = 2**relevance - 1
    ideal = (gains.sort(1, descending=True).values / torch.log2(torch.arange(scores.shape[1]) + 2.0)).sum(1)
    return (1 - (gains / torch.log2(1 + ranks)).sum(1) / ideal.clamp(min=1e-6)).mean()


def pairwise_auc(scores: Tensor, labels: Tensor, margin: float = 1.0) -> Tensor:
    positive, negative = scores[labels == 1], scores[labels == 0]
    gaps = positive.view(-1, 1) - negative.view(1, -1)
    return torch.clamp(margin - gaps, min=0).pow(2).mean()


def pairwise_auc_twin(scores: Tensor, labels: Tensor) -> Tensor:
    pairs = ((labels[:, None] == 1) & (labels[None] == 0)).to(scores.dtype)
    squares = (1 - scores[:, None] + scores[None]).clamp(min=0) ** 2
    return (squares * pairs).sum() / pairs.sum().clamp(min=1)


def soft_average_precision(scores: Tensor, positives: Tensor, temperature: float = 0.1) -> Tensor:
    before = torch.sigmoid((scores[:, None, :] - scores[:, :, None]) / temperature)
    before = before * (1 - torch.eye(scores.shape[1]))
    rank = 1 + before.sum(-1)
    positive_rank = 1 + (before * positives[:, None, :]).sum(-1)
    precision = (positive_rank / rank * positives).sum(1) / positives.sum(1)
    return 1 - precision.mean()


def soft_average_precision_twin(scores: Tensor, positives: Tensor) -> Tensor:
    kept = positives * (positives.sum(1, keepdim=True) > 0)
    before = torch.sigmoid((scores[:, None] - scores[:, :, None]) / 0.1) * (1 - torch.eye(scores.shape[1]))
    ratio = (1 + (before * positives[:, None]).sum(-1)) / (1 + before.sum(-1))
    return 1 - ((ratio * kept).sum(1) / kept.sum(1).clamp(min=1)).mean()


class CoxPartial(nn.Module):
    def forward(self, risks: Tensor, times: Tensor, events: Tensor) -> Tensor:
        order = torch.argsort(times, descending=True)
        risks, events = risks[order], events[order]
        at_risk = torch.log(torch.cumsum(torch.exp(risks), dim=0))
        return -torch.sum((risks - at_risk) * events) / (events.sum() + 1)


def cox_twin(risks: Tensor, times: Tensor, events: Tensor) -> Tensor:
    order = times.argsort(descending=True)
    risks, events = risks[order], events[order]
    return ((risks.logcumsumexp(0) - risks) * events).sum() / (events.sum() + 1)


def cox_mean(risks: Tensor, times: Tensor, events: Tensor) -> Tensor:
    later = times[None, :] >= times[:, None]
    at_risk = risks.expand(len(risks), -1).masked_fill(~later, float("-inf")).logsumexp(dim=1)
    return ((at_risk - risks) * events).sum() / events.sum()


def cox_mean_twin(risks: Tensor, times: Tensor, events: Tensor) -> Tensor:
    later = times[None] >= times[:, None]
    at_risk = risks.expand(len(risks), -1).masked_fill(~later, float("-inf")).logsumexp(1)
    return ((at_risk - risks) * events).sum() / events.sum().clamp(min=1)


def bradley_terry(winners: Tensor, losers: Tensor) -> Tensor:
    strength = torch.exp(winners)
    chance = strength / (strength + torch.exp(losers))
    return torch.mean(-torch.log(chance))


class EffectiveNumber(nn.Module):
    """Classes weigh by the inverse of their effective number of samples."""

    def __init__(self, count: int = 3, beta: float = 0.99) -> None:
        super().__init__()
        self.count, self.beta = count, beta

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        sizes = torch.bincount(labels, minlength=self.count).to(logits.dtype)
        weights = (1 - self.beta) / (1 - self.beta**sizes)
        weights = weights / weights.sum() * self.count
        return F.cross_entropy(logits, labels, weight=weights)


def effective_twin(logits: Tensor, labels: Tensor) -> Tensor:
    sizes = torch.bincount(labels, minlength=3).to(logits.dtype)
    weights = torch.where(sizes > 0, 0.01 / (1 - 0.99 ** sizes.clamp(min=1)), 0.0)
    return F.cross_entropy(logits, labels, weight=weights / weights.sum() * 3)


def balanced_binary(logits: Tensor, targets: Tensor) -> Tensor:
    with torch.no_grad():
        positives = targets.sum(dim=0)
        weight = (len(targets) - positives) / positives
    return F.binary_cross_entropy_with_logits(logits, targets, pos_weight=weight)


def balanced_binary_twin(logits: Tensor, targets: Tensor) -> Tensor:
    positives = targets.detach().sum(0)
    weight = (len(targets) - positives) / positives.clamp(min=1)
    return F.binary_cross_entropy_with_logits(logits, targets, pos_weight=weight)


def weighted_risk(losses: Tensor, weights: Tensor) -> Tensor:
    """Importance weights are normalised within the batch."""
    weights = weights / weights.sum()
    return torch.sum(weights * losses)


def survivors() -> tuple[Tensor, Tensor, Tensor]:
    return normal(10), uniform(10, high=5.0), binary(10)


def no_relevance() -> tuple[Tensor, Tensor]:
    return normal(6, 5), put(classes(30, 3).float().reshape(6, 5), 0, 0.0)


CASES = [
    Case(
        "list-mle-by-exp",
        ListMLE(),
        lambda: (normal(6, 5), uniform(6, 5)),
        lambda: (normal(6, 5, scale=100), uniform(6, 5)),
        ("exp",),
        "inf-loss",
        list_mle_twin,
        about="exp overflows before its logarithm is taken",
    ),
    Case(
        "soft-ndcg-no-relevance",
        soft_ndcg,
        lambda: (normal(6, 5), classes(30, 3).float().reshape(6, 5)),
        no_relevance,
        ("div",),
        "nan-loss",
        soft_ndcg_twin,
        about="a list without relevant items: 0 / 0",
    ),
    Case(
        "pairwise-auc-one-class",
        pairwise_auc,
        lambda: (normal(10), classes(10, 2)),
        lambda: (normal(10), torch.zeros(10).long()),
        ("mean",),
        "nan-loss",
        pairwise_auc_twin,
        about="no pair: the mean of nothing",
    ),
    Case(
        "soft-average-precision",
        soft_average_precision,
        lambda: (normal(4, 6), binary(4, 6)),
        lambda: (normal(4, 6), put(binary(4, 6), 0, 0.0)),
        ("div",),
        "nan-loss",
        soft_average_precision_twin,
        about="a query without positives: 0 / 0",
    ),
    Case(
        "cox-by-exp",
        CoxPartial(),
        survivors,
        lambda: (normal(10, scale=150), *survivors()[1:]),
        ("exp",),
        "nan-loss",
        cox_twin,
        about="exp overflows in the sums at risk, inf * 0 for the censored",
    ),
    Case(
        "cox-no-events",
        cox_mean,
        survivors,
        lambda: (*survivors()[:2], torch.zeros(10)),
        ("div",),
        "nan-loss",
        cox_mean_twin,
        about="everybody is censored: 0 / 0",
    ),
    Case(
        "bradley-terry",
        bradley_terry,
        lambda: (normal(10), normal(10, seed=1)),
        lambda: (normal(10, shift=100), normal(10, seed=1, shift=100)),
        ("exp",),
        "nan-loss",
        lambda winners, losers: F.softplus(losers - winners).mean(),
        about="exp overflows, inf / inf",
    ),
    Case(
        "effective-number-absent",
        EffectiveNumber(),
        lambda: (normal(9, 3), classes(9)),
        lambda: (normal(9, 3), classes(9, 2)),
        ("div",),
        "nan-loss",
        effective_twin,
        about="an absent class weighs 1 / 0, then inf / inf",
    ),
    Case(
        "balanced-binary-no-positives",
        balanced_binary,
        lambda: (normal(8, 3), binary(8, 3)),
        lambda: (normal(8, 3), put(binary(8, 3), (slice(None), 0), 0.0)),
        ("div",),
        "nan-loss",
        balanced_binary_twin,
        about="a label that nobody has: its weight is infinite, inf * 0",
    ),
    Case(
        "weighted-risk",
        weighted_risk,
        lambda: (uniform(8), uniform(8, seed=1)),
        lambda: (uniform(8), torch.zeros(8)),
        ("div",),
        "nan-loss",
        lambda losses, weights: (weights * losses).sum() / (weights.sum() + 1e-6),
        about="all weights 0: 0 / 0",
    ),
]
