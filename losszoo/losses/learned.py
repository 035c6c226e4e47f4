"""Numbers of a loss that are learned: a parameter that was given as an ``nn.Parameter``."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn

from losszoo.common.text import in_one_line
from losszoo.errors import UsageError
from losszoo.losses.arguments import in_compute_dtype, shape_of

# Half the distance of a difference quotient in float64, relative to the number; and by how much a gradient may be off.
_STEP, _OFF = 1e-6, 1e-4


def as_numbers(params: Mapping[str, Any]) -> dict[str, Any]:
    """The same with the number of each ``nn.Parameter`` in its place.

    Raises:
        UsageError: one that is no single floating number.

    Example:
        >>> as_numbers({"gamma": nn.Parameter(torch.tensor(2.0)), "alpha": 0.5})
        {'gamma': 2.0, 'alpha': 0.5}
    """
    return {name: _number(name, x) if isinstance(x, nn.Parameter) else x for name, x in params.items()}


def _number(name: str, parameter: nn.Parameter) -> float:
    if parameter.numel() != 1 or not parameter.is_floating_point():
        raise UsageError(
            f"{name} must be one floating number to be learned, got {shape_of(parameter)} of {parameter.dtype}; "
            f"pass {name}.detach() for numbers that stay as they are"
        )
    return float(parameter.detach())


def scalar(parameter: Tensor) -> Tensor:
    """The learned number as it is computed with: of no dimension, and never in half precision."""
    return in_compute_dtype(parameter.reshape(()))


def check_learnable(name: str, number: float, value_at: Callable[[Tensor, int], Tensor]) -> None:
    """Whether the gradient by a number is the one that values on either side of it show, on ordinary batches.

    A function that makes a plain number of it, or that has a backward pass without it, would silently never learn.

    Args:
        name: of the number.
        number: where it is learned from.
        value_at: the loss of a batch in float64, by the number and the seed of the batch.

    Raises:
        UsageError: the gradient is another one, or none.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of a tensor that becomes a plain number; here that is an error
        reached = [_has_right_gradient(name, number, lambda x, seed=seed: value_at(x, seed)) for seed in range(3)]  # type: ignore[misc]
    if not any(reached):
        raise _not_learnable(name, "no value depends on it")


def _has_right_gradient(name: str, number: float, value_of: Callable[[Tensor], Tensor]) -> bool:
    """Whether there is a gradient at all; a wrong one raises."""
    try:
        quotient = _difference_quotient(number, value_of)
    except Exception:
        return True
    by_number = torch.tensor(number, dtype=torch.float64, requires_grad=True)
    try:
        value = value_of(by_number)
        found = torch.autograd.grad(value, by_number, allow_unused=True)[0] if value.requires_grad else None
    except (TypeError, RuntimeError, ValueError) as error:
        raise _not_learnable(name, f"with a tensor it raises {in_one_line(error)}") from error
    if abs(quotient - (0.0 if found is None else float(found))) > _OFF * max(1.0, abs(quotient)):
        gradient = "none" if found is None else f"{float(found):.4g}"
        raise _not_learnable(name, f"the gradient by it is {quotient:.4g}, and it gives {gradient}")
    return found is not None


def _difference_quotient(number: float, value_of: Callable[[Tensor], Tensor]) -> float:
    """Of the values on both sides, or on one where the other is not legal."""
    step, points = _STEP * max(1.0, abs(number)), []
    with torch.no_grad():
        for place in (number - step, number, number + step):
            with suppress(UsageError):
                points.append((place, float(value_of(torch.tensor(place, dtype=torch.float64)))))
    (first, low), (last, high) = points[0], points[-1]
    return (high - low) / (last - first)


def _not_learnable(name: str, reason: str) -> UsageError:
    return UsageError(f"{name} must be a number, got an nn.Parameter, by which this loss does not learn: {reason}")
