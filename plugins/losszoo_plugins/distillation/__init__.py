"""Distillation: a small model learns what a large one says. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Iterable

from losszoo import LossSpec, hookimpl, losses_in


@hookimpl
def losszoo_signatures() -> Iterable[str]:
    """Logits of student and teacher, and two distributions."""
    return f"{__name__}.signature:Distillation", f"{__name__}.divergence:Divergence"


@hookimpl
def losszoo_losses() -> Iterable[LossSpec]:
    """The losses of this family."""
    return losses_in(f"{__name__}.kl", f"{__name__}.teachers")
