"""Fenchel-Young losses of sparse probability maps: sparsemax and entmax."""

from __future__ import annotations

from typing import Annotated, Any, cast

import torch
from torch import Tensor
from torch.autograd import Function

from losszoo import Range, loss
from losszoo_plugins.closed_form import transformed

from .labels import Labels, all_but, read
from .simplex import at_least, candidates, shares


@loss(signature="multiclass", tags=("sparse", "margin", "fenchel-young"), aliases=("sparsemax-loss",))
def sparsemax(logits: Tensor, targets: Tensor) -> Tensor:
    r"""Fenchel-Young loss of sparsemax, the projection onto the simplex: sparse probabilities.

    .. math:: \ell = \langle p - q, z \rangle + \tfrac12 \|q\|^2 - \tfrac12 \|p\|^2, \quad
        p = \operatorname*{argmin}_{p \in \Delta} \|p - z\|^2

    Cross-entropy's relative for sparse predictions: 0, with no gradient, once the target leads by 1.
    The gradient is p - q.

    Args:
        logits: (N, C, ...).
        targets: (N, ...) int64, or (N, C, ...) probabilities q.

    Returns:
        One value per position, (N, ...).

    Example:
        >>> sparsemax(torch.tensor([[0.0, 0.0], [1.0, 0.0]]), torch.tensor([0, 0]))
        tensor([0.2500, 0.0000])

    Reference:
        Martins, Astudillo, "From Softmax to Sparsemax: A Sparse Model of Attention and Multi-Label
        Classification", ICML 2016, https://arxiv.org/abs/1602.02068.
    """
    return _fenchel_young(read(logits, targets), 2.0)


@loss(
    signature="multiclass",
    tags=("sparse", "margin", "fenchel-young"),
    aliases=("alpha-entmax", "entmax-loss"),
)
def entmax(
    logits: Tensor, targets: Tensor, *, alpha: Annotated[float, Range(1, None, bounds="()", search=(1.05, 3))] = 1.5
) -> Tensor:
    r"""Fenchel-Young loss between cross-entropy and sparsemax.

    .. math:: \ell = \langle p - q, z \rangle + H_\alpha(p) - H_\alpha(q), \quad
        p = \operatorname*{argmax}_{p \in \Delta} \langle p, z \rangle + H_\alpha(p), \quad
        H_\alpha(p) = \frac{1 - \sum_c p_c^\alpha}{\alpha (\alpha - 1)}

    For sparse predictions with a smoother edge than sparsemax. The loss is 0, with no gradient, once the
    target leads by :math:`1 / (\alpha - 1)`. The gradient is p - q.

    Args:
        logits: (N, C, ...).
        targets: (N, ...) int64, or (N, C, ...) probabilities q.
        alpha: sparsity: towards 1 cross-entropy, 2 is sparsemax. Up to 2 solved by Newton's method, beyond by
            bisection; 1.5 and 2 are fastest.

    Returns:
        One value per position, (N, ...).

    Example:
        >>> entmax(torch.tensor([[0.0, 0.0], [2.0, 0.0]]), torch.tensor([0, 0]))
        tensor([0.3905, 0.0000])

    Reference:
        Peters, Niculae, Martins, "Sparse Sequence-to-Sequence Models", ACL 2019, https://arxiv.org/abs/1905.05702.
    """
    # As a float: torch takes no whole number of more than 64 bits, which alpha (alpha - 1) may be.
    return _fenchel_young(read(logits, targets), float(alpha))


def _fenchel_young(labels: Labels, alpha: float) -> Tensor:
    logits, targets = labels.logits, labels.targets
    soft = targets.is_floating_point()
    # A transform does not always show what it differentiates.
    if soft and (transformed() or (torch.is_grad_enabled() and targets.requires_grad)):
        return _of_learned(logits, targets, alpha)
    if torch.compiler.is_compiling():
        return _plain(logits, targets, alpha)
    return _values(logits, targets if soft else targets.unsqueeze(-1), alpha)


def _values(logits: Tensor, wanted: Tensor, alpha: float) -> Tensor:
    rows = logits.reshape(-1, logits.shape[-1])
    values, _, _ = _FenchelYoung.apply(rows, wanted.reshape(-1, wanted.shape[-1]), alpha)  # type: ignore[no-untyped-call]
    return cast(Tensor, values).view(logits.shape[:-1])


