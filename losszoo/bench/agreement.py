"""Whether two sides compute the same loss: compared before anything is timed."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

# Relative to the value, and to the norm of the gradient. In float32 a distance that comes from a matrix product is
# wrong by about 1e-6 of the norms, and a softmax of it multiplies that by the logit.
TOLERANCES = {"float32": (1e-5, 1e-4), "float64": (1e-10, 1e-8)}


@dataclass(frozen=True)
class Agreement:
    """What both sides computed on the same inputs.

    Args:
        value: of the zoo.
        peer_value: of the peer.
        gradient: norm of the difference of the gradients over the norm of the peer's.
        dtype: of the inputs, which decides the tolerances.
    """

    value: float
    peer_value: float
    gradient: float
    dtype: str

    @property
    def agrees(self) -> bool:
        """Whether both value and gradient are within their tolerances; non-finite numbers never agree."""
        of_value, of_gradient = TOLERANCES[self.dtype]
        # Near a value of 0 the terms of the mean, of the order of 1, set the rounding.
        room = of_value * max(abs(self.peer_value), 1.0)
        finite = math.isfinite(self.value) and math.isfinite(self.peer_value)
        return finite and abs(self.value - self.peer_value) <= room and self.gradient <= of_gradient


def agreement_of(values: tuple[float, float], gradients: tuple[Tensor, Tensor], dtype: str) -> Agreement:
    """From the values and gradients of both sides, the zoo's first."""
    mine, theirs = gradients
    norm, apart = float(theirs.norm()), float((mine - theirs).norm())
    return Agreement(*values, apart / norm if norm > 0 else apart, dtype)
