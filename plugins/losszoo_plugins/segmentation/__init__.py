"""Losses on maps: how smooth they are, and how well they overlap."""

from __future__ import annotations

from collections.abc import Iterable

from losszoo import LossSpec, hookimpl, losses_in


@hookimpl
def losszoo_losses() -> Iterable[LossSpec]:
    """The losses of this family."""
    return losses_in(*(f"{__name__}.{file}" for file in ("smooth", "overlap", "regions", "lovasz", "shape")))
