"""Boxes around things in images. No import of torch here."""

from __future__ import annotations

from collections.abc import Iterable

from losszoo import LossSpec, hookimpl, losses_in


@hookimpl
def losszoo_signatures() -> Iterable[str]:
    """The one signature of this family."""
    return (f"{__name__}.signature:Boxes",)


@hookimpl
def losszoo_kinds() -> Iterable[str]:
    """Tasks whose targets are boxes."""
    return (f"{__name__}.kind:BoxesTask",)


@hookimpl
def losszoo_losses() -> Iterable[LossSpec]:
    """The losses of this family."""
    return losses_in(f"{__name__}.losses")
