"""Reductions, weights and counts."""

from __future__ import annotations

import torch

from losszoo.errors import EmptyBatchError, UsageError
from losszoo.testing.check import check, require
from losszoo.testing.equal import agree, in_short
from losszoo.testing.loss_under_test import NotApplicable, Subject
from losszoo.testing.ordinary_inputs import alone, rows_of, sampled, spoiled, value_and_gradients

SEEN = "its value for a sample depends on the others"
_PURE = "let a value depend on its own sample only, and leave the mean to losszoo"


@check(concerns=sampled)
def check_unreduced(subject: Subject) -> None:
    """A loss returns its values, and leaves the reduction to losszoo."""
    rule, advice = "a loss must return unreduced values", "drop the mean or sum in it"
    try:
        subject.must_take(reduction="none")
    except NotApplicable as refusal:
        require(False, rule, f"the error {refusal}", advice)
    shape = tuple(subject.make("none")(*subject.batch()).shape)
    require(shape != (), rule, f"the shape {shape} with reduction='none'", advice)


@check(concerns=sampled)
def check_sum_and_mean(subject: Subject) -> None:
    """A sum is that of the unreduced values, and a mean is the sum over the count."""
    subject.must_take(reduction="none")
    inputs, loss, plain = subject.batch(), subject.make(), subject.make("none")
    # What is summed comes before a last step, such as the root of rmse.
    last, plain._finish = plain._finish or (lambda x: x), None
    values = plain(*inputs)
    total = values.sum()
    agree("a sum", subject.make("sum")(*inputs), "the sum of the values", last(total), _PURE)
    agree("a mean", loss(*inputs), "the sum over the count", last(total / loss.count(*inputs)), _PURE)
    agree("reduction='none'", subject.make("none")(*inputs), "the values", last(values), _PURE)


@check(concerns=alone, because=SEEN)
def check_weight_two(subject: Subject) -> None:
    """A weight of 2 is the sample twice."""
    weight = torch.tensor([1.0, 1.0, 2.0, 1.0, 1.0, 1.0])
    subject.must_take(weight=weight)
    inputs, loss = subject.batch(), subject.make()
    twice = rows_of(inputs, torch.tensor([0, 1, 2, 2, 3, 4, 5]), subject.signature)
    agree("weight 2", loss(*inputs, weight=weight), "the sample twice", loss(*twice), _PURE)


@check(concerns=alone, because=SEEN)
def check_weight_zero(subject: Subject) -> None:
    """A weight of 0 is absence."""
    weight = torch.tensor([1.0, 1.0, 0.0, 1.0, 1.0, 1.0])
    subject.must_take(weight=weight)
    inputs, loss = subject.batch(), subject.make()
    without = rows_of(inputs, weight > 0, subject.signature)
    agree("weight 0", loss(*inputs, weight=weight), "absence", loss(*without), _PURE)
    nothing = spoiled(inputs, weight > 0, subject.signature, lambda x: x * torch.nan if x.is_floating_point() else x)
    agree("weight 0 on NaN", loss(*nothing, weight=weight), "absence", loss(*without), _PURE)


@check(concerns=alone, because=SEEN)
def check_micro_batches(subject: Subject) -> None:
    """Parts of a batch with one denominator add up to the whole."""
    subject.must_take(denominator=1.0)
    inputs, loss = subject.batch(), subject.make()
    parts = [rows_of(inputs, rows, subject.signature) for rows in (torch.arange(2), torch.arange(2, 6))]
    whole = torch.stack([loss.count(*part) for part in parts]).sum()
    total = torch.stack([loss(*part, denominator=whole) for part in parts]).sum()
    agree("the sum over the parts", total, "the whole", loss(*inputs), _PURE)


@check(concerns=sampled)
def check_permutation(subject: Subject) -> None:
    """The order of the samples changes nothing."""
    inputs, loss = subject.batch(), subject.make()
    shuffled = rows_of(inputs, torch.tensor([3, 0, 5, 1, 4, 2]), subject.signature)
    agree("the loss of a shuffled batch", loss(*shuffled), "that of the batch", loss(*inputs), _PURE)


@check(concerns=sampled)
def check_no_sample(subject: Subject) -> None:
    """A batch without samples gives what the empty policy says, and a zero gradient."""
    nothing = rows_of(subject.batch(), torch.arange(0), subject.signature)
    obeys_empty_policy(subject, nothing, {})


def obeys_empty_policy(subject: Subject, nothing: tuple[object, ...], how: dict[str, torch.Tensor]) -> None:
    """Whether a reduction over nothing is 0, NaN or an error, as is asked for."""
    advice = "return no value, or a count of 0, for an empty batch"
    value, gradients = value_and_gradients(subject.make(), nothing, subject.signature, **how)
    zero = bool(value == 0) and all(bool((g == 0).all()) for g in gradients)
    came = f"value={value.item()}, gradient={in_short(*gradients)}"
    require(zero, "a mean over an empty batch must be 0 with a zero gradient where empty='zero'", came, advice)
    value = subject.make(empty="nan")(*nothing, **how)
    require(
        bool(value.isnan()), "a mean over an empty batch must be NaN where empty='nan'", f"value={value.item()}", advice
    )
    try:
        value = subject.make(empty="raise")(*nothing, **how)
    except EmptyBatchError:
        return
    except UsageError as error:
        rule = "a mean over an empty batch must raise an EmptyBatchError where empty='raise'"
        require(False, rule, f"the error {error}", advice)
    else:
        require(False, "a mean over an empty batch must raise where empty='raise'", f"value={value.item()}", advice)
