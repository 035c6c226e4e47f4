"""Losses of the order of a list: RankNet, ListNet, ListMLE."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor
from torch.nn.functional import softplus

from losszoo import Range, loss, masked_logsumexp


@loss(signature="ranking", tags=("ranking", "pairwise"), aliases=("pairwise-logistic-ranking",))
def ranknet(
    item_scores: Tensor, relevance: Tensor, *, sigma: Annotated[float, Range(0, None, bounds="()", log=True)] = 1.0
) -> Tensor:
    r"""Negative log-likelihood that of any two items the more relevant one wins.

    .. math:: \ell = \sum_{y_i > y_j} \log\left(1 + e^{-\sigma (s_i - s_j)}\right)

    For lists whose whole order matters. All pairs count alike, at the top and at the bottom; ``lambda-loss`` looks at
    the top. It is a sum over the pairs of a list, so long lists weigh more.

    Args:
        item_scores: (N, L).
        relevance: (N, L), >= 0, or -1 where a list has ended.
        sigma: steepness of the logistic function.

    Returns:
        One value per list, (N,); 0 where all items are equally relevant.

    Example:
        >>> ranknet(torch.tensor([[0.0, 0.0, 0.0]]), torch.tensor([[2.0, 1.0, -1.0]]))
        tensor([0.6931])

    Reference:
        Burges, Shaked, Renshaw, Lazier, Deeds, Hamilton, Hullender, "Learning to Rank using Gradient Descent", ICML
        2005, https://doi.org/10.1145/1102351.1102363.
    """
    values = softplus(-sigma * leads(item_scores))
    return torch.where(ordered(relevance), values, 0.0).sum((1, 2))


@loss(signature="ranking", tags=("ranking", "listwise"), aliases=("softmax-ranking", "listwise-softmax"))
def listnet(item_scores: Tensor, relevance: Tensor, *, shares: Literal["softmax", "linear"] = "softmax") -> Tensor:
    r"""Cross-entropy of the softmax of the scores against that of the relevance: which item is the first one.

    .. math:: \ell = -\sum_i q_i \log \operatorname{softmax}(s)_i, \quad q = \operatorname{softmax}(y)
        \text{ or } y / \textstyle\sum y

    A smooth loss in one pass over the list. With "softmax", the paper's, an item without relevance has a share too;
    with "linear", as in TF-Ranking, it has none, and one relevant item makes it cross-entropy.

    Args:
        item_scores: (N, L).
        relevance: (N, L), >= 0, or -1 where a list has ended.
        shares: how relevance becomes probabilities.

    Returns:
        One value per list, (N,); 0 for "linear" where nothing is relevant, and where there is no item.

    Example:
        >>> listnet(torch.zeros(1, 3), torch.tensor([[2.0, 1.0, -1.0]]))
        tensor([0.6931])

    Reference:
        Cao, Qin, Liu, Tsai, Li, "Learning to Rank: From Pairwise Approach to Listwise Approach", ICML 2007,
        https://doi.org/10.1145/1273496.1273513.
    """
    there = relevance >= 0
    if shares == "softmax":
        # A list without an item has no softmax; the second factor makes its shares 0.
        wanted = relevance.masked_fill(~there, torch.finfo(relevance.dtype).min).softmax(1) * there
    else:
        amount = torch.where(there, relevance, 0.0)
        # Of the largest first, so that no sum overflows.
        amount = amount / _or_one(amount.amax(1, keepdim=True))
        wanted = amount / _or_one(amount.sum(1, keepdim=True))
    # A list without an item keeps its scores: a softmax of nothing but -inf is NaN, and so is its gradient.
    left_out = ~there & there.any(1, keepdim=True)
    logs = item_scores.masked_fill(left_out, -torch.inf).log_softmax(1)
    return -(wanted * torch.where(wanted > 0, logs, 0.0)).sum(1)


@loss(signature="ranking", tags=("ranking", "listwise"), aliases=("plackett-luce", "list-mle"))
def listmle(
    item_scores: Tensor,
    relevance: Tensor,
    *,
    ties: Literal["stable", "together"] = "stable",
    top: Annotated[int, Range(0, None)] = 0,
) -> Tensor:
    r"""Negative log-likelihood of the true order under the Plackett-Luce model.

    .. math:: \ell = \sum_i \Bigl(\log \sum_{j \ge i} e^{s_{\pi(j)}} - s_{\pi(i)}\Bigr), \quad
        y_{\pi(1)} \ge y_{\pi(2)} \ge \dots

    For lists with a full order. Items of equal relevance have no order: "stable" takes the one they stand in, so
    shuffle them, or "together" lets each of them compete with all the others, which does not depend on it.

    Args:
        item_scores: (N, L).
        relevance: (N, L), >= 0, or -1 where a list has ended.
        ties: what becomes of equally relevant items.
        top: places that count; 0 for all.

    Returns:
        One value per list, (N,); 0 for one item and for none.

    Example:
        >>> listmle(torch.zeros(1, 3), torch.tensor([[2.0, 1.0, 0.0]])).exp()
        tensor([6.])

    Reference:
        Xia, Liu, Wang, Zhang, Li, "Listwise Approach to Learning to Rank: Theory and Algorithm", ICML 2008,
        https://doi.org/10.1145/1390156.1390306.
    """
    mine, theirs = relevance.unsqueeze(2), relevance.unsqueeze(1)
    place = torch.arange(relevance.shape[1], device=relevance.device)
    later = torch.ones_like(place, dtype=torch.bool) if ties == "together" else place > place.unsqueeze(1)
    # Those that are still there when an item is chosen, but itself, whose own term is e^0.
    rivals = (theirs >= 0) & ((theirs < mine) | ((theirs == mine) & later)) & (place != place.unsqueeze(1))
    values = softplus(masked_logsumexp(-leads(item_scores), rivals))
    counted = relevance >= 0
    if top:
        counted = counted & (places(relevance) <= top)
    return torch.where(counted, values, 0.0).sum(1)


def leads(item_scores: Tensor) -> Tensor:
    """(N, L, L): by how much item i leads item j."""
    return item_scores.unsqueeze(2) - item_scores.unsqueeze(1)


def ordered(relevance: Tensor) -> Tensor:
    """(N, L, L): whether item i is more relevant than item j, both being items."""
    return (relevance.unsqueeze(2) > relevance.unsqueeze(1)) & (relevance >= 0).unsqueeze(1)


def places(numbers: Tensor) -> Tensor:
    """(N, L): the place of each item, from 1 on, where the largest number is first; of equal ones as they stand."""
    order = numbers.argsort(dim=1, descending=True, stable=True)
    counted = torch.arange(1, 1 + numbers.shape[1], device=numbers.device).expand_as(order)
    return torch.empty_like(order).scatter(1, order, counted)


def _or_one(numbers: Tensor) -> Tensor:
    return torch.where(numbers > 0, numbers, 1.0)
