"""Self-supervised learning: what two views of a thing have in common, and what keeps them from being one point."""

from __future__ import annotations

from collections.abc import Iterable

from losszoo import LossSpec, hookimpl, losses_in


@hookimpl
def losszoo_losses() -> Iterable[LossSpec]:
    """The losses of this family."""
    return losses_in(f"{__name__}.columns", f"{__name__}.rows", f"{__name__}.teacher", f"{__name__}.spread")
