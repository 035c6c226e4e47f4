"""Weights that change over epochs. Torch-free: the expression parser makes them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from losszoo.errors import UsageError

KINDS = ("linear", "cosine", "step", "constant")


@dataclass(frozen=True)
class Schedule:
    """A number for every epoch, from ``start`` at epoch 0 to ``end`` at epoch ``epochs`` and after.

    Args:
        kind: "linear"; "cosine" (half a wave, flat at both ends); "step" (``start`` before, ``end`` from then on);
            "constant" (``start`` always).
        start: value at epoch 0.
        end: value from epoch ``epochs`` on.
        epochs: length, >= 1.

    Example:
        >>> Schedule("linear", 0.0, 1.0, epochs=20).at(5)
        0.25
    """

    kind: str
    start: float
    end: float = 0.0
    epochs: int = 1

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(f"a schedule must be one of {', '.join(KINDS)}, however: {self.kind!r}")
        if not all(math.isfinite(x) for x in (self.start, self.end)):
            raise UsageError(f"{self.kind}: start and end must be finite, however: {self.start}, {self.end}")
        if self.epochs < 1 or self.epochs != int(self.epochs):
            raise UsageError(f"{self.kind}: epochs must be a whole number >= 1, however: epochs={self.epochs}")

    def at(self, epoch: float) -> float:
        """The value at an epoch; between epochs too, for those who step more often."""
        share = min(max(epoch / self.epochs, 0.0), 1.0)
        if self.kind == "constant":
            return self.start
        if self.kind == "step":
            return self.end if share >= 1 else self.start
        if self.kind == "cosine":
            share = (1 - math.cos(math.pi * share)) / 2
        return self.start + (self.end - self.start) * share
