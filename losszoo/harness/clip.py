"""How a gradient is bounded: measured once, then scaled by what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from losszoo.errors import UsageError


@dataclass(frozen=True)
class Clip:
    """Bounds of a gradient.

    Args:
        norm: largest norm of all gradients together, > 0; None for no bound.
        value: largest absolute value of an entry, > 0; None for no bound. Applied after the norm.
    """

    norm: float | None = None
    value: float | None = None

    def __post_init__(self) -> None:
        for name, bound in (("clip_norm", self.norm), ("clip_value", self.value)):
            if bound is not None and not 0 < bound < float("inf"):
                raise UsageError(f"{name} must be a number > 0, however: {name}={bound}")

    def apply(self, gradients: Sequence[Tensor], norm: float) -> bool:
        """Bound the gradients in place; ``norm`` is what :func:`gradient_norm` measured. True where it changed any."""
        clipped = False
        if self.norm is not None and norm > self.norm:
            torch._foreach_mul_(list(gradients), self.norm / norm)
            clipped = True
        if self.value is not None:
            largest = max(
                (gradient.abs().max().item() for gradient in gradients if gradient.numel()), default=0.0
            )
            if largest > self.value:
                torch._foreach_clamp_min_(list(gradients), -self.value)
                torch._foreach_clamp_max_(list(gradients), self.value)
                clipped = True
        return clipped


def gradient_norm(gradients: Sequence[Tensor]) -> float:
    """Euclidean norm of all gradients together; not finite if, and only if, an entry is not.

    The squares of entries above 1.8e19 overflow float32, so an infinite first answer is checked in float64.
    """
    if not gradients:
        return 0.0
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(list(gradients)))).item()
    if norm < float("inf"):
        return norm
    return torch.linalg.vector_norm(
        torch.stack([torch.linalg.vector_norm(g, dtype=torch.float64) for g in gradients])
    ).item()
