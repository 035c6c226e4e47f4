"""Values that are finite and wrong: beside the same code in float64, ill-conditioning discounted."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import chain

import torch
from torch import Tensor

from losszoo.doctor.diagnosis.blame import in_float64
from losszoo.doctor.diagnosis.failure import Failure, failure_by
from losszoo.doctor.diagnosis.judge import symptom_of
from losszoo.doctor.effort import Effort
from losszoo.doctor.inputs.mutations import Tag
from losszoo.doctor.inputs.probes import Probe, changed, ordinary
from losszoo.doctor.inputs.tensor_changes import changes_of, copies_of
from losszoo.doctor.subject.answers import Outcome
from losszoo.doctor.subject.input_kinds import leaves_of
from losszoo.doctor.subject.subject import Leaves, Subject, cast, evaluate, is_floating, record
from losszoo.tracing.culprit import Blame
from losszoo.tracing.float64_shadow import Shadow

# More than 1 % off is wrong ...
WRONG = 1e-2
# ... unless the true value moves by a fiftieth of that when the input moves by one unit in the last place.
_CONDITION = 50.0
_DRAWS = 4
# Of the effort.
SHARE = 0.75
# Beside an ordinary value this is next to nothing: an error there is judged only where a better form is known.
_SMALL = 1e-3


def accuracy_probes(subject: Subject) -> Iterator[Probe]:
    """Inputs that cost digits: near zero, far from it, nearly equal."""
    yield ordinary(subject)
    scalable = [leaf for leaf in leaves_of(subject) if leaf.kind in ("real", "positive", "probability", "bounded")]
    leaves = [leaf for leaf in scalable if leaf.kind in ("real", "positive")]
    for size in (1e-2, 1e-4, 1e-6, 1e-8):
        for chosen in (scalable, *([leaf] for leaf in scalable)):
            which = "everything" if len(chosen) > 1 else "input"
            yield changed(subject, f"{which} times {size:g}", {leaf.index: leaf.tensor * size for leaf in chosen})
    for offset in (1e2, 1e3, 1e4):
        shifted = {leaf.index: leaf.tensor + offset for leaf in leaves}
        for leaf in leaves:
            yield changed(subject, f"{leaf.name} shifted by {offset:g}", {leaf.index: shifted[leaf.index]})
        yield changed(subject, f"everything shifted by {offset:g}", shifted)
    for leaf in leaves:
        large = (change for change in changes_of(leaf) if change.tags & {Tag.IDENTICAL_ROWS, Tag.ENLARGED})
        for label, tensor, tags in chain(*(copies_of(leaf, other) for other in leaves), large):
            yield changed(subject, label, {leaf.index: tensor}, tags)


def inaccuracies(subject: Subject, clock: Effort) -> Iterator[Failure]:
    """Every probe whose value is wrong, and not for its own ill-conditioning, as far as the effort allows."""
    usual = abs(evaluate(subject, subject.leaves, torch.float64, gradients=False).total)
    for probe in accuracy_probes(subject):
        if clock.over(SHARE):
            return
        leaves = cast(probe.leaves, torch.float32)
        culprit = blame_inaccuracy(subject, leaves) if is_inaccurate(subject, leaves) else None
        if culprit is not None and not _is_at_minimum(subject, leaves, usual):
            rounded = Probe(probe.label, leaves, probe.tags)
            yield failure_by(partial(is_inaccurate, subject), subject, rounded, "inaccurate", culprit)


def _is_at_minimum(subject: Subject, leaves: Leaves, usual: float) -> bool:
    """Whether the value is next to nothing, and a tenth of the input gives about a hundredth of it."""
    true = abs(evaluate(subject, leaves, torch.float64, gradients=False).total)
    if true >= _SMALL * usual:
        return False
    tenth = [x * 0.1 if is_floating(x) else x for x in leaves]
    return abs(evaluate(subject, tenth, torch.float64, gradients=False).total) < true / 30


def _distance(one: Outcome, other: Outcome) -> float:
    assert one.values is not None
    assert other.values is not None
    return float((one.values.double() - other.values.double()).norm())


def _movement(subject: Subject, leaves: Leaves, wide: Outcome) -> float:
    """How far the true value moves when every input moves by one unit in the last place."""
    generator = torch.Generator().manual_seed(subject.seed)
    step = torch.finfo(torch.float32).eps

    def nudge(x: Tensor) -> Tensor:
        return x * (1 + step * torch.randn(x.shape, generator=generator, dtype=torch.float64))

    moved = []
    for _ in range(_DRAWS):
        nudged = [nudge(x) if is_floating(x) else x for x in leaves]
        other = evaluate(subject, nudged, torch.float64, gradients=False)
        moved.append(_distance(other, wide) if other.values is not None else 0.0)
    return max(moved)


def blame_inaccuracy(subject: Subject, leaves: Leaves) -> Blame | None:
    """The operation whose inputs are right and whose result is not."""
    tape, values = record(subject, leaves, torch.float32)
    last = tape.maker(values)
    if last is None:
        return None
    shadow = Shadow(tape, in_float64(subject, leaves, torch.float32))
    culprit = shadow.first_parted(last) if shadow.aligned else None
    return None if culprit is None else Blame(culprit, culprit, shadow.reason(culprit), False, tape)


def is_inaccurate(subject: Subject, leaves: Leaves, outcome: Outcome | None = None) -> bool:
    """Whether a value, or that outcome of a mended form, is wrong there."""
    narrow = outcome or evaluate(subject, leaves, torch.float32, gradients=False)
    wide = evaluate(subject, leaves, torch.float64, gradients=False)
    if narrow.values is None or wide.values is None or symptom_of(narrow) or symptom_of(wide):
        return False
    if narrow.values.shape != wide.values.shape:
        return True
    off, true = _distance(narrow, wide), float(wide.values.double().norm())
    return off > WRONG * true > 0 and (outcome is not None or off > _CONDITION * _movement(subject, leaves, wide))
