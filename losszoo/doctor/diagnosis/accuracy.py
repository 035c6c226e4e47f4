"""Values that are finite and wrong: beside the same code in float64, ill-conditioning discounted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from losszoo.doctor.diagnosis.blame import in_float64
from losszoo.doctor.diagnosis.judge import symptom_of
from losszoo.doctor.effort import Effort
from losszoo.doctor.inputs.mutations import Change, Tag
from losszoo.doctor.inputs.probes import Probe
from losszoo.doctor.inputs.tensor_changes import changes_of, copies_of
from losszoo.doctor.subject.dtypes import computing_in
from losszoo.doctor.subject.input_kinds import Leaf, leaves_of
from losszoo.doctor.subject.subject import Leaves, Outcome, Subject, evaluate, forward
from losszoo.tracing.culprit import Blame
from losszoo.tracing.float64_shadow import Shadow
from losszoo.tracing.tape import Tape

# More than 1 % off is wrong ...
WRONG = 1e-2
# ... unless the true value moves by a fiftieth of that when the input moves by one unit in the last place.
_CONDITION = 50.0
_DRAWS = 4
# Of the effort.
SHARE = 0.75
# Beside an ordinary value this is next to nothing: an error there is judged only where a better form is known.
_SMALL = 1e-3


@dataclass(frozen=True)
class Inaccuracy:
    """A value that is wrong.

    Args:
        probe: the input.
        blame: where the digits were lost.
        small: the value is next to nothing beside an ordinary one.
        at_minimum: it is so since the loss is flat there: it falls with the square of the distance to its minimum.
    """

    probe: Probe
    blame: Blame
    small: bool
    at_minimum: bool


def accuracy_probes(subject: Subject) -> Iterator[Probe]:
    """Inputs that cost digits: near zero, far from it, nearly equal."""
    yield Probe("ordinary input", list(subject.leaves))
    small = [leaf for leaf in leaves_of(subject) if leaf.kind in ("real", "positive", "probability", "bounded")]
    leaves = [leaf for leaf in small if leaf.kind in ("real", "positive")]
    for size in (1e-2, 1e-4, 1e-6, 1e-8):
        yield _scaled(subject, [leaf.index for leaf in small], size)
        for leaf in small:
            yield _scaled(subject, [leaf.index], size)
    for offset in (1e2, 1e3, 1e4):
        shifted = list(subject.leaves)
        for leaf in leaves:
            shifted[leaf.index] = leaf.tensor + offset
            single = list(subject.leaves)
            single[leaf.index] = leaf.tensor + offset
            yield Probe(f"{leaf.name} shifted by {offset:g}", single)
        yield Probe(f"everything shifted by {offset:g}", shifted)
    for leaf in leaves:
        for other in leaves:
            yield from (_changed(subject, leaf, change) for change in copies_of(leaf, other))
        for change in changes_of(leaf):
            if change.tags & {Tag.IDENTICAL_ROWS, Tag.ENLARGED}:
                yield _changed(subject, leaf, change)


def _changed(subject: Subject, leaf: Leaf, change: Change) -> Probe:
    leaves = list(subject.leaves)
    leaves[leaf.index] = change.tensor
    return Probe(change.label, leaves, change.tags)


def _scaled(subject: Subject, indices: list[int], size: float) -> Probe:
    leaves = list(subject.leaves)
    for index in indices:
        leaves[index] = leaves[index] * size
    which = "everything" if len(indices) > 1 else "input"
    return Probe(f"{which} times {size:g}", leaves)


def inaccuracies(subject: Subject, clock: Effort) -> Iterator[Inaccuracy]:
    """Every probe whose value is wrong, and not for its own ill-conditioning, as far as the effort allows."""
    usual = evaluate(subject, subject.leaves, torch.float64, gradients=False)
    for probe in accuracy_probes(subject):
        if clock.over(SHARE):
            return
        found = _look(subject, probe, abs(usual.total))
        if found is not None:
            yield found


def _look(subject: Subject, probe: Probe, usual: float) -> Inaccuracy | None:
    rounded = [x.float() if isinstance(x, Tensor) and x.is_floating_point() else x for x in probe.leaves]
    if not is_inaccurate(subject, rounded):
        return None
    found = blame_inaccuracy(subject, rounded)
    if found is None:
        return None
    true = abs(evaluate(subject, rounded, torch.float64, gradients=False).total)
    small = true < _SMALL * usual
    return Inaccuracy(replace(probe, leaves=rounded), found, small, small and _is_flat(subject, rounded, true))


def _is_flat(subject: Subject, leaves: Leaves, true: float) -> bool:
    """Whether a tenth of the input gives about a hundredth of the value."""
    tenth = [x * 0.1 if isinstance(x, Tensor) and x.is_floating_point() else x for x in leaves]
    return abs(evaluate(subject, tenth, torch.float64, gradients=False).total) < true / 30


def _distance(one: Outcome, other: Outcome) -> float:
    assert one.values is not None
    assert other.values is not None
    return float((one.values.double() - other.values.double()).norm())


def _movement(subject: Subject, leaves: Leaves, wide: Outcome) -> float:
    """How far the true value moves when every input moves by one unit in the last place."""
    generator = torch.Generator().manual_seed(subject.seed)
    step = torch.finfo(torch.float32).eps
    moved = []
    for _ in range(_DRAWS):
        nudged = [
            x * (1 + step * torch.randn(x.shape, generator=generator, dtype=torch.float64))
            if isinstance(x, Tensor) and x.is_floating_point()
            else x
            for x in leaves
        ]
        other = evaluate(subject, nudged, torch.float64, gradients=False)
        moved.append(_distance(other, wide) if other.values is not None else 0.0)
    return max(moved)


def blame_inaccuracy(subject: Subject, leaves: Leaves, dtype: torch.dtype = torch.float32) -> Blame | None:
    """The operation whose inputs are right and whose result is not."""
    tape = Tape()
    with torch.enable_grad(), computing_in(subject.call, dtype) as (call, _):
        values, _ = forward(subject, call, leaves, dtype, tape)
    last = tape.maker(values)
    if last is None:
        return None
    shadow = Shadow(tape, in_float64(subject, leaves, dtype))
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
