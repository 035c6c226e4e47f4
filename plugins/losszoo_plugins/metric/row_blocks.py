"""Losses that look at their rows twice: some rows at a time, computed once more for their gradient."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from losszoo_plugins.closed_form import only_plain

# Numbers of one matrix that stand in memory at a time: 64 MB in float32.
_MOST = 2**24


def in_blocks(function: Callable[[slice], Tensor], rows: int, numbers: int) -> Tensor:
    """What a function gives for each row, called with some of the rows at a time.

    Where the rows fit in memory at once, one call. Else nothing of a block is kept but its values, and it is computed
    again for the gradient, so memory does not grow with the square of the rows.

    Args:
        function: gives (n, ...) for a slice of n rows; it must not mix them.
        rows: how many there are.
        numbers: how many a row needs while it is worked on.
    """
    size = max(1, _MOST // max(numbers, 1))
    if rows <= size or only_plain():
        return function(slice(0, rows))
    parts = [slice(start, min(start + size, rows)) for start in range(0, rows, size)]
    if not torch.is_grad_enabled():
        return torch.cat([function(part) for part in parts])
    return torch.cat([checkpoint(function, part, use_reentrant=False) for part in parts])


def relations(labels: Tensor, block: slice, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """(n, N) boolean each: who is positive and who negative to the rows of a block; never the row itself.

    Labels are (N,), or (N, K) multi-hot, where who shares one is positive. What is masked is in neither.
    """
    rows = labels[block]
    same = rows.unsqueeze(1) == labels if labels.ndim == 1 else rows.float() @ labels.float().T > 0
    places = torch.arange(len(labels), device=labels.device)
    allowed = places[block].unsqueeze(1) != places
    if mask is not None:
        allowed = allowed & mask & mask[block].unsqueeze(1)
    return same & allowed, ~same & allowed
