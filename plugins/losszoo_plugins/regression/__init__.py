"""Losses on a number: squared, absolute, and what lies between them."""

from __future__ import annotations

from collections.abc import Iterable

from losszoo import LossSpec, hookimpl, losses_in


@hookimpl
def losszoo_signatures() -> Iterable[str]:
    """The signature of losses that see a whole vector; the other one is among the signatures that all share."""
    return (f"{__name__}.vectors:Vectors",)


@hookimpl
def losszoo_losses() -> Iterable[LossSpec]:
    """The losses of this family."""
    files = "squared", "robust", "smooth", "relative", "direction"
    return losses_in(*(f"{__name__}.{file}" for file in files))