def _of_learned(logits: Tensor, q: Tensor, alpha: float) -> Tensor:
    """Where q asks for a gradient, its terms are plain: only the conjugate of the entropy has the logits alone."""
    lead = logits - logits.detach().amax(-1, keepdim=True)
    nothing = torch.zeros_like(q)
    conjugate = (_plain if torch.compiler.is_compiling() else _values)(logits, nothing, alpha)
    # p^(alpha - 1) has an infinite slope at 0; p times it has none.
    less = torch.where(q > 0, -torch.expm1((alpha - 1) * torch.where(q > 0, q, 1.0).log()), 1.0)
    entropy = (q * less).sum(-1) / (alpha * (alpha - 1))
    values = conjugate - (q * torch.where((q == 0) & lead.isinf(), 0.0, lead)).sum(-1) - entropy
    return values - values.detach().clamp(max=0)


class _FenchelYoung(Function):
    """Values, and p where it is not 0, if that is little, with its columns.

    As p is the maximiser the gradient is p - q. That of p is again made of p, so nothing else is kept for any
    order of derivative.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(logits: Tensor, targets: Tensor, alpha: float) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (N, C); targets (N, 1) int64, or (N, C)."""
        # p - q sums to 0, so the logits may be taken from their largest: large ones do not cancel.
        top = logits.amax(-1, keepdim=True)
        lead, columns = candidates(logits, top, alpha)
        p = shares(lead, alpha)
        columns = targets.new_empty(0, dtype=torch.long) if columns is None else columns
        # A lead of -inf has no share; any finite number in its place gives the product 0.
        gained = (p * lead.clamp(min=-1 / (alpha - 1))).sum(-1) + _entropy(p, alpha)
        if not targets.is_floating_point():
            return at_least(gained - (logits.gather(-1, targets) - top).squeeze(-1), 0), p, columns
        missed = torch.where(targets == 0, 0.0, targets * (logits - top)).sum(-1)
        return at_least(gained - missed - _entropy(targets, alpha), 0), p, columns

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, float], output: tuple[Tensor, Tensor, Tensor]) -> None:
        logits, targets, ctx.alpha = inputs
        _, p, columns = output
        ctx.classes = logits.shape[1]
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(columns)
        ctx.save_for_backward(p, columns, targets)
        ctx.save_for_forward(p, columns, targets)

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, grad_p: Tensor | None, _: None) -> tuple[Tensor | None, ...]:
        p, columns, targets = ctx.saved_tensors
        # Nothing is written in place where that is derived again, or batched.
        fresh = grad_p is not None or torch.is_grad_enabled() or transformed()
        if grad is None:
            if grad_p is None:
                return None, None, None
            return _placed(_moved(p, grad_p, ctx.alpha), columns, p.new_zeros(len(p), ctx.classes), fresh), None, None
        outer = grad.unsqueeze(-1)
        if targets.is_floating_point():
            full = targets * -outer
        else:
            zeros = outer.new_zeros(len(p), ctx.classes)
            full = zeros.scatter(-1, targets, -outer) if fresh else zeros.scatter_(-1, targets, -outer)
        slope = p * outer if grad_p is None else p * outer + _moved(p, grad_p, ctx.alpha)
        return _placed(slope, columns, full, fresh), None, None

    @staticmethod
    def jvp(ctx: Any, logits: Tensor, *_: None) -> tuple[Tensor, Tensor, None]:
        p, columns, targets = ctx.saved_tensors
        there = logits.gather(-1, columns) if columns.numel() else logits
        q = targets * logits if targets.is_floating_point() else logits.gather(-1, targets)
        return (p * there).sum(-1) - q.sum(-1), _moved(p, there, ctx.alpha), None


def _placed(slope: Tensor, columns: Tensor, full: Tensor, fresh: bool) -> Tensor:
    """``full``, (N, C), with the slope added where it belongs."""
    if fresh:
        return full.scatter_add(-1, columns, slope) if columns.numel() else full + slope
    return full.scatter_add_(-1, columns, slope) if columns.numel() else full.add_(slope)


def _moved(p: Tensor, x: Tensor, alpha: float) -> Tensor:
    r"""The derivative of p along logits, which is symmetric.

    .. math:: s \odot \left(x - \frac{\langle s, x \rangle}{\sum s}\right), \quad
        s = p^{2 - \alpha} \text{ where } p > 0
    """
    share = torch.where(p > 0, torch.where(p > 0, p, 1.0).pow(2 - alpha), 0.0)
    return share * (x - (share * x).sum(-1, keepdim=True) / share.sum(-1, keepdim=True))


def _plain(logits: Tensor, targets: Tensor, alpha: float) -> Tensor:
    """The same in operations on all classes, for a compiler. As p is the maximiser, it may stand still (Danskin)."""
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
