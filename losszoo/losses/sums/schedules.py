"""Weights that change over epochs or steps. Torch-free: the expression parser makes them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from losszoo.common.text import shown
from losszoo.errors import UsageError
from losszoo.losses.sums.words import KINDS

# Up to here a float tells every whole number from the next.
_TOO_LONG = 2**53 + 1


@dataclass(frozen=True)
class Schedule:
    """A number for every epoch, from ``start`` at epoch 0 to ``end`` at epoch ``epochs`` and after; or for every step.

    Args:
        kind: "linear"; "cosine" (half a wave, flat at both ends); "step" (``start`` before, ``end`` from then on);
            "constant" (``start`` always).
        start: value at the beginning.
        end: value from the end of its length on.
        epochs: length, >= 1; 1 where neither is given.
        steps: length in training steps, >= 1, instead.

    Example:
        >>> Schedule("linear", 0.0, 1.0, epochs=20).at(5)
        0.25
        >>> str(Schedule("linear", 0.0, 1.0, steps=1000))
        'linear(0, 1, steps=1000)'
    """

    kind: str
    start: float
    end: float = 0.0
    epochs: int | None = None
    steps: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(f"a schedule must be one of {', '.join(KINDS)}, got {self.kind!r}")
        if not all(math.isfinite(x) for x in (self.start, self.end)):
            raise UsageError(f"{self.kind}: start and end must be finite, got {self.start} and {self.end}")
        if self.epochs is not None and self.steps is not None:
            raise UsageError(f"{self.kind} must have a length in epochs or in steps, got both")
        if self.steps is None and self.epochs is None:
            object.__setattr__(self, "epochs", 1)
        if not 1 <= self.length < _TOO_LONG or self.length != int(self.length):
            raise UsageError(
                f"{self.kind}: {self.unit} must be a whole number >= 1 and <= 2**53, got {shown(self.length)}"
            )

    @property
    def unit(self) -> str:
        """ "epochs" or "steps"."""
        return "epochs" if self.steps is None else "steps"

    @property
    def length(self) -> int:
        """In its unit."""
        length: int = getattr(self, self.unit)
        return length

    def at(self, epoch: float, step: int = 0) -> float:
        """The value at an epoch (between epochs too) and a step."""
        share = min(max((epoch if self.steps is None else step) / self.length, 0.0), 1.0)
        if self.kind == "constant":
            return self.start
        if self.kind == "step":
            return self.end if share >= 1 else self.start
        if self.kind == "cosine":
            share = (1 - math.cos(math.pi * share)) / 2
        return self.start + (self.end - self.start) * share

    def __str__(self) -> str:
        """As it is written in an expression."""
        if self.kind == "constant":
            return f"constant({number_text(self.start)})"
        return f"{self.kind}({number_text(self.start)}, {number_text(self.end)}, {self.unit}={self.length})"


def number_text(number: float) -> str:
    """All digits of a number, without trailing zeros: 2, not 2.0."""
    return repr(int(number)) if number == int(number) and abs(number) < 1e15 else repr(number)
