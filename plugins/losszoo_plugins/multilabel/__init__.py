"""Several labels for each row, of which the loss sees all at once. No import of torch here."""

from __future__ import annotations

from collections.abc import Iterable

from losszoo import LossSpec, hookimpl, losses_in


@hookimpl
def losszoo_signatures() -> Iterable[str]:
    """Labels as 0 and 1 for each class, and as lists."""
    return (f"{__name__}.signature:Multilabel", f"{__name__}.signature:LabelLists")


@hookimpl
def losszoo_losses() -> Iterable[LossSpec]:
    """The losses of this family."""
    return losses_in(f"{__name__}.losses", f"{__name__}.f1")
