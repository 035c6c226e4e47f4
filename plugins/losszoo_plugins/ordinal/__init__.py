"""Ordered classes: a logit for each step from one level to the next. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Iterable

from losszoo import LossSpec, hookimpl, losses_in


@hookimpl
def losszoo_signatures() -> Iterable[str]:
    """Two signatures: logits of being above each level, and of going on from each level."""
    return (f"{__name__}.signature:Ordinal", f"{__name__}.signature:ConditionalOrdinal")


@hookimpl
def losszoo_kinds() -> Iterable[str]:
    """Tasks whose labels are levels."""
    return (f"{__name__}.kind:OrdinalTask",)


@hookimpl
def losszoo_losses() -> Iterable[LossSpec]:
    """The losses of this family."""
    return losses_in(f"{__name__}.steps", f"{__name__}.cut_points")
