"""The same call in float64, beside the one in the dtype: where the two part, precision was lost."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

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
        tape: of a call.
        wide: of the same call in float64; None where it cannot be made.
    """

    def __init__(self, tape: Tape, wide: Tape | None) -> None:
        self.tape = tape
        self.wide = wide.records if wide is not None else []
        self.aligned = wide is not None and [r.site for r in tape.records] == [r.site for r in wide.records]

    def of(self, tensor: Tensor) -> Tensor | None:
        """The float64 value of a tensor of the tape."""
        record = self.tape.maker(tensor)
        if record is None or not self.aligned:
            return None
        position = next((i for i, x in enumerate(record.outputs) if x is tensor), None)
        return self.wide[record.index].outputs[position] if position is not None else None

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
    a, b = narrow.detach(), wide.detach()
    a, b = (a, b) if b.is_complex() else (a.double(), b.double())
    finite = torch.isfinite(b)
    far = (a - b).abs() > PARTED * b.abs()
    return bool((far & finite).any())


def zero_by_underflow(tape: Tape, tensor: Tensor, depth: int = 12) -> Record | None:
    """The operation that gave 0 for what cannot be 0, where the tensor has a zero."""
    record = tape.maker(tensor)
    if record is None or depth == 0 or not bool((tensor == 0).any()):
        return None
    if record.site.op in NEVER_ZERO and _has_finite_preimage(record):
        return record
    if record.site.op in PRODUCTS and not any(_holds_zero(x) for x in _operands(record)):
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


def _has_finite_preimage(record: Record) -> bool:
    """Whether some 0 was made of a finite number: exp(-inf) is 0, and so is the probability of what is excluded."""
    (made,), given = record.outputs[:1], record.inputs[0]
    zero = made == 0
    return bool((zero & given.isfinite()).any()) if made.shape == given.shape else bool(zero.any())


def _operands(record: Record) -> list[Any]:
    """Every tensor that went in, a boolean mask included, and the numbers that it was multiplied with."""
    numbers = [x for x in record.args if isinstance(x, int | float)] if record.site.op in ("mul", "div") else []
    return [*numbers, *(x for x in tree_leaves((record.args, record.kwargs)) if isinstance(x, Tensor))]


def _holds_zero(operand: Any) -> bool:
    return bool((operand == 0).any()) if isinstance(operand, Tensor) else operand == 0


def _saturated(tape: Tape, record: Record) -> bool:
    """Whether a difference is 0 since one side was rounded to 1."""
    for source in record.inputs:
        maker = tape.maker(source, before=record.index)
        if maker is not None and maker.site.op in ("sigmoid", "softmax", "tanh", "exp", "erf", "cos"):
            return bool((source == 1).any())
    return False
