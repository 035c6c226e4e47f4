"""A backward written by hand that is not the derivative of its forward."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from losszoo.doctor.diagnosis.failure import Failure
from losszoo.doctor.diagnosis.search import Search
from losszoo.doctor.remedies.one_line.right_backward import ADVICE, right_backward
from losszoo.doctor.silent.gradients.custom_function import Slopes, exchanged, functions_of, slopes_of
from losszoo.doctor.silent.recorded_call import recorded
from losszoo.doctor.subject.subject import Subject
from losszoo.tracing.authors import Place
from losszoo.tracing.tape import Site

_SAME = 1e-3
# An approximate derivative, as of an iteration that is broken off, is no fault by itself.
_FAR = 0.05
_FEW = 3


@dataclass(frozen=True)
class Judgement:
    """What is to be said of a backward; nothing where it is right.

    Args:
        cause: of a finding.
        note: where it may be meant.
        factor: between it and the derivative; None where the incoming gradient is missing, or no factor does it.
        without_incoming: the gradient that comes in is left out.
    """

    cause: str = ""
    note: str = ""
    factor: float | None = None
    without_incoming: bool = False


def look_for_wrong_backward(subject: Subject, search: Search) -> None:
    """Finds it; where forward has no derivative, or is the identity, another backward is meant: a note."""
    recording = recorded(subject, subject.leaves, torch.float64)
    if recording is None or recording.values.grad_fn is None:
        return
    for function in functions_of(recording):
        if function.__module__.partition(".")[0] == "torch":
            continue
        for judgement in map(_judged, slopes_of(subject, function)):
            if judgement.note:
                search.note(f"the backward of {function.__name__} {judgement.note}")
            if judgement.cause:
                _tell(subject, search, function, judgement)
                break


def _judged(slopes: Slopes) -> Judgement:
    own, true = slopes.own, slopes.true
    wrong = (own - true).abs() > _SAME * torch.maximum(own.abs(), true.abs()) + 1e-6
    if not bool(wrong.any()):
        return Judgement()
    if slopes.identity:
        return Judgement(note="changes the gradient of what forward leaves as it is, which may be meant (reversal)")
    if bool((true[wrong].abs() < 1e-9).all()):
        return Judgement(note="gives a gradient where forward is constant, which may be meant (straight-through)")
    if _is_clipped(own, true, wrong):
        return Judgement(note="gives a smaller gradient at some places, which may be meant (clipping, masking)")
    if bool(own.ne(0).any()) and torch.allclose(slopes.own_tripled, own, _SAME):
        cause = "leaves out the gradient that comes in: a weight in front of the loss, or a mean, changes nothing"
        return Judgement(cause, without_incoming=True)
    ratio = ratio_of(slopes)
    if ratio is not None and abs(ratio - 1) >= _FAR:
        flipped = abs(ratio + 1) < _SAME
        cause = (
            "gives minus the derivative of forward" if flipped else f"gives {ratio:.4g} times the derivative of forward"
        )
        return Judgement(cause, factor=ratio)
    off = float((own - true).norm() / true.norm())
    if off < _FAR:
        return Judgement(note=f"is {100 * off:.2g} % off the derivative of forward")
    worst = int((own - true).abs().argmax())
    return Judgement(f"gives {float(own[worst]):.4g} where differences of forward give {float(true[worst]):.4g}")


def _is_clipped(own: Tensor, true: Tensor, wrong: Tensor) -> bool:
    """Whether it is of the right sign and smaller wherever it is wrong; and right elsewhere, or of one size."""
    right = ~wrong & true.ne(0)
    smaller = (own.abs() <= true.abs()) & (own * true >= 0)
    sizes = own[wrong].abs()
    at_bound = bool(((sizes - sizes.max()).abs() <= _SAME * sizes.max()).all()) and len(sizes) > _FEW
    return (bool(right.any()) or at_bound) and bool(smaller[wrong].all())


def ratio_of(slopes: Slopes) -> float | None:
    """The one factor between backward and the derivative, if there is one."""
    counted = slopes.true.abs() > 1e-3 * slopes.true.abs().max()
    ratios = slopes.own[counted] / slopes.true[counted]
    middle = float(ratios.median())
    constant = bool(((ratios - middle).abs() <= _SAME * abs(middle)).all())
    return middle if constant and middle != 0 and len(ratios) >= min(_FEW, len(slopes.true)) else None


def _tell(subject: Subject, search: Search, function: Any, judgement: Judgement) -> None:
    site = Site(function.__name__, _last_line(function))
    mends = judgement.without_incoming or judgement.factor is not None
    failure = Failure(
        *(subject, "ordinary input", "wrong-gradient", torch.float32, subject.leaves, None),
        shows=partial(_is_wrong, subject, function),
        said=(f"the backward of {function.__name__} {judgement.cause}", ADVICE),
        site=site,
        trial=partial(right_backward, function, site, judgement.factor, partial(_is_right, subject, function))
        if mends
        else None,
    )
    search.add(failure)


def _is_wrong(subject: Subject, function: Any, leaves: Any) -> bool:
    return any(_judged(slopes).cause for slopes in slopes_of(subject.with_leaves(leaves), function))


def _is_right(subject: Subject, function: Any, backward: Any) -> bool:
    """Whether another backward is the derivative of forward."""
    with exchanged(function, "backward", backward, own="backward" in vars(function)):
        found = slopes_of(subject, function)
    return bool(found) and all(_judged(slopes) == Judgement() for slopes in found)


def _last_line(function: Any) -> Place | None:
    """Where backward returns."""
    code = getattr(inspect.unwrap(function.backward), "__code__", None)
    if code is None:
        return None
    return Place(code.co_filename, max(line for _, _, line in code.co_lines() if line is not None))
