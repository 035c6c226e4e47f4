"""Survival analysis: when an event comes, though some rows are lost from sight before. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Iterable

from losszoo import LossSpec, hookimpl, losses_in


@hookimpl
def losszoo_signatures() -> Iterable[str]:
    """One risk for each row, the two numbers of a Weibull distribution, and hazards or shares of intervals."""
    return (
        *(f"{__name__}.signature:Survival", f"{__name__}.signature:SurvivalWeibull"),
        *(f"{__name__}.intervals:SurvivalHazards", f"{__name__}.intervals:SurvivalMasses"),
    )


@hookimpl
def losszoo_kinds() -> Iterable[str]:
    """Tasks whose targets are times and events."""
    return (f"{__name__}.kind:SurvivalTask",)


@hookimpl
def losszoo_losses() -> Iterable[LossSpec]:
    """The losses of this family."""
    return losses_in(f"{__name__}.cox", f"{__name__}.weibull", f"{__name__}.discrete")
