"""Sparse probabilities, alpha-entmax of logits, by Newton's method on the candidates for a share: nothing is sorted."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from losszoo_plugins.closed_form import only_plain, transformed

# Picking an entry out costs as much as this many entries in all steps together.
_FEW = 16


class Sparse(NamedTuple):
    """Rows of few numbers.

    Args:
        values: (N, K).
        columns: (N, K), where they stand, with zeros at column 0 to fill up; None: they are all columns.
    """

    values: Tensor
    columns: Tensor | None


def candidates(logits: Tensor, top: Tensor, alpha: float) -> Sparse:
    """Leads, logits relative to the largest, of all that may have a share: those of at least -1 / (alpha - 1).

    Args:
        logits: (N, C).
        top: (N, 1), the largest of each row.
        alpha: > 1.

    Returns:
        All columns, unless the candidates are few; -inf fills up the rows.
    """
    if only_plain() or logits.is_meta:
        return Sparse(logits - top, None)
    near = logits >= top - 1 / (alpha - 1)
    if not 0 < _FEW * int(near.count_nonzero()) < near.numel():
        return Sparse(logits - top, None)
    rows, columns = near.nonzero(as_tuple=True)
    counts = rows.bincount(minlength=len(logits))
    most = int(counts.max())
    if 4 * most > logits.shape[1]:
        return Sparse(logits - top, None)
    place = torch.arange(len(rows), device=rows.device) - (counts.cumsum(0) - counts)[rows]
    leads, where = logits.new_full((len(logits), most), -torch.inf), rows.new_zeros(len(logits), most)
    # The first one is the number 0, or NaN in a row without candidates: it holds NaN.
    leads[:, :1] = top - top
    leads[rows, place], where[rows, place] = logits[rows, columns] - top[rows, 0], columns
    return Sparse(leads, where)


def shares(lead: Tensor, alpha: float) -> Tensor:
    r"""The sparse probabilities p over the last dimension, of logits whose largest is 0.

    .. math:: p^{\alpha - 1} = \max(0, x + (\alpha - 1)\,\text{lead}), \quad \sum p = 1

    Example:
        >>> shares(torch.tensor([0.0, -0.5, -2.0]), 2.0)
        tensor([0.7500, 0.2500, 0.0000])
    """
    if alpha > 2:
        return _by_bisection(lead, alpha)
    solve = {2.0: _linear, 1.5: _square}.get(alpha, _power)
    p = solve(lead, alpha)
    return p / p.sum(-1, keepdim=True)


def _linear(lead: Tensor, alpha: float) -> Tensor:
    def lower(x: Tensor) -> Tensor:
        p = at_least(lead + x, 0)
        excess = p.sum(-1, keepdim=True) - 1
        return x - excess / p.sign_().sum(-1, keepdim=True)

    return at_least(lead + _descend(torch.ones_like(lead[..., :1]), lower), 0)


def _square(lead: Tensor, alpha: float) -> Tensor:
    half = lead / 2

    def lower(x: Tensor) -> Tensor:
        root = at_least(half + x, 0)
        total = root.sum(-1, keepdim=True)
        norm = root.mul_(root).sum(-1, keepdim=True).sqrt()
        return x - (norm - 1) * norm / total

    root = at_least(half + _descend(torch.ones_like(lead[..., :1]), lower), 0)
    return root.mul_(root)


def _power(lead: Tensor, alpha: float) -> Tensor:
    """In the logarithm m of the largest p, as x tends to 1 whatever p is for alpha near 1."""

    def lower(m: Tensor) -> Tensor:
        relative = at_least(lead * _scale(m, alpha), -1)
        p = torch.log1p(relative).div_(alpha - 1).add_(m).exp_()
        total = p.sum(-1, keepdim=True)
        # p falls to 0 faster than 1 + relative.
        slope = p.div_(at_least(relative.add_(1), torch.finfo(p.dtype).tiny)).sum(-1, keepdim=True)
        step = torch.expm1((1 - alpha) * total.log()) * total / slope
        return m + torch.log1p(step) / (alpha - 1)

    # A logarithm is exact to the rounding of 1.
    return _given_largest(_descend(torch.zeros_like(lead[..., :1]), lower, size=1.0), lead, alpha)


def _descend(start: Tensor, lower: Callable[[Tensor], Tensor], size: float = 0.0) -> Tensor:
    r"""Newton's method on the norm :math:`(\sum p)^{\alpha - 1} = 1`, from a largest p of 1.

    For alpha <= 2 the norm is convex and grows with the largest p, so that each step stays above the solution; and
    each divides the product of excess and slope by four, which bounds their number. Few are needed.

    Args:
        start: (..., 1).
        lower: one step.
        size: the solution is rounded like a number of at least this size.
    """
    limits = torch.finfo(start.dtype)
    for _ in range(limits.bits):
        following = lower(start)
        moved = start - following > 4 * limits.eps * start.abs().clamp(min=size)
        start = following
        if not (only_plain() or moved.is_meta or bool(moved.any())):
            break
    return start


def _by_bisection(lead: Tensor, alpha: float) -> Tensor:
    """p by halving the interval of the largest log-probability, one halving for each bit of the number."""
    low = torch.full_like(lead[..., :1], -math.log(lead.shape[-1]))
    high = torch.zeros_like(low)
    for _ in range(torch.finfo(lead.dtype).bits):
        middle = (low + high) / 2
        short = _given_largest(middle, lead, alpha).sum(-1, keepdim=True) < 1
        low, high = torch.where(short, middle, low), torch.where(short, high, middle)
    below, above = _given_largest(low, lead, alpha), _given_largest(high, lead, alpha)
    # What is missing to 1 goes where p still moves between the ends. For large alpha that is the edge of the
    # support, where p jumps between neighbouring numbers and no bisection can settle it.
    gap = (above - below).sum(-1, keepdim=True)
    missing = 1 - below.sum(-1, keepdim=True)
    share = (missing / torch.where(gap > 0, gap, 1.0)).clamp(0, 1)
    return below + torch.where(gap > 0, share, 0.0) * (above - below)


def _given_largest(log_largest: Tensor, lead: Tensor, alpha: float) -> Tensor:
    """Probabilities of which the largest is given."""
    return torch.exp(log_largest + torch.log1p(_relative(lead, log_largest, alpha)) / (alpha - 1))


def _relative(lead: Tensor, log_largest: Tensor, alpha: float) -> Tensor:
    """p^(alpha - 1), which is linear in the logits, over that of the largest, less 1.

    It is accurate for alpha near 1, where p tends to the softmax, and for ties at a large alpha, where the powers
    themselves are tiny.
    """
    # The scale may overflow: a lead of 0 is a tie all the same, and any other is then without share.
    return torch.where(lead == 0, 0.0, lead * _scale(log_largest, alpha)).clamp(min=-1)


def _scale(log_largest: Tensor, alpha: float) -> Tensor:
    return (alpha - 1) * torch.exp(-(alpha - 1) * log_largest)


def at_least(x: Tensor, least: float) -> Tensor:
    """``x`` with no number below that, in its place; ``vmap`` has a rule for a new one only."""
    return x.clamp(min=least) if transformed() else x.clamp_(min=least)
