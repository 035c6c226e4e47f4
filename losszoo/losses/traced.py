"""Whether a program is being traced, so that it cannot read a number; and what a script of it leaves out."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad


def left_out_of_scripts(kind: type[nn.Module]) -> None:
    """Let ``torch.jit.script`` take a model that holds such a module, which itself cannot be scripted and is left out.

    TorchScript would read every property, which may refuse, and compile every module inside.
    """
    properties = [name for name in dir(kind) if isinstance(getattr(kind, name), property)]
    kind.__jit_unused_properties__ = properties  # type: ignore[attr-defined]
    kind.__jit_ignored_attributes__ = [*properties, "function", "losses", "combiner", "loss"]  # type: ignore[attr-defined]


def traced() -> bool:
    """Whether a compiler or a function transform traces: no branch can depend on the values of a tensor."""
    return torch.compiler.is_compiling() or transformed()


def transformed() -> bool:
    """Whether a function transform (``torch.func.vmap``, ``grad``, ``jacrev``) traces: only operations have rules.

    Example:
        >>> transformed(), torch.func.vmap(lambda x: x + transformed())(torch.zeros(1))
        (False, tensor([1.]))
    """
    return torch._C._are_functorch_transforms_active()


def differentiated(x: Tensor) -> bool:
    """Whether a derivative by ``x`` is required, backward or forward, at the innermost level."""
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
