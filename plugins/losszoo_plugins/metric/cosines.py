"""Losses on the cosines of pairs, of which each belongs together, does not, or does to a degree."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from torch import Tensor

from losszoo import OverBatch, Range, differentiable_again, loss, masked_logsumexp
from losszoo_plugins.closed_form import only_plain
from losszoo_plugins.pairs import directions, softplus


@loss(signature="pair", tags=("metric", "siamese"), aliases=("cosine-embedding-loss", "cosine-contrastive"))
def cosine_embedding(
    first: Tensor,
    second: Tensor,
    same: Tensor,
    *,
    margin: Annotated[float, Range(-1, 1, search=(-0.5, 0.7))] = 0.0,
) -> Tensor:
    r"""One minus the cosine of a positive pair, hinge of the cosine of a negative pair.

    .. math:: \ell = y \, (1 - \cos(a, b)) + (1 - y) \max(0, \cos(a, b) - m)

    For siamese training with labels of pairs only, where the length of an embedding says nothing. It is called as in
    ``torch.nn``: ``loss(first, second, target)`` with a target of 1 or -1. A zero row has a cosine of 0 to everything,
    and no direction to move to, so its gradient is 0. One minus the cosine of two rows that are nearly parallel is
    half the squared distance of their directions, which keeps its digits: torch 2.13 gives 0 in float32 for two rows
    that are an angle of 1e-4 apart, instead of 5.0e-9.

    Args:
        first: (N, D) embeddings.
        second: (N, D) embeddings.
        same: (N,), y: 1 (True) where a pair belongs together, 0 or -1 where not; a degree between 0 and 1 where it is
            graded.
        margin: m, the cosine up to which a pair that does not belong together costs nothing.

    Returns:
        (N,), in [0, 2].

    Example:
        >>> first, second = torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([[0.0, 2.0], [3.0, 3.0]])
        >>> cosine_embedding(first, second, torch.tensor([1.0, 0.0]))
        tensor([1.0000, 0.7071])

    Reference:
        Chopra, Hadsell, LeCun, "Learning a Similarity Metric Discriminatively, with Application to Face Verification",
        CVPR 2005, https://doi.org/10.1109/CVPR.2005.202.
    """
    apart, same = one_minus_cosine(first, second), same.to(first.dtype)
    return same * apart + (1 - same) * (1 - margin - apart).relu()


@loss(signature="pair", tags=("metric", "ranking"), aliases=("co-sent", "cosine-sentence"))
def cosent(
    first: Tensor,
    second: Tensor,
    same: Tensor,
    *,
    scale: Annotated[float, Range(0, None, bounds="()", search=(5.0, 50.0))] = 20.0,
    mask: Tensor | None = None,
) -> OverBatch:
    r"""Cosines in the order of their grades: each pair of a higher grade above each of a lower one.

    .. math:: \ell = \log\Bigl(1 + \sum_{y_i > y_j} e^{\lambda (c_j - c_i)}\Bigr), \quad c_i = \cos(a_i, b_i)

    For graded similarities, such as those of sentences, where the order is known and the cosine itself is not. Grades
    lie in [0, 1]: divide stars of five by five. Two pairs of one grade say nothing to each other. The sum over all
    pairs of pairs is read off a running sum in the order of the grades, so time grows with N log N and memory with N;
    in sentence-transformers, where it comes from, with the square of N.

    Args:
        first: (N, D) embeddings.
        second: (N, D) embeddings.
        same: (N,), y: how much a pair belongs together, in [0, 1].
        scale: what the cosines are multiplied by; 1 over a temperature.
        mask: (N,) pairs that take part.

    Returns:
        One value, (1,), made of all pairs, >= 0. It does not count where all grades are equal.

    Example:
        >>> first, second = torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        >>> cosent(first, second, torch.tensor([0.0, 1.0]), scale=1.0).values
        tensor([1.3133])

    Reference:
        Su, "CoSENT: A More Efficient Sentence Vector Scheme than Sentence-BERT", 2022,
        https://kexue.fm/archives/8847.
    """
    cosines = scale * (directions(first) * directions(second)).sum(-1)
    if cosines.numel() == 0:
        return OverBatch(cosines.sum().unsqueeze(0), cosines.new_zeros(1))
    # What takes no part stands above all grades, so it is below nobody's.
    grades = same.to(cosines.dtype) if mask is None else torch.where(mask, same.to(cosines.dtype), torch.inf)
    grades, order = grades.sort(stable=True)
    cosines = cosines[order]
    below = torch.searchsorted(grades.contiguous(), grades.contiguous())
    ranked = (below > 0) & (grades < torch.inf)
    terms = cosines.logcumsumexp(0)[(below - 1).clamp(min=0)] - cosines
    # Of no ranked pair the sum is 0: its logarithm is -inf, and its softplus 0.
    return OverBatch(softplus(masked_logsumexp(terms, ranked)).unsqueeze(0), ranked.any().unsqueeze(0).to(terms.dtype))


def one_minus_cosine(first: Tensor, second: Tensor) -> Tensor:
    """Of corresponding rows: half the squared distance of their directions, and 1 where one is zero."""
    if only_plain() or first.numel() == 0:
        return _plain(first, second)
    values: Tensor = _Apart.apply(first, second)  # type: ignore[no-untyped-call]
    return differentiable_again(values, _plain, first, second)


def _plain(first: Tensor, second: Tensor) -> Tensor:
    x, y = directions(first), directions(second)
    # Of a zero row the half square of the other is not 1 yet.
    missing = 1 - 0.5 * ((x.detach() != 0).any(-1).to(x.dtype) + (y.detach() != 0).any(-1).to(x.dtype))
    return 0.5 * (x - y).square().sum(-1) + missing


class _Apart(torch.autograd.Function):
    """The same with its gradient in closed form: (cos x - y) / |a| of the directions, which are formed once."""

    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor) -> Tensor:
        x, length = _direction(first)
        y, other = _direction(second)
        there = 0.5 * (length < torch.inf).to(x.dtype) + 0.5 * (other < torch.inf).to(x.dtype)
        apart: Tensor = 0.5 * torch.linalg.vector_norm(x - y, dim=-1, keepdim=True).square() + (1 - there)
        ctx.save_for_backward(x, y, length, other, apart)
        return apart.squeeze(-1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, y, length, other, apart = ctx.saved_tensors
        cosine, grad = 1 - apart, grad.unsqueeze(-1)
        by_first = (x * cosine).sub_(y).mul_(grad / length) if ctx.needs_input_grad[0] else None
        by_second = (y * cosine).sub_(x).mul_(grad / other) if ctx.needs_input_grad[1] else None
        return by_first, by_second


def _direction(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Rows over their length, and the length, infinite for a zero row, so that a gradient over it is 0."""
    length = torch.linalg.vector_norm(rows, dim=-1, keepdim=True)
    least, most = torch.finfo(rows.dtype).tiny ** 0.4, torch.finfo(rows.dtype).max ** 0.4
    if rows.is_cpu and bool((length > least).all()) and bool((length < most).all()):
        return rows / length, length
    units = directions(rows)
    largest = rows.abs().amax(-1, keepdim=True)
    zero = largest == 0
    length = largest * torch.linalg.vector_norm(rows / torch.where(zero, 1.0, largest), dim=-1, keepdim=True)
    return units, torch.where(zero, torch.inf, length)
