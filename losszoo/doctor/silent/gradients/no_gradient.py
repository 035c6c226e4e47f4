"""Inputs that move the value of a loss, and that no gradient reaches."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice

import torch
from torch import Tensor

from losszoo.common.timeouts import TimeUpError
from losszoo.doctor.diagnosis.failure import Failure
from losszoo.doctor.diagnosis.search import Search
from losszoo.doctor.inputs.tensor_changes import changes_of
from losszoo.doctor.remedies.one_line.keep_gradient import keep_gradient
from losszoo.doctor.silent.gradients.lost_gradient import cuts_of, why_lost
from losszoo.doctor.silent.recorded_call import Recording, differs, moves, recorded, with_moved
from losszoo.doctor.subject.answers import Outcome
from losszoo.doctor.subject.input_kinds import Leaf, leaves_of
from losszoo.doctor.subject.subject import Leaves, Subject, evaluate
from losszoo.tracing.tape import Record, nodes_under

_MOST_CHANGES = 16
_MOST_CUTS = 12
_STEP = 1e-3


def look_for_no_gradient(subject: Subject, search: Search) -> None:
    """Finds every trained input without a gradient; what others' gradients depend on may be so on purpose."""
    usual = _evaluated(subject, subject.leaves)
    if usual.values is None or not usual.values.numel():
        return
    dead = [leaf for leaf in leaves_of(subject) if leaf.index in _without_gradient(subject, usual)]
    if not dead:
        return
    if usual.is_detached and _tell_all(subject, search, dead[0]):
        return
    lasting = [leaf for leaf in dead if _stays_dead(subject, leaf, usual)]
    recording = _any_recording(subject) if lasting else None
    if recording is not None:
        nothing = len(lasting) == len(usual.gradients) and not trains_another(recording)
        for leaf in lasting[:1] if nothing else lasting:
            _judge(subject, search, leaf, recording, usual, nothing)


def _any_recording(subject: Subject) -> Recording | None:
    return recorded(subject, subject.leaves, torch.float64) or recorded(subject, subject.leaves, torch.float32)


def _tell_all(subject: Subject, search: Search, leaf: Leaf) -> bool:
    """Whether the value has no graph at all, or one that ends in nothing that is trained: then it is told."""
    try:
        recording = _any_recording(subject)
        if recording is not None and trains_another(recording):
            return False
        record = _culprit(subject, recording, leaf) if recording is not None else None
    except TimeUpError:  # what is certain is told all the same
        _tell(subject, search, leaf, None, None, "no gradient reaches any input")
        raise
    _tell(subject, search, leaf, recording, record, "no gradient reaches any input")
    return True


def _judge(subject: Subject, search: Search, leaf: Leaf, recording: Recording, usual: Outcome, nothing: bool) -> None:
    """A finding where nothing is trained, or where the input trains nothing by its influence on others either."""
    record = _culprit(subject, recording, leaf)
    if nothing:
        _tell(subject, search, leaf, recording, record, "no gradient reaches any input")
    elif not trains_another(recording) and not _steers(subject, leaf, usual):
        _tell(subject, search, leaf, recording, record, f"{leaf.name} moves the value and gets no gradient")
    elif record is not None:
        search.note(f"{leaf.name} gets no gradient, which may be meant: {why_lost(record)}, at {record.site.source}")


def _tell(
    subject: Subject, search: Search, leaf: Leaf, recording: Recording | None, record: Record | None, said: str
) -> None:
    why = why_lost(record) if record is not None else "the value is detached from all of them, or a constant"
    made = _new_leaf(recording) if recording is not None else None
    if made is not None and made is not record:
        why += f"; backward runs all the same, since {made.site.op} at {made.site.source} makes a new leaf"

    def shows(leaves: Leaves) -> bool:
        return leaf.index in _without_gradient(subject, evaluate(subject, leaves, torch.float32))

    failure = Failure(
        *(subject, "ordinary input", "no-gradient", torch.float32, subject.leaves, None, shows),
        said=(f"{said}: {why}", "compute the value from the tensors, with operations that have a derivative"),
        site=record.site if record is not None else None,
        trial=partial(keep_gradient, subject, record, leaf.index) if record is not None else None,
    )
    search.add(failure)


