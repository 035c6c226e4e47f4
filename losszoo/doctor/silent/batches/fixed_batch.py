"""A loss that takes batches of one size only: the last batch of an epoch has another."""

from __future__ import annotations

import torch
from torch import Tensor

from losszoo.common.text import in_one_line
from losszoo.doctor.diagnosis.search import Search
from losszoo.doctor.inputs.probes import batch_size, select
from losszoo.doctor.subject.subject import Subject, evaluate
from losszoo.errors import is_out_of_memory
from losszoo.tracing.authors import raised_at


def look_for_fixed_batch(subject: Subject, search: Search) -> None:
    """Every other number of rows raises; a square of similarities and what has another first size tell nothing."""
    size = batch_size(subject)
    tensors = [x for x in subject.leaves if isinstance(x, Tensor) and x.ndim]
    squares = [x for x in tensors if x.shape.count(size) > 1]
    if size < 4 or squares or any(len(x) != size for x in tensors):
        return
    counts = sorted({2, size // 2, size - 1, 2 * size} - {size})
    errors = []
    for count in counts:
        rows = select(subject, subject.leaves, torch.arange(count) % size)
        error = evaluate(subject, rows, torch.float32, gradients=False).error
        if error is None or is_out_of_memory(error):
            return
        errors.append(error)
    place = raised_at(errors[-2])
    at = f" at {place}" if place is not None else ""
    search.note(
        f"it takes batches of {size} rows only: {', '.join(map(str, counts[:-1]))} and {counts[-1]} rows raise{at} "
        f"({in_one_line(errors[-2])}); the last batch of an epoch is often smaller, so take the size from the input"
    )
