"""Penalties: terms on parameters rather than predictions, and the learned weights of several losses."""

from __future__ import annotations

from collections.abc import Iterable

from losszoo import LossSpec, hookimpl, losses_in


@hookimpl
def losszoo_losses() -> Iterable[LossSpec]:
    """The losses of this family."""
    return losses_in(f"{__name__}.norms", f"{__name__}.uncertainty")
