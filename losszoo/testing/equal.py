"""Whether two tensors are the same number, and what is said where they are not."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from losszoo.testing.check import require

# Of float32 sums in another order.
_RTOL, _ATOL = 1e-4, 1e-6


def all_equal(one: Any, other: Any) -> bool:
    """Whether two nests hold the same tensors."""
    nests = ([x for x in tree_leaves(nest) if isinstance(x, Tensor)] for nest in (one, other))
    return all(torch.equal(a, b) for a, b in zip(*nests, strict=True))


def agree(
    name: str,
    actual: Tensor,
    other_name: str,
    expected: Tensor,
    advice: str,
    *,
    rtol: float = _RTOL,
    atol: float = _ATOL,
) -> None:
    """Break the rule that ``name`` must be ``other_name``, unless they agree; two NaN do not."""
    if actual.shape != expected.shape:
        came = f"shapes {tuple(actual.shape)} and {tuple(expected.shape)}"
        require(False, f"{name} must be {other_name}", came, advice)
    apart = ~torch.isclose(actual.to(expected.dtype), expected, rtol=rtol, atol=atol)
    if bool(apart.any()):
        came = f"{actual[apart][0].item():.8g} and {expected[apart][0].item():.8g}"
        require(False, f"{name} must be {other_name}", came, advice)
