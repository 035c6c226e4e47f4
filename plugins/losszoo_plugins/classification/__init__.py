"""Losses for classes: cross-entropy and its relatives, margins, sparse predictions, focal losses."""

from __future__ import annotations

from collections.abc import Iterable

from losszoo import LossSpec, hookimpl, losses_in


@hookimpl
def losszoo_losses() -> Iterable[LossSpec]:
    """The losses of this family."""
    return losses_in(
        f"{__name__}.binary",
        f"{__name__}.cross_entropy",
        f"{__name__}.linear",
        f"{__name__}.sparse",
        f"{__name__}.margin",
        f"{__name__}.focal",
    )
