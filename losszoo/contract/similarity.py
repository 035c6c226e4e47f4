"""Similarities between rows, as logits: the closer two rows, the larger the value."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from losszoo.contract.numerics import safe_sqrt

SIMILARITIES = ("euclidean", "squared-euclidean", "cosine", "dot")

# Up to this many multiplications the differences are formed one by one, which is exact; beyond it the matrix
# product |x|^2 + |y|^2 - 2xy pays.
_EXACT_BELOW = 1 << 20
# Rows that stand in float64 at a time.
_BLOCK = 256


def pairwise_logits(rows: Tensor, columns: Tensor, similarity: str = "euclidean", temperature: float = 1.0) -> Tensor:
    r"""Similarity of every row to every column, divided by the temperature.

    ``euclidean`` is the negative distance, ``squared-euclidean`` its negative square, ``cosine`` the dot
    product of unit vectors (a zero row has similarity 0 to everything), ``dot`` the plain product. Gradients
    are zero, never NaN, at distance zero and at zero rows. Distances do not overflow on the way (float32 to
    about 1e30); a square that does is the lowest finite number.

    Args:
        rows: (N, D).
        columns: (M, D).
        similarity: one of "euclidean", "squared-euclidean", "cosine", "dot".
        temperature: > 0.

    Returns:
        (N, M).

    Example:
        >>> pairwise_logits(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]]))
        tensor([[-5.]])
    """
    if similarity == "dot":
        return (rows / temperature) @ columns.T
    if similarity == "cosine":
        return (unit(rows) / temperature) @ unit(columns).T
    squared = similarity == "squared-euclidean"
    rows, columns, scale = _bounded(rows, columns)
    factor = -scale * scale / temperature if squared else -scale / temperature
    if rows.shape[0] * columns.shape[0] * rows.shape[1] > _EXACT_BELOW:
        logits: Tensor = _Product.apply(rows, columns, factor, squared)  # type: ignore[no-untyped-call]
        return logits
    distance = torch.cdist(rows, columns, compute_mode="donot_use_mm_for_euclid_dist")
    if squared:
        return (distance * distance * factor).clamp(min=torch.finfo(distance.dtype).min)
    return distance * factor


def unit(rows: Tensor) -> Tensor:
    """Rows divided by their norm; a zero row stays zero, with a zero gradient.

    Each row is first divided by its largest entry, so that the squares neither overflow nor vanish.
    """
    scale = rows.detach().abs().amax(-1, keepdim=True)
    scaled = rows / torch.where(scale > 0, scale, 1.0)
    norm = safe_sqrt((scaled * scaled).sum(-1, keepdim=True))
    return scaled / torch.where(norm > 0, norm, 1.0)


def _bounded(rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Rows and columns in a range whose squares are representable, and the factor that was taken out of them.

    The factor is a power of two, so no digit is lost, and 1 for ordinary data.
    """
    if rows.numel() == 0 or columns.numel() == 0:
        return rows, columns, rows.new_ones(())
    largest = torch.maximum(rows.detach().abs().amax(), columns.detach().abs().amax())
    root = torch.finfo(rows.dtype).max ** 0.5
    high, low = root * 2.0**-9, root**-0.5
    grown = torch.where(largest > high, largest / high, 1.0)
    shrunk = torch.where(largest < low, torch.where(largest > 0, largest, low) / low, 1.0)
    # It is squared for squared distances.
    scale = torch.exp2(torch.log2(grown * shrunk).round()).clamp(max=root / 16)
    return rows / scale, columns / scale, scale


class _Product(torch.autograd.Function):
    """Logits by one matrix product, formed in float64 and stored in the rows' precision.

    The product |x|^2 + |y|^2 - 2xy cancels: in float32, two rows a thousand times closer to each other than
    to the centre keep no digit of their distance. In float64 they keep all that float32 can hold, for one
    slower product in the forward pass only.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, columns: Tensor, factor: Tensor, squared: bool) -> Tensor:
        wide = torch.float32 if rows.device.type == "mps" else torch.float64
        # The mean is taken off in float64, where that rounds nothing that the rows hold.
        y = columns.to(wide)
        x, y = rows.to(wide) - y.mean(0), y - y.mean(0)
        rows, columns = x.to(rows.dtype), y.to(rows.dtype)
        norms = (x * x).sum(1, keepdim=True)
        # What rounding leaves of two equal rows comes out as 0: their norm is taken a little short.
        short = norms * (1 - 64 * torch.finfo(wide).eps)
        x = torch.cat([-2 * x, short, torch.ones_like(short)], 1)
        y = torch.cat([y, y.new_ones(y.shape[0], 1), (y * y).sum(1, keepdim=True)], 1)
        result = torch.empty(x.shape[0], y.shape[0], dtype=rows.dtype, device=rows.device)
        for part, wanted in zip(torch.split(x, _BLOCK), torch.split(result, _BLOCK), strict=True):
            wanted.copy_(part @ y.T)
        result.clamp_(min=0.0)
        ctx.squared = squared
        if squared:
            result.mul_(factor).clamp_(min=torch.finfo(rows.dtype).min)
            ctx.save_for_backward(rows, columns, factor)
        else:
            result.sqrt_().mul_(factor)
            ctx.save_for_backward(rows, columns, factor, result)
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:
        rows, columns, factor, *logits = ctx.saved_tensors
        slope = -factor * factor if logits else 2 * factor
        by_row, by_column = torch.empty_like(rows), torch.zeros_like(columns)
        column_sums = torch.zeros_like(columns[:, :1])
        for place in range(0, rows.shape[0], _BLOCK):
            block = slice(place, place + _BLOCK)
            ratio = grad[block]
            if logits:
                # Infinity for distance 0, so that the pair's gradient is 0.
                ratio = ratio / F.threshold(-logits[0][block], 0.0, torch.inf)
            # Subnormal numbers make a matrix product ten times slower.
            ratio = F.hardshrink(ratio, torch.finfo(grad.dtype).tiny)
            by_row[block] = rows[block] * ratio.sum(1, keepdim=True) - ratio @ columns
            by_column -= ratio.T @ rows[block]
            column_sums += ratio.sum(0).unsqueeze(1)
        return by_row * slope, (by_column + columns * column_sums) * slope, None, None
