"""Fenchel-Young losses of sparse probability maps: sparsemax and entmax."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .labels import Labels, read


def sparsemax(logits: Tensor, targets: Tensor) -> Tensor:
    r"""Sparsemax loss.

    .. math:: \ell = \langle p - q, z \rangle + \tfrac12 \|q\|^2 - \tfrac12 \|p\|^2, \quad
        p = \operatorname*{arg\,min}_{p \in \Delta} \|p - z\|^2

    Cross-entropy's relative for sparse predictions: 0, with no gradient, once the target leads by 1.
    The gradient is p - q. Second derivatives are not carried.

    Args:
        logits: (N, C, ...).
        targets: (N, ...) int64, or (N, C, ...) probabilities q, which get no gradient.

    Returns:
        One value per position, (N, ...).

    Example:
        >>> sparsemax(torch.tensor([[0.0, 0.0], [1.0, 0.0]]), torch.tensor([0, 0]))
        tensor([0.2500, 0.0000])

    Reference:
        Martins, Astudillo, "From Softmax to Sparsemax: A Sparse Model of Attention and Multi-Label
        Classification", ICML 2016, arXiv:1602.02068.
    """
    return _fenchel_young(read(logits, targets), 2.0)


def entmax(logits: Tensor, targets: Tensor, *, alpha: float = 1.5) -> Tensor:
    r"""Entmax loss, between cross-entropy (alpha to 1) and sparsemax (alpha = 2), and beyond.

    .. math:: \ell = \langle p - q, z \rangle + H_\alpha(p) - H_\alpha(q), \quad
        p = \operatorname*{arg\,max}_{p \in \Delta} \langle p, z \rangle + H_\alpha(p), \quad
        H_\alpha(p) = \frac{1 - \sum_c p_c^\alpha}{\alpha (\alpha - 1)}

    For sparse predictions with a smoother edge than sparsemax. The loss is 0, with no gradient, once the
    target leads by :math:`1 / (\alpha - 1)`. The gradient is p - q. Second derivatives are not carried.

    Args:
        logits: (N, C, ...).
        targets: (N, ...) int64, or (N, C, ...) probabilities q, which get no gradient.
        alpha: sparsity, > 1. 1.5 and 2 are solved exactly by sorting, others by bisection.

    Returns:
        One value per position, (N, ...).

    Example:
        >>> entmax(torch.tensor([[0.0, 0.0], [2.0, 0.0]]), torch.tensor([0, 0]))
        tensor([0.3905, 0.0000])

    Reference:
        Peters, Niculae, Martins, "Sparse Sequence-to-Sequence Models", ACL 2019, arXiv:1905.05702.
    """
    return _fenchel_young(read(logits, targets), alpha)


def _fenchel_young(labels: Labels, alpha: float) -> Tensor:
    """Value of the loss. As p is the maximiser, it may stand still: the gradient is p - q (Danskin)."""
    # p - q sums to 0, so the logits may be taken from their largest: large ones do not cancel.
    lead = labels.logits - labels.logits.detach().amax(-1, keepdim=True)
    q = labels.targets.detach() if labels.targets.is_floating_point() else (~labels.others).to(lead.dtype)
    with torch.no_grad():
        p = _maximiser(lead, alpha)
        surplus = _entropy(p, alpha) - _entropy(q, alpha)
    # A class without share is out, whatever its logit, -inf included.
    inner = (p - q) * torch.where(p == q, 0.0, lead)
    values = inner.sum(-1) + surplus
    # Rounding leaves a little less than 0 at the minimum; the gradient is not to be clamped with it.
    return values - values.detach().clamp(max=0)


def _entropy(p: Tensor, alpha: float) -> Tensor:
    """Tsallis entropy; through expm1, as 1 - p^(alpha - 1) would cancel for alpha near 1."""
    return (p * -torch.expm1((alpha - 1) * p.log())).sum(-1) / (alpha * (alpha - 1))


def _maximiser(lead: Tensor, alpha: float) -> Tensor:
    """The sparse probabilities of logits whose largest is 0, over the last dimension."""
    if alpha == 2:
        return _by_sorting_linear(lead.clamp(min=-1))
    if alpha == 1.5:
        return _by_sorting_square((lead / 2).clamp(min=-1))
    return _by_bisection(lead, alpha)


def _by_sorting_linear(lead: Tensor) -> Tensor:
    """p = max(0, lead - tau): tau from the largest k that are all above it."""
    ordered = lead.sort(-1, descending=True).values
    k = torch.arange(1, lead.shape[-1] + 1, dtype=lead.dtype, device=lead.device)
    threshold = (ordered.cumsum(-1) - 1) / k
    return (lead - _last_below(threshold, ordered)).clamp(min=0)


def _by_sorting_square(lead: Tensor) -> Tensor:
    """p = max(0, lead - tau)^2: tau solves a quadratic in mean and variance of the largest k."""
    ordered = lead.sort(-1, descending=True).values
    k = torch.arange(1, lead.shape[-1] + 1, dtype=lead.dtype, device=lead.device)
    mean = ordered.cumsum(-1) / k
    variance = (ordered.square().cumsum(-1) / k - mean.square()).clamp(min=0)
    threshold = mean - (1 / k - variance).clamp(min=0).sqrt()
    p = (lead - _last_below(threshold, ordered)).clamp(min=0).square()
    return p / p.sum(-1, keepdim=True)


def _last_below(threshold: Tensor, ordered: Tensor) -> Tensor:
    """The threshold of the largest support whose every member is above it."""
    support = (threshold <= ordered).sum(-1, keepdim=True)
    # At least one, for a NaN to come out as NaN and not as an index error.
    return threshold.gather(-1, support.clamp(min=1) - 1)


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
    """Probabilities of which the largest is given.

    p^(alpha - 1) is linear in the logits. Relative to the largest it is accurate for alpha near 1, where it
    tends to the softmax, and for ties at a large alpha, where the powers themselves are tiny.
    """
    scale = (alpha - 1) * torch.exp(-(alpha - 1) * log_largest)
    # The scale may overflow: a lead of 0 is a tie all the same, and any other is then without share.
    relative = torch.where(lead == 0, 0.0, lead * scale).clamp(min=-1)
    return torch.exp(log_largest + torch.log1p(relative) / (alpha - 1))
