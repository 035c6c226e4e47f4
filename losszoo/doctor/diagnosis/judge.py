"""Whether an outcome is the loss's fault: a number that is not finite, where the true one is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from losszoo.doctor.subject.answers import Outcome
from losszoo.doctor.subject.subject import Leaves, Subject, cast, evaluate, is_floating
from losszoo.tracing.finite_check import spoilt

# Inputs up to here are ordinary in size: whatever breaks on them breaks by its structure.
MODERATE = 10.0
_STEPS = 24


@dataclass(frozen=True)
class Verdict:
    """What became of one probe.

    Args:
        symptom: None where all is well.
        leaves: an input that shows it; where size is what breaks it, the smallest size that does.
        beyond: the true value is larger than the dtype holds: no fault of the loss.
        infinite: the true value is infinite.
        error: what was raised.
    """

    symptom: str | None = None
    leaves: Leaves | None = None
    beyond: bool = False
    infinite: bool = False
    error: Exception | None = None

    @property
    def sick(self) -> bool:
        """Whether the loss is at fault."""
        return self.symptom is not None and not (self.beyond or self.infinite)


def symptom_of(outcome: Outcome) -> str | None:
    """What is not finite: the value, or else the gradient; NaN before infinity."""
    if outcome.values is None:
        return None
    for part, tensors in (("loss", [outcome.values]), ("gradient", list(outcome.moved()))):
        nan, infinite = spoilt(tensors)
        if nan or infinite:
            return f"nan-{part}" if nan else f"inf-{part}"
    return None


def judge(subject: Subject, leaves: Leaves, dtype: torch.dtype = torch.float32, look_into_size: bool = True) -> Verdict:
    """Call the loss, and decide whether what comes out is its fault.

    Args:
        subject: whose loss.
        leaves: what to call it with.
        dtype: to compute in.
        look_into_size: find out whether the true value of a large input fits the dtype; else an infinity of one
            is taken not to.
    """
    outcome = evaluate(subject, leaves, dtype)
    if outcome.error is not None:
        return Verdict(error=outcome.error)
    symptom = symptom_of(outcome)
    if symptom is None:
        return Verdict()
    if symptom.startswith("inf") and spoilt(leaves).infinite:
        return Verdict(symptom, leaves, infinite=True)
    if dtype.itemsize < 4:
        return _in_half(subject, leaves, dtype, symptom)
    if _size(leaves) <= MODERATE:
        return Verdict(symptom, leaves, beyond=_is_value_beyond(subject, leaves, outcome, dtype))
    if symptom.startswith("inf") and not look_into_size:
        return Verdict(symptom, leaves, beyond=True)
    return _of_size(subject, leaves, dtype, symptom)


def _size(leaves: Sequence[Any]) -> float:
    """The largest finite number of the input."""
    filled = [x for x in leaves if is_floating(x) and x.numel()]
    sizes = [x.double().nan_to_num(0.0, 0.0, 0.0).abs().max().item() for x in filled]
    return max(sizes, default=0.0)


def is_large(leaves: Sequence[Any]) -> bool:
    """Whether some finite number of the input is larger than what is ordinary."""
    return _size(leaves) > MODERATE


def _in_half(subject: Subject, leaves: Leaves, dtype: torch.dtype, symptom: str) -> Verdict:
    """In half precision a loss is at fault where float32 has an answer that half precision could hold."""
    rounded = cast(cast(leaves, dtype), torch.float32)
    truth = evaluate(subject, rounded, torch.float64)
    if symptom_of(truth) is not None or truth.values is None:
        return Verdict()  # broken in every dtype: found in float32
    beyond = not _representable(truth, evaluate(subject, leaves, dtype), dtype)
    return Verdict(symptom, leaves, beyond=beyond)


def _of_size(subject: Subject, leaves: Leaves, dtype: torch.dtype, symptom: str) -> Verdict:
    """Find the smallest size at which it breaks; there float64 still knows the true value."""
    smallest = smallest_failing(subject, leaves, dtype, symptom)
    truth = evaluate(subject, smallest, torch.float64)
    found = symptom_of(truth)
    if found is None and truth.values is not None:
        narrow = evaluate(subject, smallest, dtype)
        return Verdict(symptom, smallest, beyond=not _representable(truth, narrow, dtype))
    # Not finite in any precision, or refused there: only a NaN, or a moderate input, makes a singularity a fault.
    infinite = symptom.startswith("inf") and _size(smallest) > 1.01 * MODERATE
    return Verdict(symptom, smallest, infinite=infinite)


def smallest_failing(subject: Subject, leaves: Leaves, dtype: torch.dtype, symptom: str) -> Leaves:
    """The leaves scaled down to the smallest size that still shows the symptom."""
    low, high = MODERATE / _size(leaves), 1.0
    if symptom_of(evaluate(subject, scaled(leaves, low), dtype)) == symptom:
        return scaled(leaves, low)
    for _ in range(_STEPS):
        middle = (low * high) ** 0.5
        if symptom_of(evaluate(subject, scaled(leaves, middle), dtype)) == symptom:
            high = middle
        else:
            low = middle
        if high / low < 1.0005:
            break
    # A little beyond the edge it is one operation that fails, and not the rounding of the next.
    beyond = scaled(leaves, min(high * 1.03, 1.0))
    return beyond if symptom_of(evaluate(subject, beyond, dtype)) == symptom else scaled(leaves, high)


def scaled(leaves: Sequence[Any], factor: float) -> Leaves:
    """Every tensor that is larger than moderate, scaled down, but to no less than moderate."""
    sizes = [_size([x]) for x in leaves]
    pairs = zip(leaves, sizes, strict=True)
    return [x * max(factor, MODERATE / size) if size > MODERATE else x for x, size in pairs]


def largest_held(dtype: torch.dtype) -> float:
    """The size up to which a true value is taken to fit a dtype."""
    # In float32 a sum near the edge may overflow where its mean would not: no fault. In half precision it is one.
    return torch.finfo(dtype).max / (2 if dtype.itemsize < 4 else 1e6)


def _representable(truth: Outcome, narrow: Outcome, dtype: torch.dtype) -> bool:
    """Whether something that is not finite could have been: its true value fits the dtype.

    Where a value does not fit, the gradients that come of it are no fault of their own.
    """
    if narrow.values is not None and truth.values is not None and not bool(torch.isfinite(narrow.values).all()):
        return _fits(narrow.values, truth.values, dtype)
    pairs = zip(narrow.gradients, truth.gradients, strict=False)
    return any(_fits(n, t, dtype) for n, t in pairs if n is not None and t is not None)


def _fits(narrow: Tensor, true: Tensor, dtype: torch.dtype) -> bool:
    """Whether some number is not finite whose true value the dtype holds."""
    return narrow.shape == true.shape and bool((~torch.isfinite(narrow) & (true.abs() < largest_held(dtype))).any())


def _is_value_beyond(subject: Subject, leaves: Leaves, narrow: Outcome, dtype: torch.dtype) -> bool:
    """Whether the loss of a moderate input is not finite, and every such value is truly larger than the dtype holds."""
    if narrow.values is None or bool(torch.isfinite(narrow.values).all()):
        return False
    truth = evaluate(subject, leaves, torch.float64)
    known = truth.values is not None and bool(torch.isfinite(truth.values).all())
    return known and truth.values is not None and not _fits(narrow.values, truth.values, dtype)
