"""Predicted distributions against numbers: likelihoods, quantiles and CRPS. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Iterable

from losszoo import LossSpec, hookimpl, losses_in


@hookimpl
def losszoo_signatures() -> Iterable[str]:
    """One for each number of columns that a head must have."""
    names = (
        "Distribution",
        "DistributionTails",
        "DistributionEvidence",
        "DistributionCounts",
        "DistributionMixture",
        "DistributionQuantiles",
    )
    return tuple(f"{__name__}.signature:{name}" for name in names)


@hookimpl
def losszoo_losses() -> Iterable[LossSpec]:
    """The losses of this family."""
    files = ("location_scale", "tails", "counts", "mixture", "quantiles", "crps")
    return losses_in(*(f"{__name__}.{file}" for file in files))
