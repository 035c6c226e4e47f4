"""What losses with a gradient of their own share: when the plain formula stands in, and who is derived only once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from losszoo import UsageError


def only_plain(*constants: Tensor) -> bool:
    """Whether a loss is to be computed by its plain formula, operation by operation.

    So it is where a compiler or a function transform (``vmap``, ``jacfwd``) looks on, which has rules for operations
    alone; and where something that the closed form takes for constant asks for a gradient.
    """
    seen = torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()
    return seen or (torch.is_grad_enabled() and any(x.requires_grad for x in constants))


def gradient(formula: Callable[[Tensor], Tensor], x: Tensor, outer: Tensor) -> Tensor:
    """The gradient of a plain formula, itself with a graph: for a closed form that is derived a second time.

    Args:
        formula: unreduced values of ``x``.
        x: as it was given.
        outer: gradient of what came after, shape of the values.
    """
    return torch.autograd.grad(formula(x), x, outer, create_graph=True)[0]


def derived_once(x: Tensor) -> Tensor:
    """``x`` for a closed form whose gradient has no graph: a second derivative is refused, not taken for 0."""
    once: Tensor = x if only_plain() or not x.requires_grad else _Once.apply(x)  # type: ignore[no-untyped-call]
    return once


class _Once(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return grad
        refused: Tensor = _Refusal.apply(grad, torch.zeros((), requires_grad=True))  # type: ignore[no-untyped-call]
        return refused


class _Refusal(Function):
    """A gradient that can be looked at, and not derived."""

    @staticmethod
    def forward(ctx: Any, grad: Tensor, asking: Tensor) -> Tensor:
        return grad.view_as(grad)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> None:
        raise UsageError(
            "the gradient of this loss must not be derived again, however: it is; its closed form has none"
        )
