"""From unreduced values to one number: weights, masks, counts, and the empty batch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from losszoo.common.text import kind_name
from losszoo.errors import EmptyBatchError, NotApplicableError, UsageError
from losszoo.losses.traced import traced
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


def kept(unreduced: Unreduced, mask: Tensor) -> Unreduced:
    """The values where a mask is True; a loss that mixes elements can only leave out whole samples."""
    values = unreduced.values
    if mask.shape == values.shape:
        return keep(unreduced, mask)
    samples = mask.flatten(1) if mask.ndim > 1 else mask.unsqueeze(1)
    some, partly = samples.any(1), samples.any(1) != samples.all(1)
    if traced() or mask.is_meta:
        # Where nothing can be raised NaN is seen; a sample that is left out as a whole would not be.
        values = torch.where(expand_leading(partly, values.shape, "mask"), torch.nan, values)
    elif bool(partly.any()):
        raise NotApplicableError("mask must select whole samples, as this loss mixes the elements of a sample")
    return keep(unreduced._replace(values=values), expand_leading(some, values.shape, "mask"))


def at_values(x: Tensor, shape: torch.Size, elements: torch.Size) -> Tensor:
    """What an option says of each element, at the values; a loss that mixes elements has one value for several."""
    if shape == elements:
        return x.expand(shape)
    try:
        return expand_leading(x, shape, "the weight of an element")
    except UsageError:
        raise NotApplicableError(
            "weights of an option must be left out, as a value of this loss is made of elements that they weigh "
            f"differently, got weights {tuple(x.shape)} for values {tuple(shape)}"
        ) from None


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


def over_counts(
    unreduced: Unreduced, denominator: Tensor | None, policy: Policy, last_step: Callable[[Tensor], Tensor] | None
) -> Tensor:
    """The mean or sum of values that count by themselves, or of none at all.

    Args:
        unreduced: values and counts.
        denominator: in place of the sum of the counts.
        policy: of the loss.
        last_step: what the loss makes of its mean.

    Raises:
        EmptyBatchError: nothing counts, where the policy says so.
    """
    values, counts = unreduced
    followed = torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()
    looked = values.is_cpu and not followed
    total = values.sum()
    if denominator is not None:
        count = denominator.to(total)
    else:
        count = values.new_tensor(values.numel()) if counts is None else counts.sum()
    # Not "> 0": a count that is NaN must come out as NaN, not as nothing.
    present = count != 0
    if policy.empty == "raise" and not followed and not bool(present):
        raise EmptyBatchError(
            "the batch must not be empty, got no element, only masked ones, or no positive pair (empty='raise')"
        )
    overflows = looked and not math.isfinite(total.item())
    if policy.reduction == "sum" and policy.empty == "zero" and last_step is None and not overflows:
        # The sum of nothing is 0 by itself, and weights that are all 0 keep their gradient.
        return total
    divisor = torch.where(present, count, 1.0)
    if not looked or not torch.finfo(divisor.dtype).tiny <= divisor.item() < math.inf:
        if looked and policy.reduction == "mean" and counts is not None and denominator is None:
            # Of weights as large, or so small that the inverse is infinite, only the ratio matters.
            largest = counts.amax()
            values, divisor = values / largest, (counts / largest).sum()
            total = values.sum()
            overflows = not math.isfinite(total.item())
        divisor = torch.where(divisor.isinf(), torch.nan, divisor)  # else a finite total over it would be 0
    result = total / divisor if policy.reduction == "mean" else total
    if overflows:
        result = in_parts(values, divisor if policy.reduction == "mean" else values.numel(), policy.reduction)
    result = result if last_step is None else last_step(result)
    # Where "raise" could not look, NaN is seen and 0 would not be.
    return torch.where(present, result, 0.0 if policy.empty == "zero" else torch.nan)
