"""A term of the value that nothing is trained by: it was made a plain number, or detached, and then added."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

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
from losszoo.tracing.tape import Record, Site, Tape

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
            if cut.site in told or made.site in told or _is_detached_by_hand(recording, made):
                continue
            if _is_addend(subject, made.site):
                told |= {cut.site, made.site}
                _tell_step(subject, search, leaf, cut, made)
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
    """The operations whose derivative is 0 everywhere or that have none, with each number that is made of them."""
    stepping, once = (*INDICES, *COMPARISONS, *PIECEWISE), set[Site]()
    reaching = recording.reaching()
    for cut in cuts_of(recording, leaf.index):
        if cut.site.op in stepping and cut.site not in once and len(once) < _MOST_SITES:
            once.add(cut.site)
            yield from ((cut, made) for made in _numbers_of(recording, cut) if made.index in reaching)


def _numbers_of(recording: Recording, cut: Record) -> list[Record]:
    """The operations that make floating numbers without a gradient of an operation's result, itself among them."""
    derived, found = set(map(id, tensors(cut.result))), [cut] if moves(cut) else []
    for record in recording.tape.records[cut.index + 1 :]:
        takes = derived.intersection(map(id, tensors((record.args, record.kwargs))))
        if takes and not any(x.requires_grad for x in record.outputs):
            derived.update(map(id, tensors(record.result)))
            found += [record] if moves(record) else []
    return found[:_MOST_SITES]


def _is_detached_by_hand(recording: Recording, made: Record) -> bool:
    """Whether a number was made of what is detached, or is detached itself: a shift, a straight-through gradient."""
    before, waiting, after = set[int](), [made], set(map(id, tensors(made.result)))
    while waiting:
        record = waiting.pop()
        if record.index not in before:
            before.add(record.index)
            makers = (recording.tape.maker(x, before=record.index) for x in tensors((record.args, record.kwargs)))
            waiting += [maker for maker in makers if maker is not None]
    for record in recording.tape.records[made.index + 1 :]:
        taken = tensors((record.args, record.kwargs))
        if after.intersection(map(id, taken)):
            after.update(map(id, tensors(record.result)))
            # hard + soft - soft.detach() meets what is detached.
            beside = (recording.tape.maker(x, before=record.index) for x in taken)
            if any(other is not None and other.site.op in DETACHING for other in (record, *beside)):
                return True
    return any(recording.tape.records[index].site.op in DETACHING for index in before)


class _Untrained(Tape):
    """Notes which operations run while no gradient is recorded."""

    def __init__(self) -> None:
        super().__init__(everything=True)
        self.sites: set[Site] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        count = len(self.records)
        result = super().__torch_function__(func, types, args, kwargs)
        if len(self.records) > count and not torch.is_grad_enabled():
            self.sites.add(self.records[-1].site)
        return result


def _tell_step(subject: Subject, search: Search, leaf: Leaf, cut: Record, made: Record) -> None:
    """A finding; not where no gradient is recorded on purpose, as in a metric or a custom function."""
    tape = _Untrained()
    evaluate(subject, subject.leaves, torch.float64, mode=tape, gradients=False)
    if cut.site in tape.sites:
        return
    said = f"a term of {leaf.name} adds to the value and to no gradient: {why_lost(cut)}"
    shapes = [x.shape for x in subject.leaves if isinstance(x, Tensor)]

    def shows(leaves: Leaves) -> bool:
        same = shapes == [x.shape for x in leaves if isinstance(x, Tensor)]  # of one class argmax is no step
        return same and _is_addend(subject.with_leaves(leaves), made.site)

    remedy = "leave the term out, or put a smooth form in its place: as it is, it changes the number and trains nothing"
    failure = Failure(
        *(subject, "ordinary input", "no-gradient", torch.float32, subject.leaves, None, shows),
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
