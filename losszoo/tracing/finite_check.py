"""How large the numbers in many tensors are, in one pass: NaN or infinity where there is one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy
from torch.utils._pytree import tree_leaves

# Of those whose largest entry torch can tell.
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128)


def entries(value: Any) -> Tensor | None:
    """The numbers of a tensor that can be NaN or infinite, of a sparse one those that it holds; None: it has none."""
    if not isinstance(value, Tensor) or value.dtype not in DTYPES or value.device.type == "meta" or is_lazy(value):
        return None
    if value.layout is torch.strided:
        return value.detach()
    return (value._values() if value.is_sparse else value.values()).detach()


class Spoilt(NamedTuple):
    """Whether some tensors hold NaN, and whether they hold infinity."""

    nan: bool
    infinite: bool

    def breaks(self, after: Spoilt) -> bool:
        """Whether an operation made of these what was not there: NaN, or infinity where everything was finite."""
        return not self.nan and (after.nan or (after.infinite and not self.infinite))


def spoilt(values: Any) -> Spoilt:
    """What is not finite in any nest of tensors.

    Example:
        >>> spoilt([torch.tensor([1.0, float("inf")]), 3])
        Spoilt(nan=False, infinite=True)
    """
    numbers = [x for x in map(entries, tree_leaves(values)) if x is not None]
    return Spoilt(any(bool(x.isnan().any()) for x in numbers), any(bool(x.isinf().any()) for x in numbers))


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
