"""A softmax over a dimension of size 1: it is 1 whatever it gets, and its gradient is 0 everywhere."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from losszoo.doctor.diagnosis.failure import Failure
from losszoo.doctor.diagnosis.search import Search
from losszoo.doctor.silent.recorded_call import Recording, recorded
from losszoo.doctor.subject.subject import Leaves, Subject, evaluate
from losszoo.tracing.tape import Record

_NORMALIZING = ("softmax", "log_softmax", "cross_entropy")
_REMEDY = (
    "of one column use torch.sigmoid, or torch.nn.functional.binary_cross_entropy_with_logits; of several classes give "
    "the softmax the dimension that they stand along"
)


def look_for_lone_classes(subject: Subject, search: Search) -> None:
    """Finds the softmax of a single number; where something else is trained, it may be so on purpose."""
    recording = recorded(subject, subject.leaves, torch.float32)
    record = _of_one(recording) if recording is not None else None
    if record is None:
        return
    made = "0" if record.site.op != "softmax" else "1"
    shape = tuple(record.args[0].shape)
    said = f"{record.site.op} goes over a dimension of size 1 of {shape}: it is {made} whatever it gets"
    if not _trains_nothing(subject, subject.leaves):
        search.note(f"{said}, and passes no gradient on, at {record.site.source}")
        return
    if _may_be_guessed(subject):
        search.leave_undone(
            f"{said}, at {record.site.source}, so no gradient reaches any input: what is called healthy needs an "
            "--example with more than one"
        )
        return
    failure = Failure(
        *(subject, "ordinary input", "no-gradient", torch.float32, subject.leaves, None),
        shows=lambda leaves: _shows(subject, leaves, record),
        said=(f"{said}, so no gradient reaches any input", _REMEDY),
        site=record.site,
    )
    search.add(failure)


def _may_be_guessed(subject: Subject) -> bool:
    """Whether the size of 1 may come of an argument that was assumed, and not of the loss itself."""
    guessed = subject.assumed or subject.inferred
    return guessed and any(isinstance(x, nn.Module) or (isinstance(x, Tensor) and 1 in x.shape) for x in subject.leaves)


def _of_one(recording: Recording) -> Record | None:
    """The first softmax of what is trained that has a single number along its dimension."""
    reaching = recording.reaching()
    found = (r for r in recording.tape.records if r.site.op in _NORMALIZING and r.index in reaching)
    return next((r for r in found if r.args and _is_of_one(r)), None)


def _is_of_one(record: Record) -> bool:
    x = record.args[0]
    if not isinstance(x, Tensor) or not any(y.requires_grad for y in record.outputs) or not x.numel() or not x.ndim:
        return False
    made = 1.0 if record.site.op == "softmax" else 0.0
    if not all(bool((y == made).all()) for y in record.outputs):  # under vmap the dimensions are others
        return False
    if record.site.op == "cross_entropy":
        return x.shape[min(1, x.ndim - 1)] == 1
    dim = record.argument("dim", 1)
    return isinstance(dim, int) and x.shape[dim] == 1


def _trains_nothing(subject: Subject, leaves: Leaves) -> bool:
    outcome = evaluate(subject, leaves, torch.float64)
    return outcome.error is None and not any(bool(gradient.ne(0).any()) for gradient in outcome.moved())


def _shows(subject: Subject, leaves: Leaves, record: Record) -> bool:
    recording = recorded(subject, leaves, torch.float32)
    found = _of_one(recording) if recording is not None else None
    return found is not None and found.site == record.site and _trains_nothing(subject, leaves)
