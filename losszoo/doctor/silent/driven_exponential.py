"""A learned number of the loss that descent takes to where its exponential overflows: a softplus written out."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import nn

from losszoo.doctor.diagnosis.failure import Failure
from losszoo.doctor.diagnosis.judge import symptom_of
from losszoo.doctor.diagnosis.search import Search
from losszoo.doctor.remedies.attempts import alike
from losszoo.doctor.remedies.one_line.one_site import OneSite
from losszoo.doctor.remedies.table import LOG_SPACE
from losszoo.doctor.silent.driven_parameters import learned_numbers, parameter_of
from losszoo.doctor.subject.answers import Outcome
from losszoo.doctor.subject.input_kinds import leaves_of
from losszoo.doctor.subject.subject import Leaves, Subject, evaluate, record
from losszoo.tracing.tape import Record, Tape

# exp of the last one overflows in float32.
_WAY = (20.0, 40.0, 60.0, 80.0, 88.0)
_BEYOND = 90.0
# Inputs so many times as large as the example's occur in training: features and targets that are not normalized.
_LARGER = (1.0, 10.0, 30.0)
# Less than this share of the gradient at the start does not drive a number on.
_DRIVES = 1e-4
_SAME = 1e-3


@dataclass(frozen=True)
class _Driven:
    """Where descent leads: the loss with one parameter there, and the input on which it does."""

    subject: Subject
    leaves: Leaves
    name: str
    larger: float
    made: Record
    tape: Tape


def look_for_driven_exponentials(subject: Subject, search: Search) -> None:
    """The exponential of a parameter, which is made larger and larger until it overflows."""
    if not learned_numbers(subject):
        return
    try:
        tape, _ = record(subject, subject.leaves, torch.float32)
    except Exception:  # told where the loss is evaluated
        return
    for made in tape.records:
        name = parameter_of(subject.call, tape, made.inputs[0]) if made.site.op == "exp" and made.inputs else None
        driven = _driven(subject, name, made, tape) if name is not None else None
        failure = _failure(subject, driven) if driven is not None else None
        if failure is not None:
            search.add(failure)
            return


def _driven(subject: Subject, name: str, made: Record, tape: Tape) -> _Driven | None:
    for larger, leaves in _larger(subject):
        start = _gradient(subject, name, leaves)
        least = _DRIVES * float(start.abs().max()) if start is not None and start.numel() else 0.0
        steps = [_gradient(_with(subject, name, value), name, leaves) for value in _WAY] if least > 0 else []
        if steps and all(g is not None and bool((g < -least).any() & g.isfinite().all()) for g in steps):
            return _Driven(_with(subject, name, _BEYOND), leaves, name, larger, made, tape)
    return None


def _larger(subject: Subject) -> Iterator[tuple[float, Leaves]]:
    """The example, and the same with all that may have any size larger."""
    scalable = {leaf.index for leaf in leaves_of(subject) if leaf.kind in ("real", "positive")}
    for factor in _LARGER:
        yield factor, [factor * x if i in scalable else x for i, x in enumerate(subject.leaves)]


def _with(subject: Subject, name: str, value: float) -> Subject:
    """The loss with every entry of a parameter at a value."""
    module = copy.deepcopy(subject.call)
    assert isinstance(module, nn.Module)
    with torch.no_grad():
        dict(module.named_parameters())[name].fill_(value)
    return replace(subject, call=module)


def _gradient(subject: Subject, name: str, leaves: Leaves) -> torch.Tensor | None:
    """Of a parameter; None where the loss is not finite, or does not depend on it."""
    outcome = evaluate(subject, leaves, torch.float32)
    assert isinstance(subject.call, nn.Module)
    names = [key for key, parameter in subject.call.named_parameters() if parameter.requires_grad]
    gradients = outcome.gradients[len(subject.trained) :]
    if outcome.error is not None or symptom_of(outcome) is not None or len(gradients) != len(names):
        return None
    return gradients[names.index(name)]


def _failure(subject: Subject, driven: _Driven) -> Failure | None:
    """The failure, where the true value is finite there."""
    symptom = symptom_of(evaluate(driven.subject, driven.leaves, torch.float32))
    truth = evaluate(driven.subject, driven.leaves, torch.float64)
    if symptom is None or truth.error is not None or symptom_of(truth) is not None:
        return None
    larger = f"on inputs {driven.larger:g} times as large " if driven.larger > 1 else ""
    cause = (
        f"exp of {driven.name}, which is learned: {larger}its gradient makes it larger all the way from {_WAY[0]:g} to "
        f"{_WAY[-1]:g}, and above 88.7 exp overflows in float32"
    )
    remedy = f"bound {driven.name} before exp, or use torch.nn.functional.softplus where log(1 + exp(...)) is meant"
    return Failure(
        driven.subject,
        f"{driven.name} at {_BEYOND:g}, where descent leads {larger}".rstrip(),
        symptom,
        torch.float32,
        driven.leaves,
        None,
        shows=lambda leaves: symptom_of(evaluate(driven.subject, leaves, torch.float32)) == symptom,
        said=(cause, remedy),
        site=driven.made.site,
        trial=lambda: _tried(subject, driven, truth, remedy),
    )


def _tried(subject: Subject, driven: _Driven, truth: Outcome, remedy: str) -> tuple[str, bool | None]:
    """A logarithm of the exponential as one operation, if it is right there and changes nothing on the example."""
    before = evaluate(subject, subject.leaves, torch.float32)
    for later in driven.tape.records[driven.made.index + 1 :]:
        if later.site.op != "log":
            continue
        form = OneSite(subject, later.site, LOG_SPACE)
        same = form.evaluate(subject.leaves)
        far = OneSite(driven.subject, later.site, LOG_SPACE).evaluate(driven.leaves)
        if same is not None and far is not None and alike(before, same, _SAME) and alike(truth, far, _SAME):
            return form.words, True
    return remedy, None
