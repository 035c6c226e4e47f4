"""Losses of the neighbourhood: how much of the softmax over the other rows falls on the own class."""

from __future__ import annotations

from collections.abc import Iterable

from losszoo import LossSpec, hookimpl, losses_in


@hookimpl
def losszoo_losses() -> Iterable[LossSpec]:
    """The losses of this family."""
    return losses_in(f"{__name__}.leave_one_out", f"{__name__}.contrast", f"{__name__}.exhibits", f"{__name__}.modern")
