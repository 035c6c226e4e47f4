"""Two samples: how far the distributions are apart that they are drawn from. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Iterable

from losszoo import LossSpec, hookimpl, losses_in


@hookimpl
def losszoo_signatures() -> Iterable[str]:
    """Rows of two samples."""
    return (f"{__name__}.signature:Samples",)


@hookimpl
def losszoo_losses() -> Iterable[LossSpec]:
    """The losses of this family."""
    return losses_in(f"{__name__}.kernels", f"{__name__}.transport")
