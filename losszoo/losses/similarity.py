"""Similarities between rows, as logits: the closer two rows, the larger the value."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from losszoo.common.text import shown
from losszoo.errors import UsageError
from losszoo.losses.numerics import differentiable_again, safe_sqrt
from losszoo.losses.sums.words import SIMILARITIES
from losszoo.losses.traced import traced, transformed

# Up to this many multiplications the differences are formed one by one, which is exact; beyond it the matrix
# product |x|^2 + |y|^2 - 2xy pays.
EXACT_BELOW = 1 << 20
# Rows that stand in float64 at a time.
_BLOCK = 256


def pairwise_logits(rows: Tensor, columns: Tensor, similarity: str = "euclidean", temperature: float = 1.0) -> Tensor:
    r"""Similarity of every row to every column, divided by the temperature.

    ``euclidean`` is the negative distance, ``squared-euclidean`` its negative square, ``cosine`` the dot
    product of unit vectors (a zero row has similarity 0 to everything), ``dot`` the plain product. Gradients
    are zero, never NaN, at distance zero and at zero rows. Distances do not overflow on the way (float32 to
    about 1e30). A square or a product beyond 1/256 of the largest number continues as its logarithm, with the same
    gradient there: finite, in the right order, and with a gradient, which can be differentiated again.

    Args:
        rows: (N, D).
        columns: (M, D).
        similarity: one of "euclidean", "squared-euclidean", "cosine", "dot".
        temperature: a finite number > 0.

    Returns:
        (N, M).

    Raises:
        UsageError: another similarity or temperature.

    Example:
        >>> pairwise_logits(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]]))
        tensor([[-5.]])
    """
    if transformed():
        return plain_logits(rows, columns, similarity, temperature)
    check_similarity(similarity, temperature)
    logits = _logits(rows, columns, similarity, temperature)
    formula = partial(plain_logits, similarity=similarity, temperature=temperature)
    return logits if similarity == "cosine" else differentiable_again(logits, formula, rows, columns)


def _logits(rows: Tensor, columns: Tensor, similarity: str, temperature: float) -> Tensor:
    """The same, to be differentiated once where it is no cosine."""
    if similarity == "dot":
        if _surely_small(rows, columns, temperature):
            return (rows / temperature) @ columns.T
        products: Tensor = _Dot.apply(rows, columns, temperature)  # type: ignore[no-untyped-call]
        return products
    if similarity == "cosine":
        return (unit(rows) / temperature) @ unit(columns).T
    squared = similarity == "squared-euclidean"
    x, y, scale = _bounded(rows, columns)
    factor, share = _factors(scale, scale, temperature) if squared else (scale / temperature, scale)
    # Gradients are by the rows as they were given: by those in bounds they could overflow on their way.
    back = factor / scale if not squared else scale / temperature
    if x is not rows:
        x = _Bounded.apply(rows, x)  # type: ignore[no-untyped-call]
        y = x if columns is rows else _Bounded.apply(columns, y)  # type: ignore[no-untyped-call]
    if rows.shape[0] * columns.shape[0] * rows.shape[1] > EXACT_BELOW:
        logits: Tensor = _Product.apply(x, y, -factor, -share, -back, squared)  # type: ignore[no-untyped-call]
        return logits
    distance = torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")
    if squared:
        squares: Tensor = _Saturate.apply(distance * distance, -factor, -share, -back)  # type: ignore[no-untyped-call]
        return squares
    scaled: Tensor = _Scale.apply(distance, -factor, -back)  # type: ignore[no-untyped-call]
    return scaled


def plain_logits(rows: Tensor, columns: Tensor, similarity: str = "euclidean", temperature: float = 1.0) -> Tensor:
    """As :func:`pairwise_logits`, by operations that a transform can follow and that can be differentiated twice.

    Example:
        >>> plain_logits(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]]))
        tensor([[-5.]])
    """
    check_similarity(similarity, temperature)
    if similarity == "cosine":
        return (unit(rows) / temperature) @ unit(columns).T
    if similarity == "dot":
        x, _, grown = _bounded(rows, rows)
        y, _, scale = _bounded(columns, columns)
        return _plainly_saturated(x @ y.T, *_factors(grown, scale, temperature))
    x, y, scale = _bounded(rows, columns)
    if rows.shape[0] * columns.shape[0] * rows.shape[1] <= EXACT_BELOW:
        squares = (x.unsqueeze(1) - y).square().sum(2)
    else:
        wide = y.double()
        centre = wide.detach().mean(0)
        x, y = x.double() - centre, wide - centre
        products = (x * x).sum(1, keepdim=True) + (y * y).sum(1) - 2 * x @ y.T
        squares = products.clamp(min=0.0).to(rows.dtype)
    if similarity == "squared-euclidean":
        factor, share = _factors(scale, scale, temperature)
        return _plainly_saturated(squares, -factor, -share)
    return safe_sqrt(squares) * -(scale / temperature)


def check_similarity(similarity: str, temperature: float = 1.0) -> None:
    """The similarity is known, and the temperature a finite number > 0.

    Raises:
        UsageError: otherwise.
    """
    if similarity not in SIMILARITIES:
        raise UsageError(f"similarity must be one of {', '.join(SIMILARITIES)}, got {similarity!r}")
    number = isinstance(temperature, int | float) and not isinstance(temperature, bool)
    if not number or not 0 < temperature < float("inf"):
        raise UsageError(f"temperature must be a finite number > 0, got {temperature!r}")
    limits = torch.finfo(torch.float32)
    if not limits.tiny <= temperature <= limits.max:
        raise UsageError(
            f"temperature must be a number from {limits.tiny:.2g} to {limits.max:.2g}, as float32 holds, got "
            f"{shown(temperature)}"
        )


def unit(rows: Tensor) -> Tensor:
    """Rows divided by their norm; a zero row stays zero, with a zero gradient.

    Each row is first divided by its largest entry, so that the squares neither overflow nor vanish.
    """
    if rows.numel() == 0:
        return rows
    scale = rows.detach().abs().amax(-1, keepdim=True)
    scaled = rows / torch.where(scale > 0, scale, 1.0)
    norm = safe_sqrt((scaled * scaled).sum(-1, keepdim=True))
    # Not "norm > 0": NaN stays NaN.
    zero = norm == 0
    return torch.where(zero, 0.0, scaled / torch.where(zero, 1.0, norm))


def _bounded(rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Rows and columns in a range whose squares are representable, and the factor that was taken out of them.

    The factor is a power of two, so no digit is lost, and 1 for ordinary data.
    """
    if rows.numel() == 0 or columns.numel() == 0:
        return rows, columns, rows.new_ones(())
    largest = rows.detach().abs().amax()
    if columns is not rows:
        largest = torch.maximum(largest, columns.detach().abs().amax())
    root = torch.finfo(rows.dtype).max ** 0.5
    high, low = root * 2.0**-9, root**-0.5
    if largest.is_cpu and not traced() and low <= largest.item() <= high:
        return rows, columns, rows.new_ones(())
    grown = torch.where(largest > high, largest / high, 1.0)
    shrunk = torch.where(largest < low, torch.where(largest > 0, largest, low) / low, 1.0)
    # It is squared for squared distances.
    scale = torch.exp2(torch.log2(grown * shrunk).round()).clamp(max=root / 16)
    bounded = rows / scale
    return bounded, bounded if columns is rows else columns / scale, scale


