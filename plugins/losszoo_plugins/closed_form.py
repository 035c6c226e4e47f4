"""Shared by losses with a hand-written gradient: when the plain formula is used, and its derivative."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def transformed() -> bool:
    """Whether a function transform (``vmap``, ``grad``, ``jacfwd``) traces: numbers cannot be read then."""
    return torch._C._are_functorch_transforms_active()


def only_plain(*constants: Tensor) -> bool:
    """Whether a loss is to be computed by its plain formula, operation by operation.

    So it is where a compiler or a function transform looks on, which has rules for operations alone; and where
    something that the closed form takes for constant asks for a gradient.
    """
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return True
    if torch.is_grad_enabled():
        for x in constants:
            if x.requires_grad:
                return True
    return False


def batched(grad: Tensor) -> bool:
    """Whether several gradients come at once (``vectorize=True``): then no buffer can be multiplied in place."""
    return torch._C._functorch.is_batchedtensor(grad) or torch._C._functorch.is_legacy_batchedtensor(grad)


def gradient(formula: Callable[[Tensor], Tensor], x: Tensor, outer: Tensor) -> Tensor:
    """The gradient of a plain formula, itself with a graph: for a closed form that is derived a second time.

    Args:
        formula: unreduced values of ``x``.
        x: as it was given.
        outer: gradient of what came after, shape of the values.
    """
    return torch.autograd.grad(formula(x), x, outer, create_graph=True)[0]


def expm1(y: Tensor) -> Tensor:
    """exp(y) - 1. torch's derivative of its own is the value plus 1, which cancels where exp(y) is small."""
    small = y < -0.5
    return torch.where(small, torch.exp(y) - 1, torch.expm1(torch.where(small, 0.0, y)))
