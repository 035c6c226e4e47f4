"""Numerical building blocks whose value and gradient stay finite where the plain form does not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from losszoo.losses.traced import batched, traced


def in_float64(x: Any) -> Any:
    """A floating tensor in float64; anything else as it is."""
    return x.double() if isinstance(x, Tensor) and x.is_floating_point() else x


def full_precision(inputs: Iterable[Any]) -> AbstractContextManager[Any]:
    """Autocast off: it would run the products of a loss in half precision again."""
    device = next((x.device.type for x in inputs if isinstance(x, Tensor)), "cpu")
    on = torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
    return torch.autocast(device, enabled=False) if on else nullcontext()


def masked_logsumexp(logits: Tensor, mask: Tensor, dim: int = -1) -> Tensor:
    r"""Logarithm of the sum of exponentials over the entries where ``mask`` is True.

    .. math:: \log \sum_{j \in \text{mask}} e^{x_j}

    Where the mask leaves nothing, or only ``-inf``, the value is ``-inf``, as the sum is 0, and the gradient is zero,
    not NaN.

    Args:
        logits: any shape; what stands under a False mask is never looked at, NaN included.
        mask: boolean, broadcastable to ``logits``.
        dim: dimension that is summed over.

    Returns:
        Shape of ``logits`` without ``dim``.

    Example:
        >>> masked_logsumexp(torch.tensor([0.0, 0.0, float("nan")]), torch.tensor([True, True, False]))
        tensor(0.6931)
    """
    some = (mask & (logits != -torch.inf)).any(dim)
    # A row with nothing left is computed as if all of it were there (0 instead of its logits, so that it is finite),
    # then replaced: logsumexp over only -inf has a NaN gradient, which no later `where` could remove.
    filled = torch.where(mask, logits, -torch.inf)
    filled = torch.where(some.unsqueeze(dim), filled, 0.0)
    return torch.where(some, torch.logsumexp(filled, dim), -torch.inf)


def safe_sqrt(x: Tensor) -> Tensor:
    r"""Square root of x >= 0 whose gradient at 0 is 0 instead of infinite.

    Example:
        >>> x = torch.zeros(1, requires_grad=True)
        >>> safe_sqrt(x).backward()
        >>> x.grad
        tensor([0.])
    """
    zero = x == 0
    return torch.where(zero, 0.0, torch.where(zero, 1.0, x).sqrt())


def differentiable_again(values: Tensor, formula: Callable[..., Tensor], *inputs: Tensor | None) -> Tensor:
    r"""Values of a closed form whose gradient cannot be differentiated, with the gradient of a plain formula instead.

    The first derivative is that of the closed form, and costs nothing more. Where it is asked for with
    ``create_graph=True``, the formula is computed, and differentiated in place of it: a second derivative is right, and
    not 0 because nobody had one. A compiler or a transform of ``torch.func`` is to be given the formula itself.

    Args:
        values: what the closed form makes of the inputs, by a ``torch.autograd.Function``.
        formula: the same values of the same inputs, in operations of torch.
        inputs: all that may require a gradient; None where there is none.

    Returns:
        The values.

    Example:
        >>> x = torch.tensor([0.5], requires_grad=True)
        >>> closed = x.square() - x.detach().square() + x.detach().exp()  # any gradient; the formula is exp
        >>> (gradient,) = torch.autograd.grad(differentiable_again(closed, torch.exp, x), x, create_graph=True)
        >>> torch.autograd.grad(gradient, x)
        (tensor([1.6487]),)
    """
    if traced() or not values.requires_grad:
        return values
    again: Tensor = _Again.apply(values, formula, *inputs)  # type: ignore[no-untyped-call]
    return again


class _Again(torch.autograd.Function):
    """The first derivative goes by the values, every further one by the inputs."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, formula: Callable[..., Tensor], *inputs: Tensor | None) -> Tensor:
        ctx.save_for_backward(*inputs)
        ctx.formula = formula
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        needed = ctx.needs_input_grad[2:]
        twice, saved = torch.is_grad_enabled(), ctx.saved_tensors
        # Several gradients at once (``vectorize=True``) are no business of a closed form either.
        if not twice and not batched(grad):
            return grad, None, *(None for _ in needed)
        with torch.enable_grad():
            # Each by itself, as one tensor may be given twice.
            inputs = [None if x is None else x.view_as(x) for x in saved]
            wanted = [x for x, need in zip(inputs, needed, strict=True) if need and x is not None]
            found = iter(torch.autograd.grad(ctx.formula(*inputs), wanted, grad, create_graph=twice))
        return None, None, *(next(found) if need else None for need in needed)
