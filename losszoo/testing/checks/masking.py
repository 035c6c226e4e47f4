"""Masks: what is False takes no part, whatever stands there."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from losszoo.losses.signatures import TABLE
from losszoo.testing.check import check, require
from losszoo.testing.checks.reductions import obeys_empty_policy
from losszoo.testing.equal import agree
from losszoo.testing.loss_under_test import Subject
from losszoo.testing.ordinary_inputs import rows_of, sampled, spoiled, value_and_gradients

_MASKED = torch.tensor([True, True, False, True, True, True])
_ADVICE = "where a value mixes elements, take a keyword mask and torch.where what is False before any arithmetic"


@check(concerns=sampled)
def check_masked_sample(subject: Subject) -> None:
    """A masked sample is absent: value and gradient are those of the batch without it."""
    subject.must_take(mask=_MASKED)
    loss, inputs = subject.make(), subject.batch()
    value, gradients = value_and_gradients(loss, inputs, subject.signature, mask=_MASKED)
    without = rows_of(inputs, _MASKED, subject.signature)
    expected, others = value_and_gradients(loss, without, subject.signature)
    agree("the value with a masked sample", value, "that without it", expected, _ADVICE)
    for gradient, other in zip(gradients, others, strict=True):
        rest = gradient if gradient.shape == other.shape else gradient[_MASKED]
        agree("the gradient with a masked sample", rest, "that without it", other, _ADVICE)


@check(concerns=sampled)
def check_masked_element(subject: Subject) -> None:
    """What stands at a masked element changes nothing, and gets no gradient."""
    _changes_nothing(subject, lambda x: x / 2 if x.is_floating_point() else x * 0, "another number")


@check(concerns=sampled)
def check_nan_under_mask(subject: Subject) -> None:
    """NaN at a masked element changes nothing, and gets no gradient."""
    _changes_nothing(subject, lambda x: torch.full_like(x, torch.nan) if x.is_floating_point() else x + 90, "NaN")


def _changes_nothing(subject: Subject, change: Callable[[Tensor], Tensor], what: str) -> None:
    loss, inputs = subject.make(), subject.batch()
    shape = TABLE[subject.signature].element_shape(inputs)
    mask = (torch.arange(shape.numel()) % 3 != 2).reshape(shape)  # of every third element
    subject.must_take(mask=mask)
    expected, _ = value_and_gradients(loss, inputs, subject.signature, mask=mask)
    others = spoiled(inputs, mask, subject.signature, change)
    value, gradients = value_and_gradients(loss, others, subject.signature, mask=mask)
    agree(f"the value with {what} under the mask", value, "that without", expected, _ADVICE)
    rules = TABLE[subject.signature]
    for place, gradient in zip(rules.trained, gradients, strict=True):
        if place not in rules.per_sample:
            continue  # candidates are not masked
        there = gradient[~mask]
        came = f"{next((x for x in there.flatten().tolist() if x != 0), 0.0):g}"
        require(bool((there == 0).all()), f"the gradient under the mask must be 0, with {what} there", came, _ADVICE)


@check(concerns=sampled)
def check_everything_masked(subject: Subject) -> None:
    """A batch of which everything is masked gives what the empty policy says, and a zero gradient."""
    subject.must_take(mask=_MASKED)
    obeys_empty_policy(subject, subject.batch(), {"mask": torch.zeros(6, dtype=torch.bool)})
