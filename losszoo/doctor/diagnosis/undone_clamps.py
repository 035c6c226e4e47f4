"""Clamps that keep an exponential finite of which a logarithm is taken: as one operation they need no bound."""

from __future__ import annotations

from torch import Tensor

from losszoo.doctor.diagnosis.relaxed import CLAMPS, Key, bounds_of
from losszoo.tracing.tape import Record, Tape

# Ordinary numbers lie within these bounds; a clamp there is for the exponential alone.
FAR = 10.0
_EXPONENTIALS = ("exp", "exp2")
_LOGARITHMS = ("log", "log2", "log10", "log1p")
# What sums exponentials up, or picks and arranges them.
_SUMMING = (
    *("add", "sum", "mean", "cumsum", "mul", "stack", "cat", "getitem", "gather", "squeeze", "unsqueeze", "view"),
    *("reshape", "expand", "transpose", "permute", "flatten", "flip", "index_select", "masked_fill", "where", "clone"),
    *("to", "float", "double", "contiguous"),
)


def clamps_undone(tape: Tape) -> frozenset[Key]:
    """Every clamp from above, far away, of the argument of an exponential that is used in logarithms alone."""
    return frozenset(
        (made.site.op, made.site.source)
        for made in tape.records
        if made.site.op in CLAMPS and (bounds_of(made)[1] or 0.0) >= FAR and _only_in_logarithms(tape, made)
    )


def _only_in_logarithms(tape: Tape, clamp: Record) -> bool:
    """Whether each use of the clamped number is an exponential, and each use of that, or of its sums, a logarithm."""
    bounded, sums = {id(x) for x in clamp.outputs}, set[int]()
    logarithms = 0
    for later in tape.records[clamp.index + 1 :]:
        inputs = set(map(id, later.inputs))
        if inputs & bounded:
            if later.site.op not in _EXPONENTIALS:
                return False
            sums.update(map(id, later.outputs))
        elif inputs & sums:
            if later.site.op in _LOGARITHMS:
                logarithms += 1
            elif later.site.op not in _SUMMING or not _is_sum(later, sums):
                return False
            else:
                sums.update(map(id, later.outputs))
    return logarithms > 0


def _is_sum(record: Record, sums: set[int]) -> bool:
    """A product of two exponentials is none."""
    return record.site.op != "mul" or sum(id(x) in sums for x in record.inputs if isinstance(x, Tensor)) == 1
