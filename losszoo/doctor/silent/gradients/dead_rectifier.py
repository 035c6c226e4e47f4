"""A rectifier on the outputs of a classifier inside the loss: a row of negative outputs gets no gradient at all."""

from __future__ import annotations

import torch
from torch import Tensor

from losszoo.doctor.diagnosis.failure import Failure
from losszoo.doctor.diagnosis.relaxed import CLAMPS, bounds_of, is_of_one_input
from losszoo.doctor.diagnosis.search import Search
from losszoo.doctor.silent.recorded_call import recorded
from losszoo.doctor.subject.input_kinds import Leaf, leaves_of
from losszoo.doctor.subject.subject import Leaves, Subject, evaluate
from losszoo.tracing.tape import Record

# Where descent leads from positive outputs, in one step of these sizes.
_STEPS = (1.0, 3.0, 10.0)
# The other answer is better by this share at least.
_BETTER = 0.1


def look_for_dead_rectifiers(subject: Subject, search: Search) -> None:
    """Outputs of both signs, one for each class, that a relu takes the gradient of where all of a row are negative."""
    outputs = _outputs(subject)
    recording = recorded(subject, subject.leaves, torch.float32) if outputs is not None else None
    if outputs is None or recording is None:
        return
    derived = recording.derived(outputs.index)
    for made in recording.tape.records:
        if (
            not _is_rectifier(made)
            or id(made.inputs[0]) not in derived
            or not is_of_one_input(recording.tape, made.inputs[0])
        ):
            continue
        if _is_dead(subject, outputs, subject.leaves):
            search.add(_failure(subject, outputs, made))
        return


def _outputs(subject: Subject) -> Leaf | None:
    """The only trained tensor, with a number for each class, beside labels or their one-hot form."""
    leaves = leaves_of(subject)
    trained = [leaf for leaf in leaves if leaf.index in subject.trained and leaf.floating]
    if len(trained) != 1 or trained[0].kind != "real" or trained[0].tensor.ndim != 2 or trained[0].tensor.shape[1] < 2:
        return None
    x = trained[0].tensor
    picks = subject.picking
    labels = [leaf for leaf in leaves if leaf.kind == "label" and leaf.tensor.shape == x.shape[:1]]
    labels = [leaf for leaf in labels if picks is None or leaf.index in picks]
    shares = [leaf for leaf in leaves if leaf.kind in ("bits", "simplex") and leaf.tensor.shape == x.shape]
    whole = any(bool((leaf.tensor.sum(1) == 1).all()) for leaf in shares if leaf.kind == "bits")
    ordinary = bool((x > 0).any() & (x < 0).any())
    return trained[0] if ordinary and (labels or whole or any(leaf.kind == "simplex" for leaf in shares)) else None


def _is_rectifier(made: Record) -> bool:
    return made.site.op in CLAMPS and bool(made.inputs) and bounds_of(made) == (0.0, None)


def _is_dead(subject: Subject, outputs: Leaf, leaves: Leaves) -> bool:
    """Whether rows of negative outputs have no gradient, and a better answer."""
    return _lost(subject, outputs, leaves) is not None


def _lost(subject: Subject, outputs: Leaf, leaves: Leaves) -> tuple[float, float] | None:
    """The loss of rows of negative outputs, where they have no gradient, and the better one of other rows."""
    x = leaves[outputs.index].double()
    dead = _negative(leaves, outputs)
    there = evaluate(subject, dead, torch.float32)
    gradients = there.gradients[: len(subject.trained)]
    if there.error is not None or not gradients or gradients[0] is None or bool((gradients[0] != 0).any()):
        return None
    alive: Leaves = [*leaves]
    alive[outputs.index] = x.abs() + 1
    start = evaluate(subject, alive, torch.float64)
    slope = start.gradients[0] if start.gradients else None
    if slope is None or not bool(slope.isfinite().all() & (slope != 0).any()):
        return None
    values = []
    for step in _STEPS:
        alive[outputs.index] = (x.abs() + 1 - step * slope.sign()).clamp(min=0.0)
        values.append(evaluate(subject, alive, torch.float64, gradients=False).total)
    best = min(values)
    return (there.total, best) if best < there.total - _BETTER * abs(there.total) else None


def _negative(leaves: Leaves, outputs: Leaf) -> Leaves:
    """The outputs with every number below 0."""
    dead: Leaves = [*leaves]
    dead[outputs.index] = -leaves[outputs.index].abs() - 1
    return dead


def _failure(subject: Subject, outputs: Leaf, made: Record) -> Failure:
    x: Tensor = outputs.tensor
    lost = _lost(subject, outputs, subject.leaves)
    assert lost is not None
    cause = (
        f"{made.site.op} passes no gradient below 0: a row of {outputs.name} with {x.shape[1]} negative numbers gets "
        f"none (the loss is {lost[0]:.4g} there, and {lost[1]:.4g} can be reached), and {int((x < 0).sum())} of "
        f"{x.numel()} numbers of the ordinary input are negative"
    )
    remedy = (
        f"write torch.nn.functional.softplus(...) instead of {made.site.op}(...): it is positive too, and has a "
        "gradient everywhere"
    )
    return Failure(
        subject,
        f"{outputs.name} all negative",
        "vanished-gradient",
        torch.float32,
        _negative(subject.leaves, outputs),
        None,
        shows=lambda leaves: bool((leaves[outputs.index] < 0).all()) and _is_dead(subject, outputs, leaves),
        said=(cause, remedy),
        site=made.site,
        trial=lambda: (remedy, None),
    )
