"""Pushed by gradients toward the places where the operations that were seen have no value or no slope."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from losszoo.doctor.effort import Effort
from losszoo.doctor.inputs.probes import Probe
from losszoo.doctor.subject.dtypes import computing_in
from losszoo.doctor.subject.input_kinds import Leaf, leaves_of
from losszoo.doctor.subject.subject import Leaves, Subject, cast, forward, record
from losszoo.tracing.tape import Record, Tape

_STEPS = 12
_MOST_SITES = 24
_LARGEST = 1e4
# Of the effort.
SHARE = 0.7

# How far the argument of an operation is from where it breaks.
Distance = Callable[[Record], Tensor | None]


def _to_zero(position: int) -> Distance:
    def distance(record: Record) -> Tensor | None:
        x = record.args[position] if len(record.args) > position else None
        return x.abs() if isinstance(x, Tensor) and x.is_floating_point() else None

    return distance


def _denominator_to_zero(record: Record) -> Tensor | None:
    return _to_zero(0 if record.is_reversed else 1)(record)


def _to_one(record: Record) -> Tensor | None:
    x = record.args[0]
    return (1 - x.abs()).abs() if isinstance(x, Tensor) else None


def _to_overflow(record: Record) -> Tensor | None:
    x = record.args[0]
    return (100 - x).clamp(min=0) if isinstance(x, Tensor) else None


def _to_equal(first: int, second: int) -> Distance:
    def distance(record: Record) -> Tensor | None:
        a, b = (record.args[first], record.args[second]) if len(record.args) > second else (None, None)
        return (a - b).abs() if isinstance(a, Tensor) and isinstance(b, Tensor) else None

    return distance


def _to_equal_values(position: int) -> Distance:
    """Two singular values or eigenvalues that are neighbours."""

    def distance(record: Record) -> Tensor | None:
        values = record.result[position] if isinstance(record.result, tuple) else None
        return values.diff().abs() if isinstance(values, Tensor) and values.shape[-1] > 1 else None

    return distance


_DISTANCES: dict[str, Distance] = {
    **dict.fromkeys(("log", "log2", "log10", "sqrt", "rsqrt", "reciprocal", "pow", "norm"), _to_zero(0)),
    **dict.fromkeys(("acos", "asin", "atanh", "acosh"), _to_one),
    "div": _denominator_to_zero,
    "exp": _to_overflow,
    "sub": _to_equal(0, 1),
    "where": _to_equal(1, 2),
    "svd": _to_equal_values(1),
    "eigh": _to_equal_values(0),
}


def pushes(subject: Subject, clock: Effort) -> Iterator[Probe]:
    """For each operation with a singularity, the input moved until its nearest number is there."""
    movable = [leaf for leaf in leaves_of(subject) if leaf.kind in ("real", "positive", "probability", "bounded")]
    try:
        records = record(subject, subject.leaves, torch.float64)[0].records if movable else []
    except Exception:  # a loss that takes no float64 cannot be pushed
        return
    for singular in [r for r in records if r.site.op in _DISTANCES][:_MOST_SITES]:
        if clock.over(SHARE):
            return
        pushed = _push(subject, movable, singular.index)
        if pushed is not None:
            yield Probe(f"pushed toward the edge of {singular.site.op} at {singular.site.source}", pushed)


def _push(subject: Subject, movable: Sequence[Leaf], index: int) -> Leaves | None:
    """Newton steps on the smallest distance: along the gradient by distance over its squared length."""
    leaves = cast(subject.leaves, torch.float64)
    start = list(leaves)
    moved = [leaf for leaf in movable if leaf.index in subject.trained]
    for _ in range(_STEPS):
        step = _newton(subject, leaves, [leaf.index for leaf in moved], index)
        if step is None:
            break
        for leaf, change in zip(moved, step, strict=True):
            leaves[leaf.index] = _inside(leaf, leaves[leaf.index] + change)
        if all(float(change.abs().max()) < 1e-12 for change in step if change.numel()):
            break
    if all(x is y for x, y in zip(leaves, start, strict=True)):
        return None
    return cast(leaves, torch.float32)


def _newton(subject: Subject, leaves: Leaves, moved: Sequence[int], index: int) -> list[Tensor] | None:
    tape = Tape()
    try:
        with torch.enable_grad(), computing_in(subject.call, torch.float64) as (call, _):
            _, sources = forward(subject, call, leaves, torch.float64, tape)
            there = tape.records[index]
            distance = _DISTANCES[there.site.op](there) if there.site.op in _DISTANCES else None
            if distance is None or not distance.requires_grad or not distance.numel():
                return None
            nearest = distance.min()
            slopes = torch.autograd.grad(nearest, sources, allow_unused=True)
    except Exception:  # the loss takes another way there
        return None
    chosen = dict(zip(subject.trained, slopes, strict=True))
    steps = [chosen.get(i) for i in moved]
    length = sum(float(s.square().sum()) for s in steps if s is not None)
    if not 0 < length < float("inf"):
        return None
    factor = float(nearest.detach()) / length
    return [-factor * s if s is not None else torch.zeros(()).double() for s in steps]


def _inside(leaf: Leaf, x: Tensor) -> Tensor:
    """Inside the domain, and of a size that training meets: a step along a flat slope leads anywhere."""
    x = x.nan_to_num().clamp(-_LARGEST, _LARGEST)
    low = {"positive": 0.0, "probability": 0.0, "bounded": -1.0}.get(leaf.kind)
    high = {"probability": 1.0, "bounded": 1.0}.get(leaf.kind)
    return x if low is None else x.clamp(min=low, max=high)
