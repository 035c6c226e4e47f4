"""From unreduced values to one number: weights, masks, counts, and the empty batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from losszoo.common.text import kind_name
from losszoo.errors import UsageError
from losszoo.losses.unreduced import Unreduced

REDUCTIONS = ("mean", "sum", "none")
EMPTY_POLICIES = ("zero", "nan", "raise")


@dataclass(frozen=True)
class Policy:
    """How a loss reduces, and its result for an empty batch."""

    reduction: str = "mean"
    empty: str = "zero"

    def __post_init__(self) -> None:
        if self.reduction not in REDUCTIONS:
            raise UsageError(
                f"reduction must be one of {', '.join(REDUCTIONS)}, got {self.reduction!r}", argument="reduction"
            )
        if self.empty not in EMPTY_POLICIES:
            raise UsageError(f"empty must be one of {', '.join(EMPTY_POLICIES)}, got {self.empty!r}", argument="empty")


def expand(tensor: Tensor, shape: torch.Size, name: str) -> Tensor:
    """A mask or weight at a shape: it broadcasts to it as in torch, or has its leading dimensions (per sample).

    Where both readings are possible and differ, as with (N,) at (N, N), it is refused: which one was meant cannot be
    seen, and a batch of another size would be read the other way.
    """
    _check_tensor(tensor, name)
    leading = tensor.ndim < len(shape) and tensor.shape == shape[: tensor.ndim]
    trailing = _broadcasts(tensor.shape, shape)
    missing = len(shape) - tensor.ndim
    if leading and trailing and tensor.numel() > 1:
        kept, new = [":"] * tensor.ndim, ["None"] * missing
        last = "dimension" if tensor.ndim == 1 else f"{tensor.ndim} dimensions"
        raise UsageError(
            f"{name} must be unambiguous, got shape {tuple(tensor.shape)} for {tuple(shape)}: write "
            f"{name}[{', '.join(kept + new)}] for one number per sample (its leading dimensions), or "
            f"{name}[{', '.join(new)}] for one along the last {last}, as torch broadcasts",
            argument=name,
        )
    if leading:
        return tensor.reshape(*tensor.shape, *[1] * missing).expand(shape)
    if trailing:
        return tensor.expand(shape)
    raise UsageError(
        f"{name} must have shape {tuple(shape)}, one that broadcasts to it as in torch, or its leading dimensions, "
        f"got shape {tuple(tensor.shape)}",
        argument=name,
    )


def expand_leading(tensor: Tensor, shape: torch.Size, name: str) -> Tensor:
    """A mask or weight at the shape of values that mix the elements of a sample: it has their leading dimensions."""
    _check_tensor(tensor, name)
    while tensor.ndim > len(shape) and tensor.shape[-1] == 1:
        tensor = tensor.squeeze(-1)
    if tensor.numel() > 1 and tensor.shape != shape[: tensor.ndim]:
        raise UsageError(
            f"{name} must have the leading dimensions of {tuple(shape)}, one value of this loss each, as it mixes the "
            f"elements of a sample, got shape {tuple(tensor.shape)}",
            argument=name,
        )
    return tensor.reshape(*tensor.shape, *[1] * (len(shape) - tensor.ndim)).expand(shape)


def _check_tensor(tensor: Tensor, name: str) -> None:
    if not isinstance(tensor, Tensor):
        raise UsageError(f"{name} must be a tensor, got {kind_name(tensor)}", argument=name)


def _broadcasts(given: torch.Size, shape: torch.Size) -> bool:
    if len(given) > len(shape):
        return False
    return all(a in (1, b) for a, b in zip(reversed(given), reversed(shape), strict=False))


def keep(unreduced: Unreduced, mask: Tensor) -> Unreduced:
    """Values and counts become 0 where the mask is False."""
    values, counts = unreduced
    kept = mask.to(values.dtype) if counts is None else torch.where(mask, counts, 0.0)
    return Unreduced(torch.where(mask, values, 0.0), kept)


def scale(unreduced: Unreduced, weight: Tensor) -> Unreduced:
    """Values and counts times the weight. Weight 0 is absence: an infinite value there is dropped, not made NaN.

    A finite one is multiplied, as it is the gradient of a weight that is itself differentiated.
    """
    return weigh(unreduced, weight, weight)


def weigh(unreduced: Unreduced, factor: Tensor, count: Tensor | None) -> Unreduced:
    """Values times the factor, as in :func:`scale`, which count as much as that; None for what they counted before."""
    values, counts = unreduced
    kept = torch.where((factor == 0) & ~values.isfinite(), 0.0, values)
    if count is not None:
        counts = count if counts is None else counts * count
    return Unreduced(kept * factor, counts)


def in_parts(values: Tensor, divisor: Tensor | float, reduction: str) -> Tensor:
    """A mean or a sum of numbers that are divided before they are added: what fits float32 is not lost on the way."""
    mean = (values / divisor).sum()
    return mean if reduction == "mean" else mean * divisor


def count_of(unreduced: Unreduced) -> Tensor:
    """The mean's own denominator."""
    values, counts = unreduced
    return values.new_tensor(values.numel()) if counts is None else counts.sum()
