"""Metric learning: distances of duplicates, zero vectors, batches without positives or negatives."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .case import Case, binary, classes, normal, put, unit

NEVER = float("-inf")


def safe_root(squares: Tensor) -> Tensor:
    return squares.clamp(min=1e-12).sqrt()


class Triplet(nn.Module):
    def __init__(self, margin: float = 1.0) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, anchors: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
        near = torch.sqrt(((anchors - positives) ** 2).sum(dim=1))
        far = torch.sqrt(((anchors - negatives) ** 2).sum(dim=1))
        return torch.relu(near - far + self.margin).mean()


def triplet_twin(anchors: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
    near = safe_root((anchors - positives).square().sum(1))
    return (near - safe_root((anchors - negatives).square().sum(1)) + 1).relu().mean()


def contrastive(left: Tensor, right: Tensor, same: Tensor, margin: float = 2.0) -> Tensor:
    distances = (left - right).pow(2).sum(1).pow(0.5)
    pull = same * distances.pow(2)
    push = (1 - same) * torch.clamp(margin - distances, min=0).pow(2)
    return (pull + push).mean()


def contrastive_twin(left: Tensor, right: Tensor, same: Tensor) -> Tensor:
    squares = (left - right).square().sum(1)
    return (same * squares + (1 - same) * (2 - safe_root(squares)).clamp(min=0) ** 2).mean()


def cosine_by_hand(left: Tensor, right: Tensor) -> Tensor:
    dots = (left * right).sum(-1)
    return (1 - dots / (left.norm(dim=-1) * right.norm(dim=-1))).mean()


class SupervisedContrastive(nn.Module):
    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        embeddings = F.normalize(embeddings, dim=1)
        logits = embeddings @ embeddings.T / self.temperature
        others = 1 - torch.eye(len(labels), dtype=logits.dtype)
        positives = (labels[:, None] == labels[None, :]) * others
        log_normaliser = torch.log((logits.exp() * others).sum(1, keepdim=True))
        per_anchor = (positives * (logits - log_normaliser)).sum(1) / positives.sum(1)
        return -per_anchor.mean()


def supervised_twin(embeddings: Tensor, labels: Tensor) -> Tensor:
    points = F.normalize(embeddings, dim=1)
    itself = torch.eye(len(labels)).bool()
    positives = ((labels[:, None] == labels[None]) & ~itself).to(points.dtype)
    logs = (points @ points.T / 0.1).masked_fill(itself, -1e4).log_softmax(1)
    return -((positives * logs).sum(1) / positives.sum(1).clamp(min=1)).mean()


def neighbour_ratio(embeddings: Tensor, labels: Tensor) -> Tensor:
    """Neighbourhood components: the chance that the neighbour drawn has the right label."""
    gaps = embeddings.unsqueeze(0) - embeddings.unsqueeze(1)
    kernel = torch.exp(-gaps.pow(2).sum(-1)) * (1 - torch.eye(len(labels)))
    same = (labels.unsqueeze(0) == labels.unsqueeze(1)).float()
    chance = (kernel * same).sum(1) / kernel.sum(1)
    return 1 - chance.mean()


def neighbour_twin(embeddings: Tensor, labels: Tensor) -> Tensor:
    squares = (embeddings[None] - embeddings[:, None]).square().sum(-1)
    weights = (-squares).masked_fill(torch.eye(len(labels)).bool(), NEVER).softmax(1)
    return 1 - (weights * (labels[None] == labels[:, None])).sum(1).mean()


def contrast_by_exp(queries: Tensor, keys: Tensor, temperature: float = 0.2) -> Tensor:
    scores = torch.exp(torch.mm(queries, keys.t()) / temperature)
    return -torch.log(torch.diag(scores) / scores.sum(dim=1)).mean()


class LearnedTemperature(nn.Module):
    """The candidates that do not exist come in as -inf."""

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(0.5))

    def forward(self, similarities: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(similarities * self.log_scale.exp(), labels)


class LearnedTemperatureTwin(LearnedTemperature):
    def forward(self, similarities: Tensor, labels: Tensor) -> Tensor:
        absent = similarities == NEVER
        scaled = similarities.masked_fill(absent, 0.0) * self.log_scale.exp()
        return F.cross_entropy(scaled.masked_fill(absent, NEVER), labels)


def adaptive_margin(embeddings: Tensor, labels: Tensor) -> Tensor:
    """Batch-hard triplets; the margin follows the mean gap of the batch."""
    distances = torch.cdist(embeddings, embeddings)
    same = labels[:, None] == labels[None, :]
    hardest_positive = distances.masked_fill(~same, float("-inf")).max(dim=1).values
    hardest_negative = distances.masked_fill(same, float("inf")).min(dim=1).values
    margin = (hardest_negative - hardest_positive).mean().abs()
    return F.relu(hardest_positive - hardest_negative + margin).mean()


def adaptive_margin_twin(embeddings: Tensor, labels: Tensor) -> Tensor:
    same = labels[:, None] == labels[None]
    if same.all():
        return 0 * embeddings.sum()
    return adaptive_margin(embeddings, labels)


def multi_similarity(embeddings: Tensor, labels: Tensor, beta: float = 10.0, offset: float = 0.5) -> Tensor:
    similarities = embeddings @ embeddings.T
    different = (labels[:, None] != labels[None, :]).float()
    push = (torch.exp(beta * (similarities - offset)) * different).sum(1)
    return torch.log(1 + push).mean() / beta


def multi_similarity_twin(embeddings: Tensor, labels: Tensor) -> Tensor:
    scores = 10 * (embeddings @ embeddings.T - 0.5)
    scores = scores.masked_fill(labels[:, None] == labels[None], NEVER)
    return F.pad(scores, (0, 1)).logsumexp(1).mean() / 10


def lifted_structure(distances: Tensor, labels: Tensor, margin: float = 1.0) -> Tensor:
    different = labels[:, None] != labels[None, :]
    pull = torch.log((torch.exp(distances) * ~different).sum(1))
    push = torch.log((torch.exp(margin - distances) * different).sum(1))
    return torch.relu(pull + push).mean()


def lifted_twin(distances: Tensor, labels: Tensor) -> Tensor:
    different = labels[:, None] != labels[None]
    some = different.any(1)
    scores = (1 - distances).masked_fill(~different & some[:, None], NEVER)
    pull = distances.masked_fill(different, NEVER).logsumexp(1)
    return torch.where(some, (pull + scores.logsumexp(1)).relu(), 0.0).mean()


def uniformity(embeddings: Tensor, t: float = 2.0) -> Tensor:
    points = F.normalize(embeddings, dim=-1)
    return torch.pdist(points).pow(2).mul(-t).exp().mean().log()


def uniformity_twin(embeddings: Tensor) -> Tensor:
    return uniformity(embeddings) if len(embeddings) > 1 else 0 * embeddings.sum()


def separation(centres: Tensor, embeddings: Tensor, labels: Tensor) -> Tensor:
    within = (embeddings - centres[labels]).square().sum(1).mean()
    between = torch.pdist(centres).square().min()
    return within / between


def labelled() -> tuple[Tensor, Tensor]:
    return normal(9, 4), classes(9)


CASES = [
    Case(
        "triplet-root",
        Triplet(),
        lambda: (normal(8, 5), normal(8, 5, seed=1), normal(8, 5, seed=2)),
        lambda: (normal(8, 5), put(normal(8, 5, seed=1), 3, normal(8, 5)[3]), normal(8, 5, seed=2, scale=0.1)),
        ("sqrt",),
        "nan-gradient",
        triplet_twin,
        about="the root of 0 for an anchor that equals its positive",
    ),
    Case(
        "contrastive-duplicates",
        contrastive,
        lambda: (normal(8, 5), normal(8, 5, seed=1), binary(8)),
        lambda: (normal(8, 5), normal(8, 5), torch.ones(8)),
        ("pow",),
        "nan-gradient",
        contrastive_twin,
        about="0 ** 0.5 for identical pairs",
    ),
    Case(
        "cosine-zero-row",
        cosine_by_hand,
        lambda: (normal(8, 5), normal(8, 5, seed=1)),
        lambda: (put(normal(8, 5), 2, 0.0), normal(8, 5, seed=1)),
        ("div",),
        "nan-loss",
        lambda a, b: (1 - F.cosine_similarity(a, b)).mean(),
        about="0 / 0 for a zero vector",
    ),
    Case(
        "supervised-contrastive-no-positives",
        SupervisedContrastive(),
        labelled,
        lambda: (normal(9, 4), torch.arange(9)),
        ("div",),
        "nan-loss",
        supervised_twin,
        about="an anchor without positives: 0 / 0",
    ),
    Case(
        "neighbour-ratio",
        neighbour_ratio,
        labelled,
        lambda: (normal(9, 4, scale=50), classes(9)),
        ("exp",),
        "nan-loss",
        neighbour_twin,
        about="exp underflows for every neighbour of a lonely point, 0 / 0",
    ),
    Case(
        "contrast-by-exp",
        contrast_by_exp,
        lambda: (unit(8, 5), unit(8, 5, seed=1)),
        lambda: (normal(8, 5, scale=5), normal(8, 5, scale=5, seed=1)),
        ("exp",),
        "nan-loss",
        lambda q, k: F.cross_entropy(q @ k.T / 0.2, torch.arange(len(q))),
        about="exp overflows, inf / inf",
    ),
    Case(
        "learned-temperature-masked",
        LearnedTemperature(),
        lambda: (normal(8, 5), classes(8, 5)),
        lambda: (put(normal(8, 5), (slice(None), 4), NEVER), classes(8, 4)),
        ("mul",),
        "nan-gradient",
        LearnedTemperatureTwin(),
        about="the slope for the scale is 0 * -inf",
    ),
    Case(
        "adaptive-margin-one-class",
        adaptive_margin,
        labelled,
        lambda: (normal(9, 4), torch.zeros(9).long()),
        ("sub", "add", "min"),
        "nan-loss",
        adaptive_margin_twin,
        about="no negative: -inf + inf",
    ),
    Case(
        "multi-similarity-exp",
        multi_similarity,
        lambda: (unit(9, 4), classes(9)),
        lambda: (normal(9, 4, scale=4), classes(9)),
        ("exp",),
        "nan-loss",
        multi_similarity_twin,
        about="exp overflows for vectors that are not normalised, and inf * 0 in the mask",
    ),
    Case(
        "lifted-structure-one-class",
        lifted_structure,
        lambda: (torch.cdist(*2 * (normal(9, 4),)), classes(9)),
        lambda: (torch.cdist(*2 * (normal(9, 4),)), torch.zeros(9).long()),
        ("log", "sum"),
        "nan-gradient",
        lifted_twin,
        about="the logarithm of an empty sum",
    ),
    Case(
        "uniformity-one-sample",
        uniformity,
        lambda: (normal(8, 5),),
        lambda: (normal(1, 5),),
        ("mean",),
        "nan-loss",
        uniformity_twin,
        about="no pair: the mean of nothing",
    ),
    Case(
        "separation-equal-centres",
        separation,
        lambda: (normal(3, 4, seed=5), *labelled()),
        lambda: (normal(1, 4, seed=5).expand(3, 4), *labelled()),
        ("div",),
        "inf-loss",
        lambda c, e, y: (e - c[y]).square().sum(1).mean() / (torch.pdist(c).square().min() + 1e-6),
        about="two centres coincide: division by 0",
    ),
]
