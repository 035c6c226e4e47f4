"""Whether two tensors are the same number, and what is said where they are not."""

from __future__ import annotations

import torch
from torch import Tensor

from losszoo.testing.check import require

# Of float32 sums in another order.
_RTOL, _ATOL = 1e-4, 1e-6


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
