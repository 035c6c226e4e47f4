"""What a function gives back: checked, and brought into one form."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from losszoo.common.text import kind_name, shown
from losszoo.errors import NotApplicableError, UsageError
from losszoo.losses.arguments import BrokenRule, check_tensors, in_compute_dtype
from losszoo.losses.traced import traced
from losszoo.losses.unreduced import OverBatch, Unreduced


def as_unreduced(result: Any) -> Unreduced:
    """A function's answer as values and counts, or the rule that it breaks."""
    kept = OverBatch if isinstance(result, OverBatch) else Unreduced
    values, counts = result if isinstance(result, Unreduced) else (result, None)
    if not isinstance(values, Tensor) or not values.is_floating_point():
        kind = (
            f"a tensor of {values.dtype}"
            if isinstance(values, Tensor)
            else f"something of type {type(values).__name__}"
        )
        raise UsageError(f"a loss must return a floating point tensor, got {kind}")
    values = in_compute_dtype(values)
    if counts is None:
        return kept(values)
    if not isinstance(counts, Tensor) or counts.shape != values.shape:
        came = f"{tuple(counts.shape)}" if isinstance(counts, Tensor) else kind_name(counts)
        raise UsageError(f"counts must have the shape of the values, {tuple(values.shape)}, got {came}")
    return kept(values, counts.to(values.dtype))


def wrong_shape(values: Tensor, elements: torch.Size) -> UsageError:
    """One value for every sample, or for something within it, is right. A sum over the wrong dimension is seen here."""
    return UsageError(
        f"a loss must return one number, or values for each of the {elements[0]} samples, "
        f"got the shape {tuple(values.shape)}"
    )


def check_reduced(given: dict[str, Any], reduction: str) -> None:
    """A function that returns one number has already reduced: its values can be neither weighed nor left out."""
    refused = [name for name, value in given.items() if value is not None]
    if reduction != "mean":
        refused.append(f"reduction={reduction!r}")
    if refused:
        raise NotApplicableError(
            f"{' and '.join(refused)} must be left out, as this loss returns one number and not unreduced values"
        )


def check_over_batch(given: dict[str, Any]) -> None:
    """A value that is made of the whole batch cannot be weighed, or left out, by sample."""
    refused = [name for name, value in given.items() if value is not None]
    if refused:
        raise NotApplicableError(
            f"{' and '.join(refused)} must be left out, as each value of this loss is made of the whole batch"
        )


def of_everything(unreduced: Unreduced, present: Tensor, options: str) -> Unreduced:
    """Values that are made of all elements, of which options leave none out; NaN where that may not be looked at.

    Args:
        unreduced: one number, or values over the batch.
        present: False where an option leaves an element out.
        options: names of those that may.
    """
    if traced() or present.is_meta:
        # Where nothing can be raised NaN is seen, and the value of something else would not be.
        return unreduced._replace(values=torch.where(present.all(), unreduced.values, torch.nan))
    if bool(present.all()):
        return unreduced
    way = "give it an argument mask"
    if unreduced.values.ndim == 0:
        made, way = "this loss returns one number", f"return unreduced values, or take {options} as its own parameter"
    elif isinstance(unreduced, OverBatch):
        made = "each value of this loss is made of the whole batch"
    else:
        made = "the rows of this loss see each other"
    raise NotApplicableError(f"{options} must leave nothing out, as {made}; {way}")


def as_denominator(value: float | Tensor, values: Tensor, looking: bool) -> Tensor:
    """A mean's own denominator: one finite number >= 0, which the values' precision tells from 0 and infinity."""
    # A number that float32 would round to 0 has to be seen before it is.
    dtype = torch.float64 if isinstance(value, float) else None
    try:
        denominator = torch.as_tensor(value, dtype=dtype)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise BrokenRule("denominator", "be one number that torch can hold", shown(value)) from None
    if denominator.numel() != 1 or denominator.is_complex():
        came = "a complex one" if denominator.is_complex() else f"shape {tuple(denominator.shape)}"
        raise BrokenRule("denominator", "be one real number", came)
    check_tensors((("denominator", denominator),))
    if denominator.device.type == "meta" and values.device.type != "meta":
        raise BrokenRule("denominator", "hold a number", "a tensor on the meta device, which has none")
    if looking and not bool(torch.isfinite(denominator) & (denominator >= 0)):
        raise BrokenRule("denominator", "be finite and >= 0", f"{denominator.item()}")
    limits = torch.finfo(values.dtype)
    if looking and not bool((denominator == 0) | ((denominator >= limits.tiny) & (denominator <= limits.max))):
        rule = f"be 0 or from {limits.tiny:.2g} to {limits.max:.2g}, which {values.dtype} holds"
        raise BrokenRule("denominator", rule, f"{denominator.item()}")
    return denominator.reshape(())


def changed_in_place() -> UsageError:
    """A loss leaves its inputs as they are: the next term of a sum, and the metrics, read them too."""
    return UsageError("a loss must leave its inputs as they are, got one that was changed in place; work on a copy")
