"""An ordinary call of moderate size, tried once before thousands are made."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from losszoo.common.text import in_one_line
from losszoo.doctor.inputs.probes import batch_size, select
from losszoo.doctor.measuring import measured
from losszoo.doctor.subject.answers import NoValueError, Taken, taken_of
from losszoo.doctor.subject.difficult_example import without_ignored, without_nan
from losszoo.doctor.subject.dtypes import computing_in
from losszoo.doctor.subject.hints import with_hints
from losszoo.doctor.subject.inference import asks_for_gpu, refused
from losszoo.doctor.subject.resource_use import MOST_BYTES, Use, growth, in_gigabytes, numbers_of
from losszoo.doctor.subject.subject import Subject, evaluate, forward
from losszoo.errors import UsageError, is_out_of_memory

# An input of more numbers than this is cut to so many rows.
_LARGE = 100_000
_ROWS = 16
# Nor may a recorded call hold more bytes than this, where fewer rows hold less.
_CALM = 60_000_000


def ready(subject: Subject) -> Subject:
    """The subject with what its code says of its inputs, once it can be called at all.

    Raises:
        UsageError: it raises on its ordinary input, or gives back no floating tensor.
    """
    if not any(isinstance(leaf, Tensor) and (leaf.is_floating_point() or leaf.is_complex()) for leaf in subject.leaves):
        raise UsageError(
            f"the ordinary input of {subject.target} must hold a floating torch tensor, got none; give --example"
        )
    subject = _moderate(subject)
    use = measured(subject, subject.leaves, own_dtype(subject))
    full = use.error is not None and is_out_of_memory(use.error)
    if full or use.held > MOST_BYTES:
        took = in_one_line(use.error) if full and use.error else f"one recorded call takes {in_gigabytes(use.held)}"
        raise UsageError(
            f"the ordinary input of {subject.target} must be smaller: {took}, and the doctor may use "
            f"{in_gigabytes(MOST_BYTES)}; give a smaller --example"
        )
    subject = _answering(subject)
    taken = _taken(subject)
    remarks = (*subject.remarks, taken.words) if taken.words else subject.remarks
    return with_hints(replace(subject, use=_growing(subject, use), taken=taken, remarks=remarks))


def _has_value(subject: Subject, error: Exception) -> bool:
    """Whether only the derivative raises: that is for the examination to tell."""
    forward_only = evaluate(subject, subject.leaves, own_dtype(subject), gradients=False)
    return isinstance(error, RuntimeError) and forward_only.error is None


def _answering(subject: Subject) -> Subject:
    """The subject with an input that it answers: its own, or that without what makes it raise.

    Raises:
        UsageError: there is none.
    """
    dtype = own_dtype(subject)
    outcome = evaluate(subject, subject.leaves, dtype)
    error = outcome.error
    if error is None:
        return without_nan(subject, outcome, dtype)
    told = isinstance(error, NoValueError) or asks_for_gpu(error)
    repaired = None if told or subject.assumed else without_ignored(subject, outcome, dtype)
    if repaired is not None:
        return repaired
    if not told and _has_value(subject, error):
        return subject  # a finding, and no reason to refuse
    shapes = ", ".join(f"{tuple(x.shape)}" if isinstance(x, Tensor) else repr(x) for x in subject.leaves)
    raise refused(subject.target, {shapes: error}) from error


def _taken(subject: Subject) -> Taken:
    """Which part of its answer is the loss."""
    answers: list[Any] = []
    with torch.enable_grad(), computing_in(subject.call, own_dtype(subject)) as (call, _):

        def watched(*arguments: Any, **named: Any) -> Any:
            answers.append(call(*arguments, **named))
            return answers[-1]

        forward(subject, watched, subject.leaves, own_dtype(subject))
    return taken_of(answers[-1])


def _growing(subject: Subject, use: Use) -> Use:
    """With the power with which its memory grows, told by an input twice as large."""
    size = batch_size(subject)
    twice = select(subject, subject.leaves, torch.arange(size).repeat(2))
    if not size or use.held_at(2) > MOST_BYTES:
        return use
    larger = measured(subject, twice, own_dtype(subject))
    return use if larger.error is not None else replace(use, power=growth(use, larger))


def _moderate(subject: Subject) -> Subject:
    """The first rows of a large input, where the loss takes them: thousands of calls are made and recorded."""
    size, numbers = batch_size(subject), numbers_of(subject.leaves)
    if size <= 2 * _ROWS and (numbers <= _LARGE or size <= _ROWS):
        return subject
    count = _ROWS // 2
    found, use = subject, Use(0, 0.0, 1)
    while count < size and (numbers <= _LARGE or count <= _ROWS) and use.held_at(2) <= _CALM:
        fewer = subject.with_leaves(select(subject, subject.leaves, torch.arange(count)))
        larger = measured(fewer, fewer.leaves, own_dtype(fewer))
        if larger.error is not None:
            return subject
        found, use = fewer, replace(larger, power=growth(use, larger))
        count *= 2
    if numbers <= _LARGE and use.held_at(size / batch_size(found)) <= _CALM:
        return subject
    kept = f"the first {batch_size(found)} of {size} rows are examined: each of thousands of calls is recorded"
    return replace(found, remarks=(*found.remarks, kept))


def own_dtype(subject: Subject) -> torch.dtype:
    """What the ordinary input comes in; half precision counts, anything else is float32."""
    found = {x.dtype for x in subject.leaves if isinstance(x, Tensor) and x.is_floating_point()}
    low = sorted((d for d in found if d.itemsize < 4), key=str)
    return low[0] if low else torch.float32
