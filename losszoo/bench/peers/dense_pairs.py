"""Losses of a softmax over pairs, on the whole matrix of logits."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from losszoo.bench.peers.peer import by_name


def logits_of(rows: Tensor, columns: Tensor, similarity: str, temperature: float = 1.0) -> Tensor:
    """(N, M): similarity over temperature."""
    if similarity == "cosine":
        return normalize(rows) @ normalize(columns).T / temperature
    if similarity == "dot":
        return rows @ columns.T / temperature
    distances = torch.cdist(rows, columns)
    return -(distances.square() if similarity == "squared-euclidean" else distances) / temperature


def pairs_of(labels: Tensor) -> tuple[Tensor, Tensor]:
    """(N, N) twice: the own class without the own place, and the other classes."""
    same = labels[:, None] == labels[None, :]
    own = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    return same & ~own, ~same


def nca(embeddings: Tensor, labels: Tensor, *, similarity: str, temperature: float) -> Tensor:
    positive, negative = pairs_of(labels)
    logits = logits_of(embeddings, embeddings, similarity, temperature)
    values = _sum_under(positive | negative, logits) - _sum_under(positive, logits)
    return values[positive.any(1)].mean()


def nca_stable(embeddings: Tensor, labels: Tensor, *, similarity: str, temperature: float) -> Tensor:
    positive, negative = pairs_of(labels)
    logits = logits_of(embeddings, embeddings, similarity, temperature)
    values = _sum_under(negative, logits) - _sum_under(positive, logits)
    return values[positive.any(1) & negative.any(1)].mean()


def nca_difference(embeddings: Tensor, labels: Tensor, *, similarity: str, temperature: float) -> Tensor:
    same, different, both = _shares(embeddings, labels, similarity, temperature)
    return (different - same)[both].mean()


def nca_ratio(embeddings: Tensor, labels: Tensor, *, similarity: str, temperature: float) -> Tensor:
    return nca_epsilon(embeddings, labels, eps=0.0, similarity=similarity, temperature=temperature)


def nca_epsilon(embeddings: Tensor, labels: Tensor, *, eps: float, similarity: str, temperature: float) -> Tensor:
    same, different, both = _shares(embeddings, labels, similarity, temperature)
    return -torch.log((same[both] + eps) / (different[both] + eps)).mean()


def sup_con(embeddings: Tensor, labels: Tensor, *, similarity: str, temperature: float) -> Tensor:
    positive, negative = pairs_of(labels)
    logits = logits_of(embeddings, embeddings, similarity, temperature)
    logs = logits - _sum_under(positive | negative, logits)[:, None]
    values = -(logs * positive).sum(1) / positive.sum(1)
    return values[positive.any(1)].mean()


def info_nce(queries: Tensor, keys: Tensor, *, similarity: str, temperature: float, symmetric: bool) -> Tensor:
    logits = logits_of(queries, keys, similarity, temperature)
    own = torch.arange(len(queries), device=queries.device)
    there = cross_entropy(logits, own)
    return (there + cross_entropy(logits.T, own)) / 2 if symmetric else there


def modern_nca(
    queries: Tensor,
    query_targets: Tensor,
    candidates: Tensor,
    candidate_targets: Tensor,
    own: Tensor,
    *,
    similarity: str,
    temperature: float,
) -> Tensor:
    logits = logits_of(queries, candidates, similarity, temperature)
    others = torch.arange(len(candidates), device=own.device)[None, :] != own[:, None]
    positive = (query_targets[:, None] == candidate_targets[None, :]) & others
    values = _sum_under(others, logits) - _sum_under(positive, logits)
    return values[positive.any(1)].mean()


def _sum_under(mask: Tensor, logits: Tensor) -> Tensor:
    return logits.masked_fill(~mask, -torch.inf).logsumexp(1)


def _shares(embeddings: Tensor, labels: Tensor, similarity: str, temperature: float) -> tuple[Tensor, Tensor, Tensor]:
    """Probability of the own class and of the others, and which rows have neighbours of both kinds."""
    positive, negative = pairs_of(labels)
    logits = logits_of(embeddings, embeddings, similarity, temperature)
    shares = logits.masked_fill(~(positive | negative), -torch.inf).softmax(1)
    return (shares * positive).sum(1), (shares * negative).sum(1), positive.any(1) & negative.any(1)


PAIRS = by_name(nca, nca_stable, nca_difference, nca_ratio, nca_epsilon, sup_con, info_nce, modern_nca)
