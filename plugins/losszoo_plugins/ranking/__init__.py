"""Lists of items in the order of their relevance. No import of torch here."""

from __future__ import annotations

from collections.abc import Iterable

from losszoo import LossSpec, hookimpl, losses_in


@hookimpl
def losszoo_signatures() -> Iterable[str]:
    """The one signature of this family."""
    return (f"{__name__}.signature:Ranking",)


@hookimpl
def losszoo_kinds() -> Iterable[str]:
    """Tasks in which lists are to be sorted."""
    return (f"{__name__}.kind:RankingTask",)


@hookimpl
def losszoo_losses() -> Iterable[LossSpec]:
    """The losses of this family."""
    return losses_in(f"{__name__}.lists", f"{__name__}.gains")
