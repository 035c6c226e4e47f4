"""Half precision: the same changes in moderation, and tensors so large that sums leave the range."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain, islice
from typing import Any

import torch
from torch import Tensor

from losszoo.doctor.inputs.probes import Probe, batch_size, combined, ordinary, structural
from losszoo.doctor.measuring import measured
from losszoo.doctor.subject.dtypes import short_name
from losszoo.doctor.subject.resource_use import MOST_BYTES, growth, in_gigabytes, numbers_of
from losszoo.doctor.subject.subject import Leaves, Subject
from losszoo.errors import is_out_of_memory

# 65,504 is the largest float16: a sum of so many ones does not fit.
_NUMBERS = 300_000
_PROBES = 400
# Each step is so small that the memory of the next is foreseen; only some are inputs to be judged.
_DOUBLED = tuple(2**i for i in range(1, 16))
_JUDGED = (8, 64, 512, 4096, 32768)

Enlarge = Callable[[int], Leaves]


def in_half(subject: Subject) -> Iterator[Probe]:
    """The ordinary input, the single changes of it, and some of two at once."""
    yield ordinary(subject)
    yield from islice(chain(structural(subject), combined(subject)), _PROBES)


def enlarged(subject: Subject, dtype: torch.dtype, note: Callable[[str], None]) -> Iterator[Probe]:
    """The batch repeated until it is large, then every other dimension, as far as the memory suffices.

    Args:
        subject: whose input.
        dtype: to compute in.
        note: told of what would take too much memory.
    """
    size = batch_size(subject)
    numbers = max((x.numel() for x in subject.leaves if isinstance(x, Tensor)), default=1)
    factors = [factor for factor in _DOUBLED if size >= 1 and numbers * factor <= 8 * _NUMBERS]
    steps = _steps(subject, dtype, factors, lambda f: [_repeat(x, f, size) for x in subject.leaves], note)
    for factor, leaves in steps:
        if factor in _JUDGED:
            yield Probe(f"the batch repeated {factor} times", leaves)
    yield from _wider(subject, dtype, note)


def _repeat(x: Any, factor: int, size: int) -> Any:
    in_batch = isinstance(x, Tensor) and x.ndim and len(x) == size
    return x.repeat(factor, *[1] * (x.ndim - 1)) if in_batch else x


def _wider(subject: Subject, dtype: torch.dtype, note: Callable[[str], None]) -> Iterator[Probe]:
    """Images and sequences with more pixels or steps: the largest that memory suffices for."""
    shapes = {x.shape for x in subject.leaves if isinstance(x, Tensor) and x.ndim > 2}
    if len(shapes) != 1:
        return
    (shape,) = shapes
    largest = max(2, int((_NUMBERS / max(torch.Size(shape).numel(), 1)) ** (1 / (len(shape) - 2))))
    factors = [*(2**i for i in range(1, largest.bit_length()) if 2**i < largest), largest]

    def enlarge(factor: int) -> Leaves:
        return [
            x.repeat(1, 1, *[factor] * (x.ndim - 2)) if isinstance(x, Tensor) and x.shape == shape else x
            for x in subject.leaves
        ]

    last = None
    for factor, leaves in _steps(subject, dtype, factors, enlarge, note):
        last = Probe(f"every later dimension repeated {factor} times", leaves)
    if last is not None:
        yield last


def _steps(
    subject: Subject, dtype: torch.dtype, factors: list[int], enlarge: Enlarge, note: Callable[[str], None]
) -> Iterator[tuple[int, Leaves]]:
    """Larger and larger inputs, each measured before the next is made: its memory is foreseen, not found out."""
    use = measured(subject, subject.leaves, dtype)
    for factor in factors:
        leaves = enlarge(factor)
        larger = numbers_of(leaves) / max(use.numbers, 1)
        if use.held_at(larger) > MOST_BYTES:
            note(
                f"no larger input was tried in {short_name(dtype)}: one of {use.numbers * larger:.0f} "
                f"numbers would take about {in_gigabytes(use.held_at(larger))}"
            )
            return
        found = measured(subject, leaves, dtype)
        if found.error is not None and is_out_of_memory(found.error):
            note(f"no larger input was tried in {short_name(dtype)}, as there is too little memory")
            return
        use = replace(found, power=growth(use, found))
        yield factor, leaves
