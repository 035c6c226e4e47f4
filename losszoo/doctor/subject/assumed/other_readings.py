"""Other batches that a loss may as well be called with, where nobody has said which: what is so must be so in each."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from losszoo.doctor.subject.assumed.argument_trial import Accepted, trial_of
from losszoo.doctor.subject.assumed.code_use import uses
from losszoo.doctor.subject.assumed.ordinary_batches import Draw, frames
from losszoo.doctor.subject.hints import is_whole
from losszoo.doctor.subject.subject import Subject, evaluate
from losszoo.tracing.finite_check import spoilt

# Each costs a search.
_MOST_OF_VALUES, _MOST_OF_SHAPES = 4, 3

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


def readings_of_values(subject: Subject) -> Iterator[Subject]:
    """The same shapes with other ranges, as far as the code leaves them open and the loss accepts them."""
    done = uses(subject)
    floating = [i for i, x in enumerate(subject.leaves) if isinstance(x, Tensor) and x.is_floating_point()]
    open_ones = [i for i in floating if not done.get(i, set()) & {"activated", "geometry", "log-probability"}]
    model = [i for i in open_ones if i in subject.trained and bool((subject.leaves[i] < 0).any())]
    data = [i for i in open_ones if i not in subject.trained and subject.leaves[i].numel() > 1]
    made = itertools.product(_OF_MODEL if model else _OF_MODEL[1:], _OF_DATA if data else _OF_DATA[-1:])
    others = (_remade(subject, model, data, of_model, of_data) for of_model, of_data in made)
    yield from itertools.islice((other for other in others if other is not None), _MOST_OF_VALUES)


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
    found = (first for frame in frames() if (first := _first(subject, trial.made, frame)) is not None)
    yield from itertools.islice(found, _MOST_OF_SHAPES)


def _first(subject: Subject, made: Callable[[Draw], Accepted], frame: Any) -> Subject | None:
    """The first batch of a frame that is of the same kinds and of another shape; a dim of 1 holds less than others."""
    if 1 in frame.full or len(frame.full) == 1:
        return None
    for kind, place in itertools.product(("labels", "bits", "real", "positive", "whole"), (0, 1)):
        other = made(Draw(frame, kind, place, subject.seed)).subject
        if len(other.leaves) != len(subject.leaves) or _shapes(other) == _shapes(subject):
            continue
        alike = _dtypes(other) == _dtypes(subject) and _kinds(other.leaves) == _kinds(subject.leaves)
        if alike and _is_accepted(other):
            return replace(other, assumed=True, inferred=True)
    return None


def _shapes(subject: Subject) -> list[Any]:
    return [x.shape if isinstance(x, Tensor) else None for x in subject.leaves]


def _dtypes(subject: Subject) -> list[Any]:
    return [is_whole(x) if isinstance(x, Tensor) else type(x) for x in subject.leaves]


def _is_accepted(subject: Subject) -> bool:
    """Whether it has a finite value with a gradient there."""
    outcome = evaluate(subject, subject.leaves)
    finite = outcome.error is None and not any(spoilt([outcome.values, *outcome.moved()]))
    return finite and not outcome.is_detached
