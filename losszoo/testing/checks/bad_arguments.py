"""Wrong arguments: each is refused by an error that names it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch

from losszoo.errors import UsageError
from losszoo.losses.example_inputs import Batch
from losszoo.losses.signatures import TABLE
from losszoo.testing.check import check, require
from losszoo.testing.loss_under_test import NotApplicable, Subject
from losszoo.testing.ordinary_inputs import SAMPLED, learned_places

# The argument at fault, what is wrong with it, and the inputs.
Case = tuple[str, str, Batch]


@check()
def check_wrong_shapes(subject: Subject) -> None:
    """An input of a wrong shape or type is refused by its name."""
    loss = subject.make()
    for name, what, inputs in _misshapen(subject.signature, subject.batch()):
        must_refuse(name, what, lambda inputs=inputs: loss(*inputs))  # type: ignore[misc]


@check()
def check_wrong_numbers(subject: Subject) -> None:
    """A number that is out of range is refused by the name of its input, where a loss looks at numbers."""
    cases = list(_out_of_range(subject))
    if not cases:
        raise NotApplicable("every number is legal")
    loss = subject.make()
    for name, what, inputs in cases:
        must_refuse(name, what, lambda inputs=inputs: loss(*inputs))  # type: ignore[misc]


@check(signatures=SAMPLED)
def check_wrong_weights(subject: Subject) -> None:
    """A wrong weight, mask or denominator is refused by its name."""
    loss, inputs = subject.make(), subject.batch()
    right = {"weight": torch.ones(6), "mask": torch.ones(6) > 0, "denominator": 1.0}
    taken = [name for name, value in right.items() if _takes(subject, name, value)]
    if not taken:
        raise NotApplicable("it takes no weight, mask or denominator")
    for name in taken:
        for what, value in _WRONG[name].items():
            must_refuse(name, what, lambda name=name, value=value: loss(*inputs, **{name: value}))  # type: ignore[misc]


_WRONG: Mapping[str, Mapping[str, Any]] = {
    "weight": {
        "a list": [1.0] * 6,
        "one too many": torch.ones(7),
        "a negative number": torch.tensor([1.0, 1, -1, 1, 1, 1]),
        "NaN": torch.full((6,), torch.nan),
    },
    "mask": {"a list": [True] * 6, "numbers": torch.ones(6), "one too many": torch.ones(7, dtype=torch.bool)},
    "denominator": {"a negative number": -1.0, "NaN": torch.nan, "two numbers": torch.ones(2)},
}


def must_refuse(name: str, what: str, call: Callable[[], Any]) -> None:
    """Break the rule unless the call is refused by an error of ours that names the argument and the rule.

    Args:
        name: of the argument.
        what: was done to it.
        call: with the wrong argument.
    """
    advice = "leave the checks to losszoo.Loss; a loss that overrides forward must call it"
    rule = f"{name} ({what}) must be refused by a UsageError that says '{name} must ..., got ...'"
    try:
        call()
    except UsageError as error:
        require(bool(re.search(rf"\b{name} must .*(however|got)", str(error), re.DOTALL)), rule, str(error), advice)
    except Exception as error:  # what a loss without checks raises, somewhere inside
        require(False, rule, f"{type(error).__name__}: {error}", advice)
    else:
        require(False, rule, "it was taken", advice)


def _takes(subject: Subject, name: str, value: Any) -> bool:
    try:
        subject.must_take(**{name: value})
    except NotApplicable:
        return False
    return True


def _misshapen(signature: str, inputs: Batch) -> Iterator[Case]:
    names = TABLE[signature].arguments
    if signature == "penalty":
        yield "parameters", "a number", (3,)
        yield "parameters", "whole numbers", ([torch.ones(2, dtype=torch.int64)],)
        return
    yield "inputs", "one too many", (*inputs, *inputs, *inputs)
    yield "inputs", "none", ()
    for place, name in enumerate(names):
        yield name, "a list", _with(inputs, place, [1.0])
        if place in learned_places(signature):
            yield name, "whole numbers", _with(inputs, place, inputs[place].long())
        if name == "candidates":
            yield name, "one column less", _with(inputs, place, inputs[place][:, :-1])
        elif place > 0:
            yield name, "one row less", _with(inputs, place, inputs[place][:-1])
        if inputs[place].ndim > 1 and place == 0:
            yield name, "one dimension only", _with(inputs, place, inputs[place].flatten())


def _out_of_range(subject: Subject) -> Iterator[Case]:
    inputs = subject.batch()
    names = (*TABLE[subject.signature].arguments, *TABLE[subject.signature].optional)
    for place, what, value in _NUMBERS.get(subject.signature, ()):
        yield names[place], what, _with(inputs, place, torch.full_like(inputs[place], value))
    if subject.signature == "multiclass":
        yield "targets", "probabilities that do not sum to 1", (inputs[0], torch.full_like(inputs[0], 0.9))
    if subject.signature == "embedding":
        yield "labels", "multi-hot, of 2", (inputs[0], torch.full((6, 3), 2))
    if subject.expects == "probabilities":
        yield names[0], "a probability of 1.5", _with(inputs, 0, torch.full_like(inputs[0], 1.5))


_NUMBERS: Mapping[str, tuple[tuple[int, str, float], ...]] = {
    "binary": ((1, "a target of 1.5", 1.5), (1, "a target of -1", -1.0)),
    "multiclass": ((1, "a label of 93", 93), (1, "a label of -7", -7)),
    "regression": ((1, "a target of NaN", torch.nan),),
    "segmentation": ((1, "a target of 0.5", 0.5),),
    "pair": ((2, "a 2", 2.0),),
    "neighbors": ((4, "an index of 93", 93), (4, "an index of -2", -2)),
}


def _with(inputs: Batch, place: int, value: Any) -> Batch:
    return (*inputs[:place], value, *inputs[place + 1 :])
