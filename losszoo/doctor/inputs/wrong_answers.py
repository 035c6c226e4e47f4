"""Wrong answers of an example alone: what is trained, pushed far along and against its own gradient."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from losszoo.doctor.inputs.probes import Probe, changed
from losszoo.doctor.subject.input_kinds import Leaf, leaves_of
from losszoo.doctor.subject.subject import Subject, evaluate

_ROUNDING = 1e-2
# At 20 a probability is still larger than most epsilons; beyond 36 float64 has no digits left for 1 - p.
SIZES = (20.0, 30.0, 100.0, 300.0)


@dataclass(frozen=True)
class Push:
    """One tensor moved.

    Args:
        probe: the input.
        leaf: that was moved.
        step: by which; 0 where it stayed.
        usual: mean size of the gradient before.
    """

    probe: Probe
    leaf: Leaf
    step: Tensor
    usual: float


def pushed_answers(subject: Subject) -> Iterator[Push]:
    """Every tensor that may have any size, whole and one element a row; first against descent, where the loss grows."""
    before, narrow = (evaluate(subject, subject.leaves, dtype) for dtype in (torch.float64, torch.float32))
    if before.error is not None or narrow.error is not None:
        return
    slopes = dict(zip(subject.trained, zip(before.gradients, narrow.gradients, strict=True), strict=False))
    for leaf in leaves_of(subject):
        slope, rounded = slopes.get(leaf.index, (None, None))
        if slope is None or rounded is None or leaf.kind not in ("real", "positive") or not _moves(slope, rounded):
            continue
        usual = float(slope.abs()[slope != 0].mean())
        for way, sign in (("against descent", 1.0), ("along descent", -1.0)):
            for size in SIZES:
                for extent, direction in _directions(slope):
                    step = _legal(leaf, sign * size * direction)
                    if not bool(step.any()):
                        continue
                    label = f"{leaf.name} pushed {way} by {size:g}, {extent}"
                    moved = changed(subject, label, {leaf.index: leaf.tensor.double() + step})
                    yield Push(moved, leaf, step, usual)


def _legal(leaf: Leaf, step: Tensor) -> Tensor:
    """Nothing that is positive is made negative."""
    return step.clamp(min=0) if leaf.kind == "positive" else step


def _moves(slope: Tensor, rounded: Tensor) -> bool:
    """Whether there is a gradient beyond rounding: at its minimum an example does not say what is usual."""
    size = slope.norm()
    return bool(slope.isfinite().all() & (size > 0) & ((slope - rounded).norm() < _ROUNDING * size))


def _directions(slope: Tensor) -> Iterator[tuple[str, Tensor]]:
    """The sign of the gradient everywhere, and where it is largest in each row."""
    yield "whole", slope.sign()
    rows = slope.reshape(len(slope), -1) if slope.ndim > 1 else slope.reshape(1, -1)
    if rows.shape[1] > 1:
        largest = torch.zeros_like(rows).scatter(1, rows.abs().argmax(1, keepdim=True), 1.0)
        yield "one element a row" if slope.ndim > 1 else "one element", slope.sign() * largest.reshape(slope.shape)
