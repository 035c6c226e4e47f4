"""Whether a value that is not finite is the fault of the loss, or the truth."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from losszoo.losses.signatures.example_inputs import Batch
from losszoo.testing.loss_under_test import Subject
from losszoo.testing.ordinary_inputs import to_dtype, value_and_gradients


def what_breaks(loss: Callable[..., Tensor], inputs: Batch, subject: Subject) -> str | None:
    """What is not finite on these inputs and should be, in words; None where nothing is.

    A number that float64 says is beyond float32 may be infinite, but not NaN. So may the value at a probability of
    exactly 0, whose logarithm truly is.
    """
    value, gradients = value_and_gradients(loss, inputs, subject.signature)
    if bool(value.isfinite()) and all(bool(g.isfinite().all()) for g in gradients):
        return None
    wide = subject.make().double()
    true, true_gradients = value_and_gradients(wide, to_dtype(inputs, torch.float64), subject.signature)
    if bool(value.isnan()):
        return f"the value is {value.item()}"
    if bool(value.isinf()):
        truly = _beyond(true) or (subject.expects != "logits" and bool(true.isinf()))
        return None if truly else f"the value is {value.item()}, in float64 {true.item():g}"
    pairs = zip(gradients, true_gradients, strict=True)
    wrong = [g for g, t in pairs if bool((g.isnan() | (g.isinf() & ~_beyond_each(t))).any())]
    return f"the value is {value.item():g} and the gradient holds {_worst(wrong[0])}" if wrong else None


def _beyond(true: Tensor) -> bool:
    return bool(_beyond_each(true).all())


def _beyond_each(true: Tensor) -> Tensor:
    return true.isfinite() & (true.abs() > torch.finfo(torch.float32).max)


def _worst(gradient: Tensor) -> float:
    return float(gradient[~gradient.isfinite()][0])