def _surely_small(rows: Tensor, columns: Tensor, temperature: float) -> bool:
    """Whether no product can come near the knee, so that it needs no look; on the CPU, where the look is cheap."""
    if rows.numel() == 0 or columns.numel() == 0 or rows.device.type != "cpu" or traced():
        return False
    first = float(rows.detach().abs().amax())
    second = first if columns is rows else float(columns.detach().abs().amax())
    root = _knee(rows.dtype) ** 0.5
    return bool(max(first, second, 1 / temperature) < root and first * second * rows.shape[1] / temperature < root)


def _knee(dtype: torch.dtype) -> float:
    """Where a logit goes over to its logarithm: low enough for the logarithm of any product times it."""
    return float(torch.finfo(dtype).max / 256)


def _factors(first: Tensor, second: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """What a product of bounded numbers is multiplied by, as it is and relative to the knee."""
    factor = (first * second / temperature).clamp(max=torch.finfo(first.dtype).max)
    return factor, first / _knee(first.dtype) * second / temperature


def _saturated(products: Tensor, factor: Tensor, share: Tensor) -> Tensor:
    knee = _knee(products.dtype)
    beyond = (products * share).abs_().clamp_(min=1.0).log_().mul_(knee)
    plain = (products * factor).clamp_(min=-knee, max=knee)
    return plain.add_(beyond.copysign_(plain))


def _plainly_saturated(products: Tensor, factor: Tensor, share: Tensor) -> Tensor:
    """The same by operations that can be differentiated twice."""
    exceeded = (products * share).abs()
    beyond = exceeded > 1
    grown = _knee(products.dtype) * (1 + torch.where(beyond, exceeded, 1.0).log())
    plain = torch.where(beyond, 0.0, products) * factor
    return torch.where(beyond, grown * torch.sign(products * share), plain)


class _Bounded(torch.autograd.Function):
    """Rows in bounds, for those whose gradient is already by the rows as they were given."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, bounded: Tensor) -> Tensor:
        ctx.set_materialize_grads(False)
        return bounded.view_as(bounded)

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None) -> tuple[Tensor | None, None]:
        return grad, None


class _Scale(torch.autograd.Function):
    """Numbers times the factor, in whose gradient ``back`` takes its place."""

    @staticmethod
    def forward(ctx: Any, numbers: Tensor, factor: Tensor, back: Tensor) -> Tensor:
        ctx.save_for_backward(back)
        ctx.set_materialize_grads(False)
        return numbers * factor

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None) -> tuple[Tensor | None, None, None]:
        return None if grad is None else grad * ctx.saved_tensors[0], None, None


class _Saturate(torch.autograd.Function):
    """Products times the factor, x, and beyond the knee k the number k (1 + log |x / k|) with the sign of x.

    One matrix is kept for the backward pass, in which ``back`` takes the place of the factor.
    """

    @staticmethod
    def forward(ctx: Any, products: Tensor, factor: Tensor, share: Tensor, back: Tensor) -> Tensor:
        ctx.save_for_backward(products, share, back)
        ctx.set_materialize_grads(False)
        return _saturated(products, factor, share)

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None) -> tuple[Tensor | None, None, None, None]:
        if grad is None:
            return None, None, None, None
        products, share, back = ctx.saved_tensors
        return grad / (products * share).abs().clamp(min=1.0) * back, None, None, None


class _Dot(torch.autograd.Function):
    """Dot products, formed in a range where they cannot overflow, and saturated as above."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, columns: Tensor, temperature: float) -> Tensor:
        x, _, grown = _bounded(rows, rows)
        y, _, scale = _bounded(columns, columns)
        products = x @ y.T
        factor, share = _factors(grown, scale, temperature)
        ctx.save_for_backward(rows, columns, products, share)
        ctx.temperature = temperature
        ctx.set_materialize_grads(False)
        return _saturated(products, factor, share)

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None) -> tuple[Tensor | None, Tensor | None, None]:
        if grad is None:
            return None, None, None
        rows, columns, products, share = ctx.saved_tensors
        gradient = grad / (products * share).abs().clamp(min=1.0) / ctx.temperature
        return gradient @ columns, gradient.T @ rows, None


