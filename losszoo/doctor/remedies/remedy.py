"""A way to compute an operation that does not break."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from losszoo.doctor.tape import Record, Tape

Make = Callable[[Record, Tape], Any]


@dataclass(frozen=True)
class Remedy:
    """A way to compute an operation that does not break.

    Args:
        text: what to write instead.
        make: computes it from the operation's arguments; None where it does not apply.
        words: says it of this very operation; by default ``text``.
        usual: it has to apply on ordinary inputs too: a denominator that is 0 does not tell whether it is a count.
    """

    text: str
    make: Make
    words: Callable[[Record, Tape], str] | None = None
    usual: bool = False

    def said_of(self, record: Record, tape: Tape) -> str:
        """The words for one operation."""
        return self.words(record, tape) if self.words is not None else self.text


def eps_of(x: Tensor) -> float:
    return float(torch.finfo(x.dtype).eps)


def tiny_of(x: Tensor) -> float:
    """Small, yet with a reciprocal that the dtype holds."""
    return float(torch.finfo(x.dtype).tiny) * 4
