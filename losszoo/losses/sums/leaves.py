"""The single losses inside a sum."""

from __future__ import annotations

from torch import nn

from losszoo.common.text import kind_name
from losszoo.errors import UsageError
from losszoo.losses.loss import Loss
from losszoo.losses.sums.sum_loss import SumLoss


def leaves(loss: nn.Module) -> list[Loss]:
    """The single losses that a loss is made of: itself, or the leaves of a sum."""
    if isinstance(loss, SumLoss):
        return [leaf for term in loss.terms for leaf in leaves(term.loss)]
    if isinstance(loss, Loss):
        return [loss]
    raise UsageError(f"loss must be a losszoo.Loss, got {kind_name(loss)}; pass it through losszoo.create")
