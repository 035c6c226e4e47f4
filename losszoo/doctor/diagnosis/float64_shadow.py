"""The same call in float64, beside the one in the dtype: where the two part, precision was lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from losszoo.doctor.subject.dtypes import computing_in
from losszoo.doctor.subject.subject import Subject, forward
from losszoo.tracing.tape import Record, Tape

# A relative difference no rounding of one operation makes.
PARTED = 1e-2

# Positive for every finite input: a zero is an underflow.
NEVER_ZERO = ("exp", "softmax", "sigmoid", "erfc", "exp2", "softplus", "logistic")
# Zero only where an operand is zero: any other zero is an underflow.
PRODUCTS = ("mul", "pow", "square", "div", "prod", "cumprod", "norm", "matmul", "reciprocal")
# Pass their operand's numbers on.
VIEWS = (
    *("getitem", "gather", "squeeze", "unsqueeze", "view", "reshape", "expand", "expand_as", "transpose"),
    *("permute", "t", "flatten", "index_select", "take_along_dim", "diagonal", "diag", "where", "masked_fill"),
    *("masked_select", "select", "clamp", "contiguous", "sum", "mean", "max", "amax", "movedim"),
    *("chunk", "split", "unbind", "stack", "cat", "neg", "abs", "sqrt", "add", "to", "float", "half"),
    *("broadcast_to", "detach", "data", "clone"),
)


class Shadow:
    """Float64 values of every operation of a tape.

    Args:
        subject: whose loss.
        leaves: what it was called with.
        tape: of that call.
        dtype: of that call.
    """

    def __init__(self, subject: Subject, leaves: Sequence[Any], tape: Tape, dtype: torch.dtype) -> None:
        self.tape = tape
        wide = Tape()
        # The same numbers, not better ones: what the dtype cannot hold was never there.
        rounded = [x.to(dtype) if isinstance(x, Tensor) and x.is_floating_point() else x for x in leaves]
        self.wide = wide
        try:
            with torch.enable_grad(), computing_in(subject.call, torch.float64) as (call, _):
                forward(subject, call, rounded, torch.float64, wide)
        except Exception:  # a loss that takes no float64 has no shadow
            wide.records.clear()
        narrow_ops = [record.site for record in tape.records]
        self.aligned = dtype != torch.float64 and narrow_ops == [record.site for record in wide.records]

    def of(self, tensor: Tensor) -> Tensor | None:
        """The float64 value of a tensor of the tape."""
        record = self.tape.maker(tensor)
        if record is None or not self.aligned:
            return None
        position = next(i for i, x in enumerate(record.outputs) if x is tensor)
        return self.wide.records[record.index].outputs[position]

    def first_parted(self, record: Record) -> Record | None:
        """The operation, at or before this one, whose inputs agree with their shadows and whose result does not."""
        if not self._parted(record):
            return None
        while True:
            makers = [self.tape.maker(x, before=record.index) for x in record.inputs]
            earlier = [maker for maker in makers if maker is not None and self._parted(maker)]
            if not earlier:
                return record
            record = min(earlier, key=lambda maker: maker.index)

    def _parted(self, record: Record) -> bool:
        return any(parted(x, self.of(x)) for x in record.outputs)

    def reason(self, record: Record) -> str:
        """What happened there."""
        op = record.site.op
        zero = any(bool((x == 0).any()) for x in record.outputs)
        if op in ("exp", "softmax", "sigmoid", *PRODUCTS) and zero:
            return "underflow"
        if op in ("sub", "add", "addmm", "addcmul") and len(record.inputs) == 1 and zero and op == "add":
            return "rounding"
        if op in ("sub", "add", "addmm", "var", "std", "cdist"):
            return "cancellation"
        return "overflow" if any(bool(x.isinf().any()) for x in record.outputs) else "rounding"


def parted(narrow: Tensor, wide: Tensor | None) -> bool:
    """Whether any number differs from its shadow by more than rounding can."""
    if wide is None or narrow.shape != wide.shape:
        return False
    a, b = narrow.detach().double(), wide.detach().double()
    finite = torch.isfinite(b)
    far = (a - b).abs() > PARTED * b.abs()
    return bool((far & finite).any())


def zero_by_underflow(tape: Tape, tensor: Tensor, depth: int = 12) -> Record | None:
    """The operation that gave 0 for what cannot be 0, where the tensor has a zero."""
    record = tape.maker(tensor)
    if record is None or depth == 0 or not bool((tensor == 0).any()):
        return None
    if record.site.op in NEVER_ZERO:
        return record
    if record.site.op in PRODUCTS and all(bool((x != 0).all()) for x in _operands(record)):
        return record
    if record.site.op == "sub" and _saturated(tape, record):
        return record
    if record.site.op not in VIEWS:
        return None
    for source in record.inputs:
        found = zero_by_underflow(tape, source, depth - 1)
        if found is not None:
            return found
    return None


def _operands(record: Record) -> list[Tensor]:
    """Every tensor that went in, a boolean mask included."""
    return [x for x in tree_leaves((record.args, record.kwargs)) if isinstance(x, Tensor)]


def _saturated(tape: Tape, record: Record) -> bool:
    """Whether a difference is 0 since one side was rounded to 1."""
    for source in record.inputs:
        maker = tape.maker(source, before=record.index)
        if maker is not None and maker.site.op in ("sigmoid", "softmax", "tanh", "exp", "erf", "cos"):
            return bool((source == 1).any())
    return False
