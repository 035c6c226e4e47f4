"""Targets of 1 and -1: scores, distances and the order of two scores. No import of torch here."""

from __future__ import annotations

from collections.abc import Iterable

from losszoo import LossSpec, hookimpl, losses_in


@hookimpl
def losszoo_signatures() -> Iterable[str]:
    """Three signatures whose targets are signs."""
    return tuple(f"{__name__}.signature:{name}" for name in ("Signed", "Distances", "Order"))


@hookimpl
def losszoo_losses() -> Iterable[LossSpec]:
    """The losses of this family."""
    return losses_in(f"{__name__}.losses")
