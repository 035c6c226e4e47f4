"""Learning from preferences: which of two answers is better, or whether one is good. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Iterable

from losszoo import LossSpec, hookimpl, losses_in


@hookimpl
def losszoo_signatures() -> Iterable[str]:
    """Pairs of answers, and single answers."""
    return f"{__name__}.signature:Preference", f"{__name__}.feedback:Feedback"


@hookimpl
def losszoo_kinds() -> Iterable[str]:
    """Tasks in which one row is better than another."""
    return (f"{__name__}.kind:PreferenceTask",)


@hookimpl
def losszoo_losses() -> Iterable[LossSpec]:
    """The losses of this family."""
    return losses_in(f"{__name__}.pairs", f"{__name__}.odds", f"{__name__}.kto")
