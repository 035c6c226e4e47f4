"""Losses for classes: cross-entropy and its relatives, margins, sparse predictions, focal losses."""

from __future__ import annotations

from collections.abc import Iterable

from losszoo import LossSpec, hookimpl, losses_in


@hookimpl
def losszoo_losses() -> Iterable[LossSpec]:
    """The losses of this family."""
    files = (
        *("binary", "cross_entropy", "linear", "sparse", "margin", "focal"),
        *("noise", "calibration", "longtail", "ordered", "imbalanced", "evidential", "seesaw"),
    )
    return losses_in(*(f"{__name__}.{file}" for file in files))
