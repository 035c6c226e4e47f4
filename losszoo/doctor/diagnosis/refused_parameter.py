"""A parameter of a distribution that an operation of the loss has spoiled, so that torch refuses it."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from losszoo.doctor.subject.dtypes import computing_in
from losszoo.doctor.subject.subject import Subject, evaluate, forward
from losszoo.tracing.finite_check import spoilt
from losszoo.tracing.operations import operation
from losszoo.tracing.tape import Record, Site, Tape

# Positive for every finite argument, so that a 0 is an underflow.
_POSITIVE = ("exp", "softplus", "sigmoid", "softmax", "square", "pow", "exp2")
_DISTRIBUTIONS = "torch.distributions"


def is_of_distributions(error: BaseException) -> bool:
    """Whether torch's distributions have raised it, and not the author of the loss."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return bool(frames) and str(frames[-1].f_globals.get("__name__", "")).startswith(_DISTRIBUTIONS)


def spoiled_parameter(subject: Subject, leaves: Sequence[Any], dtype: torch.dtype) -> tuple[Site, str, str] | None:
    """The operation whose result is refused, with cause and remedy; None where the input itself is."""
    tape = Tape()
    try:
        with torch.enable_grad(), computing_in(subject.call, dtype) as (call, _):
            forward(subject, call, leaves, dtype, tape)
    except ValueError:
        names = dict.fromkeys(record.site.op for record in tape.records if _spoils(record))
        guilty = next((name for name in names if _answers_bounded(subject, leaves, dtype, name)), None)
        found = next((record for record in tape.records if record.site.op == guilty and _spoils(record)), None)
        return None if found is None else (found.site, _cause(found), _remedy(found))
    return None


class _Bounded(TorchFunctionMode):
    """Keeps the results of an operation away from 0 and infinity."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        bounded = isinstance(result, Tensor) and result.is_floating_point() and operation(func) == self.name
        return result.clamp(1e-6, 1e6) if bounded else result


def _answers_bounded(subject: Subject, leaves: Sequence[Any], dtype: torch.dtype, name: str) -> bool:
    """Whether nothing is refused once the results of that operation are bounded: it is the cause."""
    return evaluate(subject, leaves, dtype, mode=_Bounded(name)).error is None


def _spoils(record: Record) -> bool:
    """Whether finite numbers became 0 where none is, or infinite."""
    inputs = record.inputs
    if not inputs or any(spoilt(inputs)):
        return False
    if any(spoilt(record.outputs)):
        return True
    nothing = record.site.op in ("square", "pow") and bool((inputs[0] == 0).any())
    zero = any(bool((x == 0).any()) for x in record.outputs)
    return record.site.op in _POSITIVE and zero and not nothing


def _cause(record: Record) -> str:
    name = record.site.op
    how = "overflows" if any(spoilt(record.outputs)) else "underflows to 0"
    sizes = [x.detach() for x in record.inputs if x.numel()]
    extreme = max((float(x.abs().max()) for x in sizes), default=0.0)
    return (
        f"{name} {how} for an argument of size {extreme:.4g}, and torch.distributions raises ValueError, as it takes "
        "no such parameter: training ends there"
    )


def _remedy(record: Record) -> str:
    code = record.site.code
    where = f" in {code}" if code else ""
    if record.site.op in ("exp", "exp2"):
        return f"bound the argument before {record.site.op}{where}: x.clamp(-20, 20).{record.site.op}() for x.exp()"
    return f"add a smallest value behind {record.site.op}{where}: torch.nn.functional.softplus(x) + 1e-6"
