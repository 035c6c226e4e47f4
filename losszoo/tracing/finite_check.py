"""How large the numbers in many tensors are, in one pass: NaN or infinity where there is one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

# Of those whose largest entry torch can tell.
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128)


def measurable(value: Any) -> bool:
    """Whether it is a dense tensor with entries that can be NaN or infinite."""
    return (
        isinstance(value, Tensor)
        and value.dtype in DTYPES
        and value.layout is torch.strided
        and value.device.type != "meta"
        and not is_lazy(value)
        and value.numel() > 0
    )


@torch.no_grad()
def largest_of_each(tensors: Sequence[Tensor]) -> list[float]:
    """The largest absolute value in each tensor.

    Args:
        tensors: all of them :func:`measurable`.

    Example:
        >>> largest_of_each([torch.tensor([1.0, -3.0]), torch.tensor(float("nan"))])
        [3.0, nan]
    """
    if not tensors:
        return []
    norms = _beside(torch._foreach_norm([tensor.detach() for tensor in tensors], math.inf))
    return torch.stack(norms).tolist()


def largest(tensors: Sequence[Tensor]) -> float:
    """The largest absolute value of an entry; NaN or infinity where there is one."""
    filled = [tensor for tensor in tensors if tensor.numel()]
    return together(torch._foreach_norm(filled, math.inf), math.inf) if filled else 0.0


def together(norms: Sequence[Tensor], order: float = 2.0) -> float:
    """The norm of norms, which may lie on several devices."""
    return float(torch.linalg.vector_norm(torch.stack(_beside(norms)), order))


def _beside(norms: Sequence[Tensor]) -> list[Tensor]:
    device = norms[0].device
    return [norm if norm.device == device else norm.to(device) for norm in norms]
