"""What kind of input a loss takes: by the names of its arguments, and by trial."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from losszoo.common.text import in_one_line
from losszoo.doctor.subject.answers import NoValueError, Outcome
from losszoo.doctor.subject.assumed.argument_trial import Trial, described, domain_by, trial_of
from losszoo.doctor.subject.assumed.code_use import uses
from losszoo.doctor.subject.example_call import takes
from losszoo.doctor.subject.hints import is_whole
from losszoo.doctor.subject.subject import Subject, evaluate, make_subject
from losszoo.errors import UsageError
from losszoo.losses.arguments import CheckContext
from losszoo.losses.introspection import fitting_signatures, infer_signature
from losszoo.losses.signatures import TABLE
from losszoo.losses.signatures.example_inputs import example_inputs
from losszoo.tracing.authors import raised_at
from losszoo.tracing.finite_check import spoilt

_OTHERS = (
    "where its inputs are others, give --example FILE:NAME, a function that returns one ordinary tuple of them "
    "(in Python example=)"
)


def assumed(loss: Any, label: str, expects: str | None, seed: int) -> Subject:
    """A loss with an ordinary batch that it accepts: of a signature whose names its arguments have, else by trial.

    Raises:
        UsageError: it gives no answer on any of them; says what was tried.
    """
    known = infer_signature(loss)
    candidates = (known,) if known else fitting_signatures(loss)
    candidates = tuple(name for name in candidates if takes(loss, len(TABLE[name].arguments)))
    subjects = {name: signature_subject(loss, name, expects, label, seed) for name in candidates}
    answers = {name: evaluate(subject, subject.leaves) for name, subject in subjects.items()}
    accepted = [name for name, outcome in answers.items() if outcome.error is None]
    subject = None
    chosen = known if known and accepted else _chosen(accepted, answers, subjects)
    if chosen:
        subject = _as_its_code_expects(subjects[chosen], expects)
        if _is_finite(evaluate(subject, subject.leaves)):
            return replace(subject, inferred=True) if known else _assumed(subject, f" ({subject.signature})")
    trial = trial_of(loss, label, seed)
    found = trial.find()
    if found is not None:
        return _assumed(found.subject)
    if subject is not None:
        return _assumed(subject, f" ({subject.signature})")
    raise _refusal(label, {name: x.error for name, x in answers.items() if x.error is not None}, trial)


def signature_subject(loss: Any, name: str, expects: str | None, label: str, seed: int) -> Subject:
    """A loss of the user's with the ordinary batch of a signature, in the form that a run calls its function with."""
    rules, expects = TABLE[name], expects or "logits"
    inputs = example_inputs(name, expects=expects, seed=seed)
    if rules.converts:
        context = CheckContext(expects)
        inputs = rules.function_inputs(rules.check(inputs, context), context)
    return make_subject(loss, inputs[: len(rules.arguments)], rules.names, name, expects, label, seed)


def _assumed(subject: Subject, whose: str = "") -> Subject:
    """The subject, which says what was assumed."""
    said = f"assumed: {described(subject)}{whose}; --example gives others"
    return replace(subject, remarks=(said,), assumed=True, inferred=True)


def _chosen(accepted: list[str], answers: Mapping[str, Outcome], subjects: Mapping[str, Subject]) -> str | None:
    """Of several signatures with the same names the one that the code shows; None where only a trial can tell."""
    names = [name for name in accepted if _is_finite(answers[name])] or accepted
    done = {name: uses(subjects[name]) for name in names}
    for name in names:
        first, second = done[name].get(0, set()), done[name].get(1, set())
        compares = {"difference"} <= first & second and not {"activated", "within one"} & (first | second)
        if (_has_classes(subjects[name]) and "index" in second) or (_is_real(subjects[name]) and compares):
            return name
    if any(_has_classes(subjects[name]) for name in names):  # labels that pick nothing are no classes
        names = [name for name in names if _has_labels(subjects[name]) and not _has_classes(subjects[name])]
    others = [name for name in names if not _is_real(subjects[name])]
    return next(iter(others or names), None)


def _has_labels(subject: Subject) -> bool:
    labels = (*subject.leaves, None, None)[1]
    return isinstance(labels, Tensor) and is_whole(labels)


def _has_classes(subject: Subject) -> bool:
    """Whether labels are as many as the columns beside them: classes, and not names of what is alike."""
    if not _has_labels(subject):
        return False
    scores, labels = subject.leaves[:2]
    return bool(scores.ndim == labels.ndim + 1 and int(labels.max()) + 1 == scores.shape[1])


def _is_real(subject: Subject) -> bool:
    """Whether the second tensor holds any numbers, as a target of regression does."""
    target = (*subject.leaves, None, None)[1]
    return isinstance(target, Tensor) and target.is_floating_point() and bool((target < 0).any())


def _as_its_code_expects(subject: Subject, expects: str | None) -> Subject:
    """With probabilities where the code takes those, and the caller has not said what it takes."""
    rules = TABLE[subject.signature]
    domain = None if expects else domain_by(uses(subject).get(0, set()))
    if domain not in rules.expects or domain in (None, subject.expects):
        return subject
    other = signature_subject(subject.call, subject.signature, domain, subject.target, subject.seed)
    outcome = evaluate(other, other.leaves)
    return _assumed(other) if _is_finite(outcome) else subject


def _is_finite(outcome: Outcome) -> bool:
    return outcome.error is None and not any(spoilt([outcome.values, *outcome.moved()]))


def refused(label: str, errors: Mapping[str, Exception]) -> UsageError:
    """Why a loss cannot be examined on its ordinary inputs, whichever they are: its own fault comes first."""
    for error in errors.values():
        if isinstance(error, NoValueError):
            return UsageError(f"{label}: {error}")
        if asks_for_gpu(error):
            place = raised_at(error)
            return UsageError(
                f"{label} needs a GPU, and is examined on the CPU: "
                + (f"{place} asks for CUDA ({place.text})" if place else "it asks for CUDA")
                + "; take the device of an input, as in device=logits.device"
            )
    once = {in_one_line(error): name for name, error in reversed(list(errors.items()))}
    said = "; ".join(f"on {name} it raises {text}" for text, name in reversed(once.items()))
    return UsageError(f"{label} must accept an ordinary input, and {said}; {_OTHERS}")


def _refusal(label: str, errors: Mapping[str, Exception], trial: Trial) -> UsageError:
    """What was tried, and what came of it."""
    told = dict(errors)
    if not told and trial.errors:
        told = {"the first batch of the trial": next(iter(trial.errors.values()))}
    own = [error for error in trial.errors.values() if isinstance(error, NoValueError)]
    if own and not trial.unusable:
        return refused(label, {"": own[0]})
    if told:
        return refused(label, told)
    tried = "; ".join(f"on {batch} it gives {what}" for batch, what in list(trial.unusable.items())[:3])
    return UsageError(f"{label} must give a finite value with a gradient on an ordinary input, and {tried}; {_OTHERS}")


def asks_for_gpu(error: BaseException) -> bool:
    """Whether torch's own start of CUDA has raised it."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return any(str(frame.f_globals.get("__name__", "")).startswith("torch.cuda") for frame in frames)
