"""Modern NCA: soft nearest neighbours over candidates, for classes and for numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from losszoo import Unreduced, pairwise_logits
from losszoo_plugins.pairs import log_odds, negative_log_share


def modern_nca(
    queries: Tensor,
    query_targets: Tensor,
    candidates: Tensor,
    candidate_targets: Tensor,
    *,
    own: Tensor | None = None,
    similarity: str = "euclidean",
    temperature: float = 1.0,
) -> Unreduced:
    r"""Error of the soft nearest neighbour prediction that the candidates make for each query.

    .. math::
        \ell_i = -\log \sum_{j: y_j = y_i} w_{ij} \quad\text{or}\quad \Bigl(\sum_j w_{ij} y_j - y_i\Bigr)^2,
        \qquad w_{ij} = \operatorname{softmax}_{j \ne i}(s_{ij})

    For tabular data, where it competes with boosted trees: whole-number targets are classes (first form,
    computed without a probability that could underflow), floating ones are numbers (second form). Stochastic
    neighbour sampling belongs to whoever draws the candidates: at each step draw a new share of the training
    rows with :func:`losszoo.sample_neighbors`, encode only those and the batch, and say by ``own`` where each
    query sits among them. To evaluate, all training rows are candidates.

    Args:
        queries: (N, D) embeddings.
        query_targets: (N,), int64 classes or floating numbers.
        candidates: (M, D) embeddings.
        candidate_targets: (M,), of the same kind.
        own: (N,) int64, index of each query among the candidates, which it does not see; -1 where it is
            absent. None: no query is a candidate.
        similarity: "euclidean", "squared-euclidean", "cosine" or "dot".
        temperature: > 0.

    Returns:
        (N,), >= 0. A query without a candidate of its class (or, for numbers, without any other) takes no
        part.

    Example:
        >>> queries, candidates = torch.zeros(1, 2), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        >>> modern_nca(queries, torch.tensor([1]), candidates, torch.tensor([1, 0])).values
        tensor([0.6931])

    Reference:
        Ye, Yin, Zhan, Chao, "Revisiting Nearest Neighbor for Tabular Data: A Deep Tabular Baseline Two
        Decades Later", ICLR 2025, arXiv:2407.03257.
    """
    logits = pairwise_logits(queries, candidates, similarity, temperature)
    if query_targets.is_floating_point():
        return _squared_error(logits, query_targets, candidate_targets, own)
    others = _others(logits, own)
    positive = (query_targets.unsqueeze(1) == candidate_targets) & others
    odds = log_odds(logits, positive, positive ^ others)
    taking_part = odds < torch.inf
    return Unreduced(negative_log_share(torch.where(taking_part, odds, -torch.inf)), taking_part.to(logits.dtype))


def _squared_error(logits: Tensor, targets: Tensor, candidate_targets: Tensor, own: Tensor | None) -> Unreduced:
    own = torch.full_like(targets, -1, dtype=torch.long) if own is None else own
    taking_part = (own < 0) if logits.shape[1] == 1 else torch.full_like(own, logits.shape[1] > 0, dtype=torch.bool)
    # A query that sees nobody is computed as if it saw itself, so that its softmax is finite, then dropped.
    others = _others(logits, torch.where(taking_part, own, -1))
    weights = logits.masked_fill(~others, -torch.inf).softmax(1)
    error = torch.where(taking_part, weights @ candidate_targets - targets, 0.0)
    return Unreduced(error * error, taking_part.to(logits.dtype))


def _others(logits: Tensor, own: Tensor | None) -> Tensor:
    """(N, M): True but for each query's own place."""
    everyone = torch.ones_like(logits, dtype=torch.bool)
    if own is None or logits.shape[1] == 0:
        return everyone
    place = own.unsqueeze(1)
    return everyone.scatter(1, place.clamp(min=0), place < 0)
