"""Losses on distances: pairs, triplets, and a row against all others."""

from __future__ import annotations

from collections.abc import Iterable

from losszoo import LossSpec, hookimpl, losses_in


@hookimpl
def losszoo_losses() -> Iterable[LossSpec]:
    """The losses of this family."""
    files = ("pairs", "cosines", "triplets", "mining", "softmax", "views", "similarities", "lifted", "ranked", "margin")
    learned = ("heads", "sphere", "proxies")
    return losses_in(*(f"{__name__}.{file}" for file in (*files, *learned)))
