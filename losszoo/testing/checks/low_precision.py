"""Which dtype goes in, and which comes out."""

from __future__ import annotations

import torch
from torch import Tensor

from losszoo.testing.check import check, require
from losszoo.testing.equal import agree
from losszoo.testing.loss_under_test import Subject
from losszoo.testing.ordinary_inputs import to_dtype

_NO_CAST = "cast nothing in the loss: losszoo gives it float32 or float64"


@check()
def check_half_precision(subject: Subject) -> None:
    """Half precision is computed in float32, and gives float32."""
    for dtype in (torch.float16, torch.bfloat16):
        inputs, loss = subject.batch(dtype=dtype), subject.make()
        value = loss(*inputs)
        _is_of(value, torch.float32, f"{dtype} inputs", _NO_CAST)
        widened = loss(*to_dtype(inputs, torch.float32))
        agree(f"the value for {dtype} inputs", value, "that for the same numbers in float32", widened, _NO_CAST, rtol=0)


@check()
def check_double(subject: Subject) -> None:
    """float64 stays float64, and float32 gives the same number to six digits."""
    value = subject.make().double()(*subject.batch(dtype=torch.float64))
    _is_of(value, torch.float64, "float64 inputs", _NO_CAST)
    narrow = subject.make()(*subject.batch())
    _is_of(narrow, torch.float32, "float32 inputs", _NO_CAST)
    agree("the value in float32", narrow.double(), "that in float64", value, _NO_CAST, atol=1e-5)


@check()
def check_autocast(subject: Subject) -> None:
    """Autocast changes nothing: a loss is computed in full precision."""
    inputs, loss = subject.batch(), subject.make()
    expected = loss(*inputs)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(*inputs)
    advice = "wrap a function by losszoo, or switch autocast off inside"
    _is_of(value, torch.float32, "autocast", advice)
    agree("the value under autocast", value, "that without", expected, advice, rtol=0)


def _is_of(value: Tensor, dtype: torch.dtype, given: str, advice: str) -> None:
    require(value.dtype == dtype, f"the loss must be {dtype} for {given}", f"{value.dtype}", advice)
