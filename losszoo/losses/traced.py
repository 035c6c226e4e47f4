"""Whether a program is only followed, so that it cannot look at a number."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd import forward_ad


def traced() -> bool:
    """Whether a compiler or a function transform looks on: no branch can depend on what a tensor holds."""
    return torch.compiler.is_compiling() or transformed()


def transformed() -> bool:
    """Whether a function transform (``torch.func.vmap``, ``grad``, ``jacrev``) looks on: only operations have rules.

    Example:
        >>> transformed(), torch.func.vmap(lambda x: x + transformed())(torch.zeros(1))
        (False, tensor([1.]))
    """
    return torch._C._are_functorch_transforms_active()


def differentiated(x: Tensor) -> bool:
    """Whether a derivative by ``x`` is asked for, backward or forward, at the innermost level."""
    if torch.is_grad_enabled() and x.requires_grad:
        return True
    # Without a level of forward differentiation there is no tangent to unpack.
    forward = not torch.compiler.is_compiling() and forward_ad._current_level >= 0
    return forward and forward_ad.unpack_dual(x).tangent is not None  # type: ignore[no-untyped-call]


def seen_whole(mask: Tensor) -> bool:
    """Whether a mask leaves nothing out, where looking waits for nothing: on the CPU, and not traced."""
    followed = torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()
    return mask.is_cpu and not followed and bool(mask.all())


def batched(grad: Tensor) -> bool:
    """Whether several gradients come to a backward pass at once, as by ``vectorize=True`` or ``is_grads_batched``."""
    return torch._C._functorch.is_batchedtensor(grad) or torch._C._functorch.is_legacy_batchedtensor(grad)
