"""A loss of torch that bounds a logarithm, behind an activation that saturates: finite, and wrong."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from losszoo.doctor.diagnosis.failure import Failure
from losszoo.doctor.diagnosis.search import Search
from losszoo.doctor.remedies.one_line.fused_form import activation_before, bound_before, fused_form
from losszoo.doctor.remedies.one_line.one_site import OneSite
from losszoo.doctor.subject.answers import Outcome
from losszoo.doctor.subject.subject import Leaves, Subject, evaluate, record
from losszoo.tracing.culprit import Blame

# The activation gets so much: float32 rounds a sigmoid to 1 from 17 on.
_SIZES = (20.0, -20.0, 40.0, -40.0)
_WRONG = 0.05
_SAME = 1e-3
# Less than this share of a gradient that counts is none.
_GONE = 1e-4
_PULLS = 1e-2


def look_for_saturated_fusion(subject: Subject, search: Search) -> None:
    """Finds it by the operation that computes both at once, and gives the true value."""
    try:
        tape, _ = record(subject, subject.leaves, torch.float32)
    except Exception:  # told where the loss is evaluated
        return
    for loss in tape.records:
        activation = activation_before(tape, loss)
        if activation is None:
            continue
        mended = fused_form(subject, loss.site)
        for label, leaves in _pushed(subject, activation.inputs[0]):
            said = _wrong(subject, mended, leaves)
            if said is None or not _cures(subject, mended, leaves):
                continue
            bound = bound_before(tape, loss)
            saturated = f"{activation.site.op} saturates in float32, and {loss.site.op} bounds its logarithm"
            if bound is not None:
                saturated = (
                    f"{activation.site.op} comes near 0 and 1, and {bound.site.op} at {bound.site.source} bounds the "
                    f"logarithm that {loss.site.op} takes of it"
                )
            if activation.site.op == "exp":
                saturated = f"exp falls below the epsilon that {loss.site.op} adds to it"
            failure = Failure(
                *(subject, label, "vanished-gradient", torch.float32, leaves),
                Blame(bound or activation, loss, "underflow", True, tape),
                shows=lambda other, mended=mended: _wrong(subject, mended, other) is not None,  # type: ignore[misc]
                said=(f"{saturated}: {said}", ""),
                trial=partial(_words, mended),
            )
            search.add(failure)
            return


def _words(mended: OneSite) -> tuple[str, bool | None]:
    return mended.words, True


def _pushed(subject: Subject, given: Tensor) -> Iterator[tuple[str, Leaves]]:
    """What is trained so large that the activation gets numbers of these sizes."""
    largest = float(given.detach().abs().max()) if given.numel() else 0.0
    for size in _SIZES if largest > 0 else ():
        factor = size / largest
        leaves = [x * factor if i in subject.trained else x for i, x in enumerate(subject.leaves)]
        yield f"what is trained times {factor:.3g}", leaves


def _wrong(subject: Subject, mended: OneSite, leaves: Leaves) -> str | None:
    """What is wrong with value or gradient on these leaves, in words; None where both are right."""
    narrow, true = evaluate(subject, leaves), mended.evaluate(leaves, torch.float64)
    if narrow.values is None or true is None or true.values is None or narrow.values.shape != true.values.shape:
        return None
    pairs = zip(narrow.gradients, true.gradients, strict=True)
    lost = sum(_lost(a, b) for a, b in pairs if a is not None and b is not None)
    off = abs(narrow.total - true.total) > _WRONG * abs(true.total)
    if not lost or not torch.isfinite(narrow.values).all():
        return None
    value = f"the value is {narrow.total:.4g} where the truth is {true.total:.4g}, and " if off else ""
    return f"{value}{lost} wrong answer{'s get' if lost > 1 else ' gets'} no gradient"


def _lost(gradient: Tensor, true: Tensor) -> int:
    """How many numbers have lost a gradient that counts."""
    true = true.double()
    pulls = true.abs() > _PULLS / true.numel()  # of a mean, or of a sum
    return int((pulls & (gradient.double().abs() < _GONE * true.abs())).sum())


def _cures(subject: Subject, mended: OneSite, leaves: Leaves) -> bool:
    """Whether it changes no ordinary input, and is right in float32 on this one."""
    usual, same = evaluate(subject, subject.leaves), mended.evaluate(subject.leaves)
    narrow, true = mended.evaluate(leaves), mended.evaluate(leaves, torch.float64)
    return _alike(usual, same) and _alike(narrow, true)


def _alike(one: Outcome | None, other: Outcome | None) -> bool:
    if one is None or other is None or one.values is None or other.values is None:
        return False
    pairs = [(one.values, other.values), *zip(one.gradients, other.gradients, strict=True)]
    return all(
        a is not None and b is not None and bool((a - b).double().norm() <= _SAME * b.double().norm() + 1e-7)
        for a, b in pairs
        if a is not None or b is not None
    )
