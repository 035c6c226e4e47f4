"""Whether two tensors are the same number, and what is said where they are not."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from losszoo.testing.check import require

# Of float32 sums in another order.
_RTOL, _ATOL = 1e-4, 1e-6


_SHOWN = 4


def in_short(*tensors: Tensor) -> str:
    """Their first numbers, their shapes, and how many numbers are not finite.

    Example:
        >>> in_short(torch.arange(6.0).reshape(2, 3), torch.tensor([1.5, torch.nan]))
        '[0, 1, 2, 3, ...] of shape (2, 3) and [1.5, nan] of shape (2,), 1 not finite'
    """
    texts = []
    for x in tensors:
        numbers = [f"{number:.4g}" for number in x.detach().flatten()[:_SHOWN].tolist()]
        more = ["..."] if x.numel() > _SHOWN else []
        lost = int((~x.isfinite()).sum())
        not_finite = f", {lost} not finite" if lost else ""
        texts.append(f"[{', '.join(numbers + more)}] of shape {tuple(x.shape)}{not_finite}")
    return " and ".join(texts)


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
