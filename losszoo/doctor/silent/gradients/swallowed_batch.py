"""A NaN that the loss replaces by a constant: the batch trains nothing, and nobody is told."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from losszoo.doctor.diagnosis.blame import in_float64
from losszoo.doctor.diagnosis.causes import cause_of
from losszoo.doctor.diagnosis.failure import Failure
from losszoo.doctor.diagnosis.judge import symptom_of
from losszoo.doctor.diagnosis.search import Search
from losszoo.doctor.subject.answers import Outcome
from losszoo.doctor.subject.subject import Leaves, Subject, evaluate, record
from losszoo.tracing.culprit import Blame, culprit, is_broken

_FACTORS = (30.0, -30.0, 100.0, -100.0, 300.0, -300.0)


def look_for_swallowed_batches(subject: Subject, search: Search) -> None:
    """Larger inputs on which a number inside is not finite, and the value is a constant without a graph."""
    if evaluate(subject, subject.leaves).is_detached:
        return
    for label, leaves in _larger(subject):
        blame = _blame(subject, leaves) if _is_swallowed(evaluate(subject, leaves)) else None
        if blame is not None:
            cause = cause_of(blame, "nan-loss")
            failure = Failure(
                *(subject, label, "no-gradient", torch.float32, leaves, blame),
                shows=lambda other: _is_swallowed(evaluate(subject, other)) and _blame(subject, other) is not None,
                accept=lambda outcome: not outcome.is_detached and symptom_of(outcome) is None,
                said=(f"{cause}; the loss then gives a constant without a graph, so the batch trains nothing", ""),
            )
            search.add(failure)
            return


def _larger(subject: Subject) -> Iterator[tuple[str, Leaves]]:
    for factor in _FACTORS:
        leaves = [x * factor if index in subject.trained else x for index, x in enumerate(subject.leaves)]
        names = ", ".join(subject.names[:1]) if len(subject.trained) == 1 else "everything trained"
        yield f"{names} times {factor:g}", leaves


def _is_swallowed(outcome: Outcome) -> bool:
    return outcome.is_detached and symptom_of(outcome) is None


def _blame(subject: Subject, leaves: Leaves) -> Blame | None:
    """The operation at fault for the first number of the call that is not finite."""
    tape, _ = record(subject, leaves, torch.float32)
    broken = next(filter(is_broken, tape.records), None)
    if broken is None:
        return None
    return culprit(tape, broken.outputs[0], lambda: None, lambda: in_float64(subject, leaves, torch.float32))
