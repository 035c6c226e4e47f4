"""Fenchel-Young losses of sparse probability maps: sparsemax and entmax."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from losszoo_plugins.closed_form import derived_once, only_plain

from .labels import Labels, all_but, read
from .simplex import Sparse, candidates, shares


def sparsemax(logits: Tensor, targets: Tensor) -> Tensor:
    r"""Sparsemax loss.

    .. math:: \ell = \langle p - q, z \rangle + \tfrac12 \|q\|^2 - \tfrac12 \|p\|^2, \quad
        p = \operatorname*{arg\,min}_{p \in \Delta} \|p - z\|^2

    Cross-entropy's relative for sparse predictions: 0, with no gradient, once the target leads by 1.
    The gradient is p - q, of which only what is not 0 is kept. A second derivative is refused.

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
    target leads by :math:`1 / (\alpha - 1)`. The gradient is p - q, of which only what is not 0 is kept. A second
    derivative is refused.

    Args:
        logits: (N, C, ...).
        targets: (N, ...) int64, or (N, C, ...) probabilities q, which get no gradient.
        alpha: sparsity, > 1. Up to 2 solved by Newton's method, beyond by bisection; 1.5 and 2 are fastest.

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
    logits, targets = labels.logits, labels.targets.detach()
    if only_plain():
        return _plain(logits, targets, alpha)
    soft = targets.is_floating_point()
    rows = derived_once(logits.reshape(-1, logits.shape[-1]))
    wanted = targets.reshape(rows.shape) if soft else targets.reshape(-1, 1)
    values: Tensor = _FenchelYoung.apply(rows, wanted, alpha)  # type: ignore[no-untyped-call]
    return values.view(logits.shape[:-1])


class _FenchelYoung(Function):
    """Keeps p where it is not 0, if that is little, and the targets. As p is the maximiser the gradient is p - q."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor, alpha: float) -> Tensor:
        """Logits (N, C); targets (N, 1) int64, or (N, C)."""
        # p - q sums to 0, so the logits may be taken from their largest: large ones do not cancel.
        top = logits.amax(-1, keepdim=True)
        lead, columns = candidates(logits, top, alpha)
        p = shares(lead, alpha)
        ctx.save_for_backward(p, columns, targets)
        ctx.classes = logits.shape[1]
        # A lead of -inf has no share; any finite number in its place gives the product 0.
        gained = (p * lead.clamp(min=-1 / (alpha - 1))).sum(-1) + _entropy(p, alpha)
        if not targets.is_floating_point():
            return (gained - (logits.gather(-1, targets) - top).squeeze(-1)).clamp_(min=0)
        missed = torch.where(targets == 0, 0.0, targets * (logits - top)).sum(-1)
        return (gained - missed - _entropy(targets, alpha)).clamp_(min=0)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        p, columns, targets = ctx.saved_tensors
        outer = grad.unsqueeze(-1)
        if targets.is_floating_point():
            return Sparse(p * outer, columns).added_to(targets * -outer), None, None
        full = p.new_zeros(len(p), ctx.classes).scatter_(-1, targets, -outer)
        return Sparse(p * outer, columns).added_to(full), None, None


def _plain(logits: Tensor, targets: Tensor, alpha: float) -> Tensor:
    """The same in operations on all classes. As p is the maximiser, it may stand still (Danskin)."""
    lead = logits - logits.detach().amax(-1, keepdim=True)
    q = targets if targets.is_floating_point() else (~all_but(targets.unsqueeze(-1), lead.shape[-1])).to(lead.dtype)
    p = shares(lead.detach(), alpha)
    # A class without share is out, whatever its logit, -inf included.
    inner = (p - q) * torch.where(p == q, 0.0, lead)
    values = inner.sum(-1) + _entropy(p, alpha) - _entropy(q, alpha)
    # Rounding leaves a little less than 0 at the minimum; the gradient is not to be clamped with it.
    return values - values.detach().clamp(max=0)


def _entropy(p: Tensor, alpha: float) -> Tensor:
    """Tsallis entropy; through expm1 where 1 - p^(alpha - 1) would cancel, for alpha near 1."""
    less = 1 - p.pow(alpha - 1) if alpha >= 1.5 else -torch.expm1((alpha - 1) * p.log())
    return (p * less).sum(-1) / (alpha * (alpha - 1))
