"""Latent variables: what an encoder says of them, and how far that is from a prior. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Iterable

from losszoo import LossSpec, hookimpl, losses_in


@hookimpl
def losszoo_signatures() -> Iterable[str]:
    """Means and log-variances of a normal distribution."""
    return (f"{__name__}.signature:Latent",)


@hookimpl
def losszoo_losses() -> Iterable[LossSpec]:
    """The losses of this family."""
    return losses_in(f"{__name__}.losses")
