"""Losses of the gain at the top of a list: LambdaLoss and ApproxNDCG."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from torch import Tensor
from torch.nn.functional import softplus

from losszoo import Range, loss

from .lists import leads, ordered, places


@loss(
    signature="ranking",
    tags=("ranking", "pairwise", "detached-weights"),
    aliases=("lambdarank", "ndcg-loss", "lambda-rank"),
)
def lambda_loss(
    item_scores: Tensor,
    relevance: Tensor,
    *,
    scheme: Literal["ndcg1", "ndcg2", "ndcg2++", "lambdarank"] = "ndcg2++",
    mu: Annotated[float, Range(0, None, log=True, search=(0.1, 100))] = 10.0,
    sigma: Annotated[float, Range(0, None, bounds="()", log=True)] = 1.0,
    k: Annotated[int, Range(0, None)] = 0,
) -> Tensor:
    r"""Pairs of items, each weighed by how much the NDCG would change.

    .. math:: \ell = -\sum_{y_i > y_j} w_{ij} \log_2 \sigma\left(\sigma_0 (s_i - s_j)\right)

    For search and recommendation, where the top of a list counts most. With gains G = (2^y - 1) / maxDCG and
    discounts D = log2(1 + place), "lambdarank" weighs by the difference of 1/D times that of G, "ndcg2" by the
    discounts of the distance of the two places in place of their own, and "ndcg2++", the default, by mu times the
    second plus the first. "ndcg1" weighs all pairs of items, ordered or not, by G_i / D_i. Places and weights have no
    gradient, so the value jumps where two scores are equal. Items of equal scores have the places in which they stand.
    allRank's ``lambdaLoss`` has no gradient for two items that are in the wrong order by 30 or more: it bounds the
    sigmoid.

    Args:
        item_scores: (N, L).
        relevance: (N, L), >= 0, or -1 where a list has ended.
        scheme: how pairs are weighed.
        mu: of "ndcg2++".
        sigma: steepness of the logistic function, sigma_0.
        k: pairs of the first k places count; 0 for all.

    Returns:
        One value per list, (N,); 0 where nothing is relevant.

    Example:
        >>> lambda_loss(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]), scheme="lambdarank")
        tensor([0.3691])

    Reference:
        Wang, Li, Golbandi, Bendersky, Najork, "The LambdaLoss Framework for Ranking Metric Optimization", CIKM 2018,
        https://doi.org/10.1145/3269206.3271784.
    """
    there = relevance >= 0
    standing = places(torch.where(there, item_scores.detach(), -torch.inf))
    gains = shares_of_ideal(relevance, k)
    top = there & (standing <= k) if k else there
    pairs = top.unsqueeze(2) & top.unsqueeze(1)
    if scheme == "ndcg1":
        weights = (gains / _discount(standing, gains)).unsqueeze(2)
    else:
        pairs = pairs & ordered(relevance)
        weights = (gains.unsqueeze(2) - gains.unsqueeze(1)) * _drop(standing, scheme, mu, gains)
    values = weights * softplus(-sigma * leads(item_scores)) / math.log(2)
    return torch.where(pairs, values, 0.0).sum((1, 2))


@loss(signature="ranking", tags=("ranking", "listwise", "bounded"), aliases=("approxndcg", "smooth-ndcg"))
def approx_ndcg(
    item_scores: Tensor,
    relevance: Tensor,
    *,
    temperature: Annotated[float, Range(0, None, bounds="()", log=True, search=(0.01, 10))] = 0.1,
) -> Tensor:
    r"""One minus the NDCG in which places are sums of sigmoids.

    .. math:: \ell = 1 - \sum_i \frac{G_i}{\log_2(1 + \hat\pi_i)}, \quad
        \hat\pi_i = 1 + \sum_{j \ne i} \sigma\left(\frac{s_j - s_i}{T}\right)

    The metric itself, made smooth. Scores that are much further apart than the temperature have no gradient left, right
    or wrong: begin near 0, or with a high temperature, or with ``lambda-loss``.

    Args:
        item_scores: (N, L).
        relevance: (N, L), >= 0, or -1 where a list has ended.
        temperature: T, how far apart scores count as sorted.

    Returns:
        One value per list, (N,), from 0 to 1; 0 where nothing is relevant.

    Example:
        >>> approx_ndcg(torch.tensor([[0.0, 5.0]]), torch.tensor([[1.0, 0.0]]))
        tensor([0.3691])

    Reference:
        Qin, Liu, Li, "A General Approximation Framework for Direct Optimization of Information Retrieval Measures",
        Information Retrieval 2010, https://doi.org/10.1007/s10791-009-9124-x.
    """
    there = relevance >= 0
    others = there.unsqueeze(1) & ~torch.eye(there.shape[1], dtype=torch.bool, device=there.device)
    ahead = torch.sigmoid(-leads(item_scores) / temperature)
    standing = torch.where(others, ahead, 0.0).sum(2)
    gains = shares_of_ideal(relevance)
    # 1 - 1/D for each gain, and not 1 - sum: all gains over their own places in the ideal order sum to 1.
    ideal = gains / _discount(places(relevance), gains)
    reached = gains / (torch.log1p(1 + standing) / math.log(2))
    return (ideal - reached).sum(1)


def shares_of_ideal(relevance: Tensor, k: int = 0) -> Tensor:
    """(N, L): the gain 2^y - 1 of each item as a share of the largest DCG of its list, of the first k; else 0."""
    there = relevance >= 0
    grades = torch.where(there, relevance, 0.0)
    most = grades.amax(1, keepdim=True)
    # Of the largest gain first: 2^y alone overflows float32 at 128. As expm1, for grades near 0.
    gains = torch.exp2(grades - most) * -torch.expm1(-math.log(2) * grades)
    ideal = gains / _discount(places(relevance), gains)
    if k:
        ideal = torch.where(places(relevance) <= k, ideal, 0.0)
    total = ideal.sum(1, keepdim=True)
    return gains / torch.where(total > 0, total, 1.0)


def _discount(standing: Tensor, like: Tensor) -> Tensor:
    return torch.log2(1 + standing.to(like.dtype))


def _drop(standing: Tensor, scheme: str, mu: float, like: Tensor) -> Tensor:
    """(N, L, L): by how much the discount of two items differs, in one of three ways."""
    inverse = 1 / _discount(standing, like)
    own = (inverse.unsqueeze(2) - inverse.unsqueeze(1)).abs()
    if scheme == "lambdarank":
        return own
    apart = (standing.unsqueeze(2) - standing.unsqueeze(1)).abs().clamp(min=1)
    relative = 1 / _discount(apart, like) - 1 / _discount(apart + 1, like)
    return relative if scheme == "ndcg2" else mu * relative + own
