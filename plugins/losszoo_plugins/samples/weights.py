"""What losses of two samples share: how much each row weighs, and values that are one of all of them."""

from __future__ import annotations

from torch import Tensor

from losszoo import OverBatch


def weights_of(rows: Tensor, mask: Tensor | None) -> Tensor:
    """Equal weights that sum to 1 over the rows that take part, (N,); of none, 0."""
    if mask is None:
        return rows.new_full((len(rows),), 1 / max(1, len(rows)))
    return mask.to(rows.dtype) / mask.sum().clamp(min=1)


def one_value(value: Tensor, counted: Tensor, dtype: Tensor) -> OverBatch:
    """The value of both samples, (1,); 0 and no count where there are too few rows."""
    kept = value.where(counted, 0.0).to(dtype.dtype)
    return OverBatch(kept.unsqueeze(0), counted.to(dtype.dtype).unsqueeze(0))
