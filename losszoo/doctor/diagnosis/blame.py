"""Which operation of a loss is to blame on an input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from losszoo.doctor.subject.dtypes import computing_in
from losszoo.doctor.subject.subject import Subject, cast, forward, record
from losszoo.tracing.culprit import Blame, culprit
from losszoo.tracing.tape import Tape


def blame(subject: Subject, leaves: Sequence[Any], dtype: torch.dtype, tape: Tape | None = None) -> Blame | None:
    """The culprit of a non-finite loss or gradient on these leaves; None where everything is finite.

    Args:
        subject: whose loss.
        leaves: the failing input.
        dtype: it fails in.
        tape: a fresh one, by default; another kind may change the loss while it writes.
    """
    tape = tape or Tape()
    with torch.enable_grad(), computing_in(subject.call, dtype) as (call, learned):
        values, sources = forward(subject, call, leaves, dtype, tape, learned)

        def backward() -> object:
            share = torch.full_like(values, 1 / max(values.numel(), 1))
            return torch.autograd.grad(values, [*sources, *learned], share, allow_unused=True)

        return culprit(tape, values, backward, lambda: in_float64(subject, leaves, dtype))


def in_float64(subject: Subject, leaves: Sequence[Any], dtype: torch.dtype) -> Tape | None:
    """The same call in float64, on the same numbers and not better ones; None for a loss that takes no float64."""
    if dtype == torch.float64:
        return None
    try:
        return record(subject, cast(leaves, dtype), torch.float64)[0]
    except Exception:
        return None
