"""Modern NCA: soft nearest neighbours over candidates, for classes and for numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from losszoo import loss, pairwise, softmax_row
from losszoo_plugins.pairs import negative_log_share


@pairwise(similarity="euclidean", temperature=1.0, needs=("candidate",))
def soft_neighbor_error(
    logits: Tensor, positive: Tensor, negative: Tensor, *, row_labels: Tensor, column_labels: Tensor
) -> Tensor:
    r"""Squared error of the number that the candidates predict together.

    .. math:: \ell_i = \Bigl(\sum_j w_{ij} y_j - y_i\Bigr)^2, \quad w_{ij} = \operatorname{softmax}_{j \ne i}(s_{ij})

    :func:`modern_nca` for numeric targets.

    Args:
        logits: (rows, M), similarity over temperature.
        positive: (rows, M), boolean.
        negative: (rows, M), boolean; with ``positive`` every candidate but the row itself.
        row_labels: (rows,), the numbers y_i.
        column_labels: (M,), the numbers y_j.

    Returns:
        (rows,), >= 0. A row without any candidate takes no part.

    Example:
        >>> everyone = torch.ones(1, 2, dtype=torch.bool)
        >>> numbers = {"row_labels": torch.tensor([0.0]), "column_labels": torch.tensor([1.0, 3.0])}
        >>> soft_neighbor_error(torch.zeros(1, 2), ~everyone, everyone, **numbers)
        tensor([4.])

    Reference:
        Ye, Yin, Zhan, Chao, "Revisiting Nearest Neighbor for Tabular Data: A Deep Tabular Baseline Two
        Decades Later", ICLR 2025, arXiv:2407.03257.
    """
    weights = logits.masked_fill(~(positive | negative), -torch.inf).softmax(1)
    return (weights @ column_labels - row_labels).square()


@loss(signature="neighbors", tags=("nca", "neighbours", "tabular", "regression"), aliases=("modernnca", "tabular-nca"))
@softmax_row(
    similarity="euclidean",
    temperature=1.0,
    needs=("positive",),
    numbers=soft_neighbor_error,
    temperature_search=(0.05, 20.0),
)
def modern_nca(odds: Tensor) -> Tensor:
    r"""Soft nearest neighbours over sampled candidates, for classification and regression.

    .. math::
        \ell_i = -\log \sum_{j: y_j = y_i} w_{ij} \quad\text{or}\quad \Bigl(\sum_j w_{ij} y_j - y_i\Bigr)^2,
        \qquad w_{ij} = \operatorname{softmax}_{j \ne i}(s_{ij} / \tau)

    For tabular data, where it competes with boosted trees: whole-number targets are classes (first form, computed
    without a probability that could underflow), floating ones are numbers (second form). Stochastic neighbour
    sampling belongs to the code that draws the candidates: at each step draw a new share of the training rows with
    :func:`losszoo.sample_neighbors`, encode only those and the batch, and give by ``own`` the index of each query
    among them. To evaluate, all training rows are candidates.

    Args:
        queries: (N, D) embeddings.
        query_targets: (N,), classes or numbers.
        candidates: (M, D) embeddings.
        candidate_targets: (M,), classes or numbers.
        own: (N,) int64, each query's own place among the candidates, which is left out; -1 where it has none.
        similarity: s, of a query to a candidate; a distance is its negative.
        temperature: what the similarities are divided by: the lower, the fewer neighbours count.

    Returns:
        One value per query, (N,), >= 0. A query without a candidate of its class takes no part.

    Example:
        >>> import losszoo
        >>> queries, candidates = torch.zeros(1, 2), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        >>> losszoo.create("modern-nca")(queries, torch.tensor([1]), candidates, torch.tensor([1, 0]))
        tensor(0.6931)

    Reference:
        Ye, Yin, Zhan, Chao, "Revisiting Nearest Neighbor for Tabular Data: A Deep Tabular Baseline Two
        Decades Later", ICLR 2025, https://arxiv.org/abs/2407.03257.
    """
    return negative_log_share(odds)
