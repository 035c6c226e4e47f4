"""Whether a value that is not finite is the fault of the loss, or the truth."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from losszoo.losses.signatures.example_inputs import Batch
from losszoo.testing.loss_under_test import Subject
from losszoo.testing.ordinary_inputs import are_finite, to_dtype, value_and_gradients


def what_breaks(loss: Callable[..., Tensor], inputs: Batch, subject: Subject) -> str | None:
    """What is not finite on these inputs and should be, in words; None where nothing is.

    A number that float64 says is beyond float32 may be infinite, but not NaN. So may the value at a probability of
    exactly 0, whose logarithm truly is.
    """
    value, gradients = value_and_gradients(loss, inputs, subject.signature)
    if are_finite(value, gradients):
        return None
    wide = subject.make().double()
    true, true_gradients = value_and_gradients(wide, to_dtype(inputs, torch.float64), subject.signature)
    if bool(value.isnan()):
        return f"the value {value.item()}"
    if bool(value.isinf()):
        truly = bool(_is_beyond(true)) or (subject.expects != "logits" and bool(true.isinf()))
        return None if truly else f"the value {value.item()}, which is {true.item():g} in float64,"
    pairs = zip(gradients, true_gradients, strict=True)
    wrong = [g for g, t in pairs if bool((g.isnan() | (g.isinf() & ~_is_beyond(t))).any())]
    if not wrong:
        return None
    return f"the value {value.item():g} and {float(wrong[0][~wrong[0].isfinite()][0])} in the gradient"


def _is_beyond(true: Tensor) -> Tensor:
    """Which numbers are beyond float32."""
    return true.isfinite() & (true.abs() > torch.finfo(torch.float32).max)
