"""How a gradient is bounded: measured once, then scaled by what was measured."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from losszoo.common.text import shown
from losszoo.errors import UsageError
from losszoo.tracing.finite_check import largest, together
from losszoo.training.guard.adaptive_clip import Adapting, adaptive


@dataclass(frozen=True)
class Clip:
    """Bounds of a gradient.

    Args:
        norm: largest norm of all gradients together, > 0; None for no bound.
        value: largest absolute value of an entry, > 0; None for no bound. Applied after the norm.
        moving: a bound of the norm that follows the norms so far: "auto", "zscore", either with arguments as in
            "auto(percentile=90)"; None for none. Beside ``norm``, the smaller one of both holds.
    """

    norm: float | None = None
    value: float | None = None
    moving: str | None = None
    _moving: Adapting | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        for name, bound in (("clip_norm", self.norm), ("clip_value", self.value)):
            number = isinstance(bound, int | float) and not isinstance(bound, bool)
            if bound is not None and not (number and 0 < bound < math.inf):
                raise UsageError(f"{name} must be a number > 0, got {bound!r}")
            # A float32 gradient times less is 0: nothing would be trained.
            if bound is not None and not torch.finfo(torch.float32).tiny <= bound <= sys.float_info.max:
                raise UsageError(f"{name} must be a number from 1.2e-38 to 1.8e308, got {shown(bound)}")
        object.__setattr__(self, "_moving", adaptive(self.moving))

    def apply(self, gradients: Sequence[Tensor], norm: float) -> bool:
        """Bound the gradients in place; True where that changed any of them.

        Args:
            gradients: all finite.
            norm: what :func:`gradient_norm` measured of them.
        """
        clipped = False
        bound = math.inf if self.norm is None else self.norm
        if self._moving is not None:
            bound = min(bound, self._moving.bound(norm))
        if norm > bound:
            _scale(gradients, bound / norm)
            clipped = True
        if self.value is not None and largest(gradients) > self.value:
            torch._foreach_clamp_min_(list(gradients), -self.value)
            torch._foreach_clamp_max_(list(gradients), self.value)
            clipped = True
        return clipped

    def state_dict(self) -> dict[str, Any]:
        """What the moving bound has seen."""
        return {} if self._moving is None else self._moving.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from :meth:`state_dict`."""
        if self._moving is not None:
            self._moving.load_state_dict(state)


def gradient_norm(gradients: Sequence[Tensor]) -> float:
    """Euclidean norm of all gradients together; not finite if, and only if, an entry is not.

    Example:
        >>> gradient_norm([torch.tensor([3.0]), torch.tensor([[4.0]])])
        5.0
    """
    if not gradients:
        return 0.0
    norm = together(torch._foreach_norm(list(gradients)))
    return norm if norm < math.inf else _careful_norm(gradients)


def _careful_norm(gradients: Sequence[Tensor]) -> float:
    """The norm relative to the largest entry: the squares of entries above 1.8e19 overflow float32."""
    most = largest(gradients)
    if not math.isfinite(most):
        return most
    relative = together([torch.linalg.vector_norm(g.double() / most) for g in gradients])
    return min(relative * most, sys.float_info.max)


def _scale(gradients: Sequence[Tensor], factor: float) -> None:
    # In two halves: a factor for entries near the largest number is subnormal, and has lost its digits.
    steps = [factor] if factor > 1e-30 else [math.sqrt(factor)] * 2
    for step in steps:
        torch._foreach_mul_(list(gradients), step)
