"""Half precision: the same changes in moderation, and tensors so large that sums leave the range."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from losszoo.doctor.probes import Probe, batch_size, ordinary, structural
from losszoo.doctor.subject import Subject, evaluate

# 65,504 is the largest float16: a sum of so many ones does not fit.
_NUMBERS = 300_000
# The next batch is eight times as large, and pairs of it sixty-four times as many.
_SLOW = 0.03
_PROBES = 400


def in_half(subject: Subject) -> Iterator[Probe]:
    """The ordinary input, and the single changes of it."""
    yield ordinary(subject)
    for count, probe in enumerate(structural(subject)):
        if count >= _PROBES:
            return
        yield probe


def enlarged(subject: Subject, dtype: torch.dtype) -> Iterator[Probe]:
    """The batch repeated until it is large, as long as a call stays quick; then every other dimension."""
    size = batch_size(subject)
    numbers = max((x.numel() for x in subject.leaves if isinstance(x, Tensor)), default=1)
    for factor in (8, 64, 512, 4096, 32768):
        if size < 1 or numbers * factor > 8 * _NUMBERS:
            break
        leaves = [_repeat(x, factor, size) for x in subject.leaves]
        started = time.perf_counter()
        evaluate(subject, leaves, dtype)
        slow = time.perf_counter() - started > _SLOW
        yield Probe(f"the batch repeated {factor} times", leaves)
        if slow:
            break
    yield from _wider(subject)


def _repeat(x: Any, factor: int, size: int) -> Any:
    in_batch = isinstance(x, Tensor) and x.ndim and len(x) == size
    return x.repeat(factor, *[1] * (x.ndim - 1)) if in_batch else x


def _wider(subject: Subject) -> Iterator[Probe]:
    """Images and sequences with more pixels or steps."""
    shapes = {x.shape for x in subject.leaves if isinstance(x, Tensor) and x.ndim > 2}
    if len(shapes) == 1:
        (shape,) = shapes
        factor = max(2, int((_NUMBERS / max(torch.Size(shape).numel(), 1)) ** (1 / (len(shape) - 2))))
        leaves = [
            x.repeat(1, 1, *[factor] * (x.ndim - 2)) if isinstance(x, Tensor) and x.shape == shape else x
            for x in subject.leaves
        ]
        yield Probe(f"every later dimension repeated {factor} times", leaves)
