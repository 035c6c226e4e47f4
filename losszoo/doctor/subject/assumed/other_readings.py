"""Other batches that a loss may as well be called with, where nobody has said which: what is so must be so in each."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from losszoo.doctor.subject.assumed.argument_roles import role_of
from losszoo.doctor.subject.assumed.argument_trial import Accepted, trial_of
from losszoo.doctor.subject.assumed.code_use import ACTIVATIONS, uses
from losszoo.doctor.subject.assumed.ordinary_batches import Draw, frames
from losszoo.doctor.subject.hints import is_whole, watched
from losszoo.doctor.subject.subject import Subject, evaluate
from losszoo.doctor.subject.trained_leaves import leaf_names
from losszoo.tracing.finite_check import spoilt

# Each costs a search.
_MOST_OF_VALUES, _MOST_OF_SHAPES = 4, 3
# So many numbers tell no more than fewer, and a loss with loops takes long over them.
_LARGE = 1000

# Roles of which 0 and 1 are the only reading.
_OF_BITS = ("mask", "labels", "one-hot", "event", "flags")

Remade = Callable[[Tensor, torch.Generator], Tensor]

_OF_MODEL: tuple[tuple[str, Remade], ...] = (
    ("probabilities", lambda x, g: 0.05 + 0.9 * torch.rand(x.shape, generator=g)),
    ("", lambda x, g: x),
)
_OF_DATA: tuple[tuple[str, Remade], ...] = (
    ("bits", lambda x, g: (torch.rand(x.shape, generator=g) < 0.5).to(x.dtype)),
    ("positive", lambda x, g: 0.5 + torch.rand(x.shape, generator=g)),
    ("real", lambda x, g: torch.randn(x.shape, generator=g)),
    ("", lambda x, g: x),
)


def readings_of_values(subject: Subject, bounded: bool) -> Iterator[Subject]:
    """The same shapes with other ranges, as far as the code leaves them open and the loss accepts them.

    Args:
        subject: with a batch that was assumed.
        bounded: what a model gives may be probabilities.
    """
    done = uses(subject)
    floating = [i for i, x in enumerate(subject.leaves) if isinstance(x, Tensor) and x.is_floating_point()]
    closed = {i for i, words in done.items() if words & {"activated", "geometry", "log-probability"}}
    open_ones = [i for i in floating if i not in closed | _scores(subject)]
    model = [i for i in open_ones if i in subject.trained and bool((subject.leaves[i] < 0).any())]
    names = leaf_names(subject.inputs, subject.names)
    data = [i for i in open_ones if i not in subject.trained and subject.leaves[i].numel() > 1]
    data = [i for i in data if role_of(names[i]) not in _OF_BITS]
    made = itertools.product(_OF_MODEL if model and bounded else _OF_MODEL[1:], _OF_DATA if data else _OF_DATA[-1:])
    others = (_remade(subject, model, data, of_model, of_data) for of_model, of_data in made)
    yield from itertools.islice((other for other in others if other is not None), _MOST_OF_VALUES)


def _scores(subject: Subject) -> set[int]:
    """The leaves of which something goes into an exponential: they may have any size, as scores do."""
    try:
        tape, received = watched(subject)
    except Exception:  # readings are of losses that were called before
        return set()
    owners = {id(leaf): {i} for i, leaf in enumerate(received) if isinstance(leaf, Tensor)}
    found = set[int]()
    for record in tape.records:
        operands = [x for x in tree_leaves((record.args, record.kwargs)) if isinstance(x, Tensor)]
        made = set[int]().union(*(owners.get(id(x), set()) for x in operands))
        if record.site.op in ACTIVATIONS and operands:
            found |= owners.get(id(operands[0]), set()) & set(subject.trained)
        if isinstance(record.result, Tensor):
            owners[id(record.result)] = made | owners.get(id(record.result), set())
    return found


def _remade(
    subject: Subject, model: list[int], data: list[int], of_model: tuple[str, Remade], of_data: tuple[str, Remade]
) -> Subject | None:
    """None where that is the same reading, or one that the loss does not accept."""
    generator = torch.Generator().manual_seed(subject.seed + 1)
    leaves: list[Any] = list(subject.leaves)
    for index, (_, remake) in [*((i, of_model) for i in model), *((i, of_data) for i in data)]:
        leaves[index] = remake(leaves[index], generator)
    if not (of_model[0] or of_data[0]) or _kinds(leaves) == _kinds(subject.leaves):
        return None
    other = replace(subject.with_leaves(leaves), remarks=(), signature="")
    if of_model[0]:
        other = replace(other, within_one=other.within_one | frozenset(model))
    return other if _is_accepted(other) else None


def _kinds(leaves: list[Any]) -> list[str]:
    """In which range each tensor lies."""
    return [_range(x) if isinstance(x, Tensor) and x.is_floating_point() else "" for x in leaves]


def _range(x: Tensor) -> str:
    if bool(((x == 0) | (x == 1)).all()):
        return "0 and 1"
    if bool(((x >= 0) & (x <= 1)).all()):
        return "in [0, 1]"
    return "above 0" if bool((x > 0).all()) else "any"


def readings_of_shapes(subject: Subject) -> Iterator[Subject]:
    """The same kinds of tensors in other shapes."""
    trial = trial_of(subject.call, subject.target, subject.seed)

    def made(draw: Draw) -> Accepted | None:
        accepted = trial.made(draw)
        return (
            None
            if accepted is None or evaluate(accepted.subject, accepted.subject.leaves).error
            else trial.refined(accepted)
        )

    found = (first for frame in frames() if (first := _first(subject, made, frame)) is not None)
    yield from itertools.islice(found, _MOST_OF_SHAPES)


def readings_of_columns(subject: Subject) -> Iterator[Subject]:
    """The same numbers with a column of some tensor as a row, or the other way round."""
    for index, x in enumerate(subject.leaves):
        if not isinstance(x, Tensor) or not x.ndim:
            continue
        for other in [x.squeeze(-1)] if x.ndim > 1 and x.shape[-1] == 1 else [x.unsqueeze(-1)]:
            leaves = [*subject.leaves[:index], other, *subject.leaves[index + 1 :]]
            reading = replace(subject.with_leaves(leaves), remarks=(), signature="")
            if _is_accepted(reading):
                yield reading


def _first(subject: Subject, made: Callable[[Draw], Accepted | None], frame: Any) -> Subject | None:
    """The first batch of a frame that is of the same kinds and of another shape; a dim of 1 holds less than others."""
    if 1 in frame.full or len(frame.full) == 1 or frame.name.startswith("speech") or math.prod(frame.full) > _LARGE:
        return None
    for kind, place in itertools.product(("labels", "bits", "real", "positive", "whole"), (0, 1)):
        accepted = made(Draw(frame, kind, place, subject.seed))
        if accepted is None:
            continue
        other = accepted.subject
        if len(other.leaves) != len(subject.leaves) or _shapes(other) == _shapes(subject):
            continue
        alike = _dtypes(other) == _dtypes(subject) and _kinds(other.leaves) == _kinds(subject.leaves)
        if alike and _is_accepted(other):
            return replace(other, assumed=True, inferred=True)
    return None


def _shapes(subject: Subject) -> list[Any]:
    return [x.shape if isinstance(x, Tensor) else None for x in subject.leaves]


def _dtypes(subject: Subject) -> list[Any]:
    first = next(x for x in subject.leaves if isinstance(x, Tensor))
    return [(is_whole(x), x.ndim - first.ndim) if isinstance(x, Tensor) else type(x) for x in subject.leaves]


def _is_accepted(subject: Subject) -> bool:
    """Whether it has a finite value with a gradient there."""
    outcome = evaluate(subject, subject.leaves)
    finite = outcome.error is None and not any(spoilt([outcome.values, *outcome.moved()]))
    return finite and not outcome.is_detached
