"""A term of the value that nothing is trained by: it was made a plain number, or detached, and then added."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch

from losszoo.doctor.diagnosis.failure import Failure
from losszoo.doctor.diagnosis.search import Search
from losszoo.doctor.remedies.one_line.keep_gradient import keep_gradient
from losszoo.doctor.silent.gradients.lost_gradient import (
    COMPARISONS,
    DETACHING,
    INDICES,
    NUMBERS,
    PIECEWISE,
    cuts_of,
    why_lost,
)
from losszoo.doctor.silent.gradients.no_gradient import trains_another
from losszoo.doctor.silent.recorded_call import Recording, differs, moves, recorded, tensors, with_moved
from losszoo.doctor.subject.input_kinds import Leaf, leaves_of
from losszoo.doctor.subject.subject import Leaves, Subject, evaluate
from losszoo.tracing.tape import Record, Site

# A weight shows in the gradients when it is moved; an addend does not, however far.
_STEPS = (1e-3, 1.0)
_MOST_SITES = 12
_SMALL = 1e-5
_SAME = 1e-4


def look_for_lost_terms(subject: Subject, search: Search) -> None:
    """Finds numbers that are added to the value, whose inputs are trained by everything but them."""
    recording = recorded(subject, subject.leaves, torch.float64)
    if recording is None or not recording.values.requires_grad or trains_another(recording):
        return
    told = {failure.site for failure in search.failures.values()}
    for leaf in (leaf for leaf in leaves_of(subject) if leaf.index in recording.sources):
        for cut, made in _steps(recording, leaf):
            if cut.site not in told and made.site not in told and _is_addend(subject, made.site):
                told |= {cut.site, made.site}
                _tell_step(subject, search, recording, leaf, cut, made)
        for record in _cuts(recording, leaf):
            if record.site not in told and _is_addend(subject, record.site) and not is_right(subject, leaf.index):
                told.add(record.site)
                _tell(subject, search, leaf, record)


def _cuts(recording: Recording, leaf: Leaf) -> list[Record]:
    """One operation for each line where a number is made of what has a gradient."""
    found = (r for r in cuts_of(recording, leaf.index) if moves(r) and r.site.op in (*NUMBERS, *DETACHING))
    once: dict[Site, Record] = {}
    for record in found:
        once.setdefault(record.site, record)
    return list(once.values())[:_MOST_SITES]


def _steps(recording: Recording, leaf: Leaf) -> Iterator[tuple[Record, Record]]:
    """The operations whose derivative is 0 everywhere or that have none, each with the first number made of it."""
    stepping, once = (*INDICES, *COMPARISONS, *PIECEWISE), set[Site]()
    for cut in cuts_of(recording, leaf.index):
        if cut.site.op in stepping and cut.site not in once and len(once) < _MOST_SITES:
            once.add(cut.site)
            made = cut if moves(cut) else _first_number(recording, cut)
            if made is not None and made.index in recording.reaching():
                yield cut, made


def _first_number(recording: Recording, cut: Record) -> Record | None:
    """The first operation that makes a floating number without a gradient of truth values or indices."""
    derived = set(map(id, tensors(cut.result)))
    for record in recording.tape.records[cut.index + 1 :]:
        if derived.intersection(map(id, tensors((record.args, record.kwargs)))):
            if moves(record):
                return None if any(x.requires_grad for x in record.outputs) else record
            derived.update(map(id, tensors(record.result)))
    return None


def _tell_step(subject: Subject, search: Search, recording: Recording, leaf: Leaf, cut: Record, made: Record) -> None:
    """A finding; where the author has detached something by hand on the way to it, or behind it, it may be meant."""
    said = f"a term of {leaf.name} adds to the value and to no gradient: {why_lost(cut)}"
    if any(record.site.op in DETACHING for record in recording.tape.records):
        search.note(f"{said}, which may be meant, at {cut.site.source}")
        return
    remedy = "leave the term out, or put a smooth form in its place: as it is, it changes the number and trains nothing"
    failure = Failure(
        *(subject, "ordinary input", "no-gradient", torch.float32, subject.leaves, None),
        shows=lambda leaves: _is_addend(subject.with_leaves(leaves), made.site),
        said=(said, remedy),
        site=cut.site,
    )
    search.add(failure)


def _is_addend(subject: Subject, site: Site) -> bool:
    """Whether the value moves with what is made there, and no gradient does."""
    usual = evaluate(subject, subject.leaves, torch.float64)
    for step in _STEPS:
        moved = with_moved(subject, subject.leaves, site, step)
        if moved.error is not None or not differs(usual.values, moved.values, 1e-7):
            return False
        if any(differs(a, b, 1e-7) for a, b in zip(usual.gradients, moved.gradients, strict=True)):
            return False
    return True


def is_right(subject: Subject, leaf: int) -> bool:
    """Whether the gradient of a leaf is the derivative of the value along a random line, by differences."""
    x = subject.leaves[leaf].double()
    line = torch.randn(x.shape, generator=torch.Generator().manual_seed(subject.seed), dtype=torch.float64)
    usual = evaluate(subject, subject.leaves, torch.float64)
    gradient = usual.gradients[sorted(subject.trained).index(leaf)]
    step = _SMALL * max(1.0, float(x.abs().max()))
    ends = [_moved(subject, leaf, x + sign * step * line) for sign in (1, -1)]
    true = (ends[0] - ends[1]) / (2 * step)
    own = 0.0 if gradient is None else float((gradient * line).sum())
    return abs(true - own) <= _SAME * max(abs(true), abs(own))


def _moved(subject: Subject, leaf: int, x: torch.Tensor) -> float:
    leaves: Leaves = list(subject.leaves)
    leaves[leaf] = x
    return evaluate(subject, leaves, torch.float64, gradients=False).total


def _tell(subject: Subject, search: Search, leaf: Leaf, record: Record) -> None:
    said = f"a term of {leaf.name} adds to the value and to no gradient: {why_lost(record)}"
    if record.site.op in DETACHING:
        search.note(f"{said}, which may be meant, at {record.site.source}")
        return
    failure = Failure(
        *(subject, "ordinary input", "no-gradient", torch.float32, subject.leaves, None),
        shows=lambda leaves: _is_addend(subject.with_leaves(leaves), record.site),
        said=(said, "use the tensor itself"),
        site=record.site,
        trial=partial(keep_gradient, subject, record, leaf.index),
    )
    search.add(failure)