class _Product(torch.autograd.Function):
    """Logits by one matrix product, formed in float64 and stored in the rows' precision.

    The product |x|^2 + |y|^2 - 2xy cancels: in float32, two rows a thousand times closer to each other than
    to the centre keep no digit of their distance. In float64 they keep all that float32 can hold, for one
    slower product in the forward pass only.
    """

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, columns: Tensor, factor: Tensor, share: Tensor, back: Tensor, squared: bool
    ) -> Tensor:
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
            wanted.copy_(part @ y.T).clamp_(min=0.0)
            if squared:
                wanted.copy_(_saturated(wanted, factor, share))
        if not squared:
            result.sqrt_().mul_(factor)
        ctx.squared = squared
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(rows, columns, factor, back, result)
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None) -> tuple[Tensor | None, ...]:
        if grad is None:
            return None, None, None, None, None, None
        rows, columns, factor, back, logits = ctx.saved_tensors
        gradient = 2 * back if ctx.squared else -back * factor
        by_row, by_column = torch.empty_like(rows), torch.zeros_like(columns)
        column_sums = torch.zeros_like(columns[:, :1])
        for place in range(0, rows.shape[0], _BLOCK):
            block = slice(place, place + _BLOCK)
            ratio = grad[block]
            if ctx.squared:
                # The gradient beyond the knee, 1 over how often it is exceeded, read off the logarithm.
                ratio = ratio * (logits[block] / _knee(logits.dtype) + 1).clamp_(max=0.0).exp_()
            else:
                # Infinity for distance 0, so that the pair's gradient is 0.
                ratio = ratio / F.threshold(-logits[block], 0.0, torch.inf)
            # Subnormal numbers make a matrix product ten times slower.
            ratio = F.hardshrink(ratio, torch.finfo(grad.dtype).tiny)
            by_row[block] = rows[block] * ratio.sum(1, keepdim=True) - ratio @ columns
            by_column -= ratio.T @ rows[block]
            column_sums += ratio.sum(0).unsqueeze(1)
        return by_row * gradient, (by_column + columns * column_sums) * gradient, None, None, None, None
