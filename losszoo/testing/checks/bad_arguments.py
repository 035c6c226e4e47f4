"""Wrong arguments: each is refused by an error that names it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import torch

from losszoo.errors import UsageError
from losszoo.losses.signatures import TABLE
from losszoo.testing.check import check, require
from losszoo.testing.loss_under_test import NotApplicable, Subject
from losszoo.testing.ordinary_inputs import sampled


@check()
def check_wrong_shapes(subject: Subject) -> None:
    """An input of a wrong shape or type is refused by its name."""
    loss = subject.make()
    for name, what, inputs in TABLE[subject.signature].misshapen(subject.batch()):
        must_refuse(name, what, lambda inputs=inputs: loss(*inputs))  # type: ignore[misc]


@check()
def check_wrong_numbers(subject: Subject) -> None:
    """A number that is out of range is refused by the name of its input, where a loss looks at numbers."""
    cases = list(TABLE[subject.signature].illegal_values(subject.batch(), subject.expects))
    if not cases:
        raise NotApplicable("every number is legal")
    loss = subject.make()
    for name, what, inputs in cases:
        must_refuse(name, what, lambda inputs=inputs: loss(*inputs))  # type: ignore[misc]


@check(concerns=sampled)
def check_wrong_weights(subject: Subject) -> None:
    """A wrong weight, mask or denominator is refused by its name."""
    loss, inputs = subject.make(), subject.batch()
    right: dict[str, Any] = {"weight": torch.ones(6), "mask": torch.ones(6) > 0, "denominator": 1.0}
    taken = []
    for name, value in right.items():
        with contextlib.suppress(NotApplicable):
            subject.must_take(**{name: value})
            taken.append(name)
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


_CHECKED_BY_THE_LOSS = "leave the checks to losszoo.Loss; a loss that overrides forward must call it"


def must_refuse(name: str, what: str, call: Callable[[], Any], advice: str = _CHECKED_BY_THE_LOSS) -> None:
    """Break the rule unless the call is refused by an error of ours that names the argument.

    Args:
        name: of the argument.
        what: was done to it.
        call: with the wrong argument.
        advice: the next step.
    """
    rule = f"{name} ({what}) must be refused by UsageError('{name} must ..., got ...', argument='{name}')"
    try:
        call()
    except UsageError as error:
        require(error.argument == name, rule, f"the error {error} of {error.argument or 'no argument'}", advice)
    except Exception as error:  # what a loss without checks raises, somewhere inside
        require(False, rule, f"the error {type(error).__name__}: {error}", advice)
    else:
        require(False, rule, "no error", advice)
