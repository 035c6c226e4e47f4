"""One evaluation is counted before thousands are made, and before a larger one is tried."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from losszoo.doctor.subject.resource_use import Counting, Use, numbers_of
from losszoo.doctor.subject.subject import Subject, evaluate
from losszoo.tracing.tape import Tape

# What an operation makes of its input is seldom more; for a loss that cannot be counted.
_COPIES = 50


def measured(subject: Subject, leaves: Sequence[Any], dtype: torch.dtype) -> Use:
    """What an evaluation takes on these leaves, when it is recorded in this dtype and in float64."""
    counting = Counting()
    with counting:
        outcome = evaluate(subject, leaves, dtype, mode=Tape())
    both = 1 + 8 / dtype.itemsize
    numbers = numbers_of(leaves)
    held = counting.held
    if outcome.error is not None:  # it ended somewhere on its way
        held = max(held, _COPIES * numbers * dtype.itemsize)
    return Use(counting.operations, both * held, numbers, error=outcome.error)