def trains_another(recording: Recording) -> bool:
    """Whether the graph ends in a tensor that is neither an input, nor learned by the loss, nor made in the call."""
    known = {id(x) for x in (*recording.sources.values(), *recording.learned)}
    return any(id(x) not in known and recording.tape.maker(x) is None for x in _ends(recording))


def _new_leaf(recording: Recording) -> Record | None:
    """The operation that made a tensor in which the graph ends."""
    return next((made for x in _ends(recording) if (made := recording.tape.maker(x)) is not None), None)


def _ends(recording: Recording) -> list[Tensor]:
    """The tensors whose gradients backward would fill in."""
    root = recording.values.grad_fn
    if root is None:
        return [recording.values] if recording.values.requires_grad else []
    return [node.variable for node in nodes_under(root) if hasattr(node, "variable")]


def _steers(subject: Subject, leaf: Leaf, usual: Outcome) -> bool:
    """Whether the gradient of anything else depends on a leaf: a target and a teacher do nothing but that."""
    place = sorted(subject.trained).index(leaf.index)
    for leaves in _changed(subject, leaf):
        outcome = _evaluated(subject, leaves)
        pairs = list(zip(outcome.gradients, usual.gradients, strict=False))
        if any(differs(a, b) for i, (a, b) in enumerate(pairs) if i != place):
            return True
    return False


def _culprit(subject: Subject, recording: Recording, leaf: Leaf) -> Record | None:
    """The first operation where the gradient is lost, and whose result the value depends on."""
    cuts = list(islice(cuts_of(recording, leaf.index), _MOST_CUTS))
    reaching = recording.reaching()
    for record in cuts:
        if record.index in reaching and not moves(record):
            return record
        if moves(record) and _counts(subject, record):
            return record
    return next(iter(cuts), None)


def _counts(subject: Subject, record: Record) -> bool:
    """Whether the value changes with what an operation gives."""
    usual, moved = _evaluated(subject, subject.leaves), with_moved(subject, subject.leaves, record.site, _STEP)
    return moved.error is None and differs(usual.values, moved.values)


def _evaluated(subject: Subject, leaves: Leaves) -> Outcome:
    """In float64, where nothing underflows; in float32 where the loss takes no other."""
    wide = evaluate(subject, leaves, torch.float64)
    return evaluate(subject, leaves, torch.float32) if wide.error is not None else wide


def _without_gradient(subject: Subject, outcome: Outcome) -> list[int]:
    """Trained leaves whose gradient is not there, or 0 everywhere."""
    gradients = zip(sorted(subject.trained), outcome.gradients, strict=False)
    return [leaf for leaf, gradient in gradients if gradient is None or not bool(gradient.ne(0).any())]


def _changed(subject: Subject, leaf: Leaf) -> Iterator[Leaves]:
    """Legal other values of one leaf, of ordinary size first."""
    generator = torch.Generator().manual_seed(subject.seed)
    x = leaf.tensor
    size = float(x.double().std()) if x.numel() > 1 else 1.0
    noise = torch.randn(x.shape, generator=generator, dtype=torch.float64).to(x.dtype) * max(size, 0.1)
    own = [x + noise, x - noise, -x, x * 3, x * 0.3, x.roll(1, 0) if x.ndim else x + 1]
    drawn = [change.tensor for change in islice(changes_of(leaf), _MOST_CHANGES - len(own))]
    for tensor in [*(t for t in own if leaf.legal(t)), *drawn]:
        changed = list(subject.leaves)
        changed[leaf.index] = tensor
        yield changed


def _stays_dead(subject: Subject, leaf: Leaf, usual: Outcome) -> bool:
    """Whether the value depends on a leaf, and no value of the leaf has a gradient."""
    depends = False
    for leaves in _changed(subject, leaf):
        outcome = _evaluated(subject, leaves)
        if outcome.values is None or not bool(outcome.values.isfinite().all()):
            continue
        if leaf.index not in _without_gradient(subject, outcome):
            return False
        depends = depends or differs(outcome.values, usual.values)
    return depends
