"""Checks of one argument: each gives the tensor that is computed with, or says which rule it breaks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from losszoo.common.text import kind_name
from losszoo.losses.traced import differentiated, traced

Inputs = tuple[Any, ...]


# The dtypes that are computed in; narrower ones are converted.
COMPUTED = (torch.float32, torch.float64)


class BrokenRule(Exception):  # noqa: N818 (a message in transit: Loss turns it into a UsageError with its own name)
    """An argument that breaks the rule of its signature: which one, the rule, and what came."""

    def __init__(self, argument: str, rule: str, came: str) -> None:
        super().__init__(f"{argument} must {rule}, got {came}")
        self.argument = argument


@dataclass(frozen=True)
class CheckContext:
    """What a check must know of the loss: what it expects, the label it ignores, whether labels may be anything."""

    expects: str = "logits"
    ignore_index: int | None = None
    any_labels: bool = False


def shape_of(value: Any) -> str:
    """``shape (2, 3)`` for a tensor, ``a list`` for anything else."""
    return f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else kind_name(value)


def check_tensors(named: Iterable[tuple[str, Any]]) -> None:
    """Dense tensors, all on one device; a number, a tensor of no dimension, may stay on the CPU.

    A tensor on the meta device has no numbers: beside others it would make some out of nothing.
    """
    first: tuple[str, torch.device] | None = None
    for name, value in named:
        if not isinstance(value, Tensor):
            continue
        if value.layout is not torch.strided or value.is_nested or value.is_quantized:
            kind = "quantized" if value.is_quantized else "nested" if value.is_nested else str(value.layout)
            remedy = "dequantize" if value.is_quantized else "to_dense"
            raise BrokenRule(name, f"be a dense tensor, as {name}.{remedy}() gives it", kind)
        if value.is_cpu and value.ndim == 0:
            continue
        if first is None:
            first = name, value.device
        elif value.device != first[1]:
            raise BrokenRule(name, f"be on the device of {first[0]}, {first[1]}", f"one on {value.device}")


def as_mask(mask: Any) -> Tensor:
    """A mask as booleans: integers of 0 and 1, as tokenizers give them, mean the same."""
    if not isinstance(mask, Tensor) or mask.is_floating_point() or mask.is_complex():
        came = f"dtype {mask.dtype}" if isinstance(mask, Tensor) else shape_of(mask)
        raise BrokenRule("mask", "be a boolean tensor, as mask.bool() gives it (or integers of 0 and 1)", came)
    if mask.dtype == torch.bool:
        return mask
    if not traced() and mask.device.type != "meta":
        require((mask == 0) | (mask == 1), "mask", "hold 0 and 1 where it is of integers (or be mask.bool())", mask)
    chosen: Tensor = mask.bool()
    return chosen


def in_compute_dtype(tensor: Tensor) -> Tensor:
    """Half precision is computed in float32: sums of squares overflow float16 at 256."""
    return tensor.float() if tensor.dtype.itemsize < 4 else tensor


def floating(name: str, value: Any) -> Tensor:
    """The tensor in its compute dtype; anything not floating breaks the rule."""
    if not isinstance(value, Tensor) or not value.is_floating_point():
        came = f"dtype {value.dtype}" if isinstance(value, Tensor) else shape_of(value)
        raise BrokenRule(name, "be a floating point tensor", came)
    return in_compute_dtype(value)


def real(name: str, value: Any) -> Tensor:
    """A tensor of real numbers, integers or booleans: of complex ones a cast would drop the imaginary part."""
    if not isinstance(value, Tensor) or value.is_complex():
        came = f"dtype {value.dtype}" if isinstance(value, Tensor) else shape_of(value)
        raise BrokenRule(name, "be a real tensor", came)
    return value


def undifferentiated(name: str, value: Any) -> Any:
    """An argument that only selects pairs, and so has no gradient: a requested one would be 0, or None."""
    if isinstance(value, Tensor) and differentiated(value):
        raise BrokenRule(name, "not require a gradient", f"requires_grad=True; pass {name}.detach()")
    return value


def like(name: str, value: Any, other: Tensor, other_name: str) -> Tensor:
    """A real tensor of the shape of another, in its dtype."""
    tensor = real(name, value)
    if tensor.shape != other.shape:
        raise BrokenRule(name, f"have the shape of {other_name}, {tuple(other.shape)}", shape_of(value))
    return tensor.to(other.dtype)


def integers(name: str, value: Any, shape: torch.Size | tuple[int, ...]) -> Tensor:
    """An integer tensor of that shape, as int64."""
    if not isinstance(value, Tensor) or value.is_floating_point() or value.is_complex():
        made, came = f"torch.tensor({name})", shape_of(value)
        if isinstance(value, Tensor):
            made, came = f"{name}.long()", f"dtype {value.dtype}"
        raise BrokenRule(name, f"be an integer tensor, as {made} gives it of whole numbers", came)
    if value.shape != shape:
        raise BrokenRule(name, f"have shape {tuple(shape)}", shape_of(value))
    return value.long()


def rows(name: str, value: Any) -> Tensor:
    """A floating (N, D) tensor."""
    tensor = floating(name, value)
    if tensor.ndim != 2:
        raise BrokenRule(name, "have shape (N, D)", shape_of(tensor))
    return tensor


def same_rows(first_name: str, first: Any, name: str, value: Any) -> Tensor:
    """A floating tensor of the shape of the first one, which is (N, D)."""
    tensor = floating(name, value)
    if tensor.shape != first.shape:
        raise BrokenRule(name, f"have the shape of {first_name}, {tuple(first.shape)}", shape_of(tensor))
    return tensor


def one_each(name: str, value: Any, of: Tensor) -> Tensor:
    """Any tensor with one entry for each row of another; it decides, and so gets no gradient."""
    if not isinstance(value, Tensor) or value.shape[:1] != of.shape[:1]:
        raise BrokenRule(name, f"have one entry for each of the {of.shape[0]} rows", shape_of(value))
    checked: Tensor = undifferentiated(name, value)
    return checked


def probabilities(name: str, value: Tensor, context: CheckContext) -> None:
    """Predictions in [0, 1] where a loss expects probabilities."""
    # Written so that NaN passes: a NaN prediction is an event for the guard, not a wrong argument.
    if context.expects == "probabilities":
        require(~((value < 0) | (value > 1)), name, "hold probabilities in [0, 1]", value)


def within(value: Tensor, low: float, high: float) -> bool:
    """Whether every number is from ``low`` to ``high``: one pass, and no tensor of the size of the numbers."""
    if value.numel() == 0:
        return True
    smallest, largest = torch.aminmax(value.detach())
    # NaN compares as False.
    return bool(low <= smallest.item() and largest.item() <= high)


def require(condition: Tensor, name: str, rule: str, value: Tensor) -> None:
    """Break the rule with the first offending number."""
    if not bool(condition.all()):
        same = value.shape == condition.shape
        raise BrokenRule(name, rule, f"{value[~condition].flatten()[0].item()}" if same else "other numbers")
