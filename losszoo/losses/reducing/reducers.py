"""Which values count in the reduction, and how much: small pure functions of unreduced values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from losszoo.common.text import shown
from losszoo.errors import UsageError
from losszoo.losses.unreduced import Unreduced


class Batch(NamedTuple):
    """What a reducer may look at beside the values: the inputs of the loss, and which elements take part."""

    inputs: Sequence[Any]
    mask: Tensor | None


@dataclass(frozen=True)
class Reducer:
    """A reducer, and its share.

    Args:
        name: one of :data:`REDUCERS`.
        share: of "hardest".
    """

    name: str
    share: float

    @property
    def adds_up(self) -> bool:
        """Whether the values of parts of a batch are those of the whole."""
        return self.name in ("nonzero", "batch-mean")

    def __call__(self, found: Unreduced, inputs: Sequence[Any], mask: Tensor | None = None) -> Unreduced:
        """Values and counts as they are to be reduced.

        Args:
            found: values and counts, the masked ones being 0.
            inputs: of the loss, where the labels are looked for.
            mask: which elements take part.

        Raises:
            UsageError: values have no label each, where it needs one.
        """
        counts = torch.ones_like(found.values) if found.counts is None else found.counts
        return REDUCERS[self.name](self, found.values, counts, Batch(inputs, mask))


def reducer_of(params: Mapping[str, Any]) -> Reducer | None:
    """The reducer that a loss was made with."""
    name = params.get("reducer", "all")
    if name == "all":
        return None
    share = params.get("reducer_share", SHARE)
    if name not in REDUCERS:
        raise UsageError(f"reducer must be one of all, {', '.join(REDUCERS)}, got {shown(name)}", argument="reducer")
    if not 0 < share <= 1:
        raise UsageError(f"reducer_share must be in (0, 1], got {shown(share)}", argument="reducer_share")
    return Reducer(name, share)


def nonzero(reducer: Reducer, values: Tensor, counts: Tensor, batch: Batch) -> Unreduced:
    """Only values above 0 count: those that have a gradient left."""
    # NaN counts, so that it is seen.
    return Unreduced(values, torch.where(values.detach() <= 0, 0.0, counts))


def hardest(reducer: Reducer, values: Tensor, counts: Tensor, batch: Batch) -> Unreduced:
    """The share of the values that are largest, at least one: online hard example mining."""
    there = counts.flatten() > 0
    each = values.detach().flatten() / torch.where(there, counts.flatten(), 1.0)
    size = torch.where(there, each, -torch.inf)
    wanted = (reducer.share * there.sum()).ceil()
    # NaN is sorted to the front, so it is kept.
    order = size.argsort(descending=True, stable=True)
    kept = torch.zeros_like(there).scatter(0, order, torch.arange(len(order), device=order.device) < wanted)
    kept = kept.view(values.shape)
    return Unreduced(torch.where(kept, values, 0.0), torch.where(kept, counts, 0.0))


def batch_mean(reducer: Reducer, values: Tensor, counts: Tensor, batch: Batch) -> Unreduced:
    """Every sample counts once, however many values it has, and whether or not it takes part."""
    there = torch.ones_like(values) if batch.mask is None else batch.mask.expand(values.shape).to(values.dtype)
    samples = there.flatten(1).amax(1) if values.ndim > 1 else there
    each = samples.view(-1, *[1] * (values.ndim - 1)).expand(values.shape)
    return Unreduced(values, each / max(1, values[:1].numel()))


def per_class(reducer: Reducer, values: Tensor, counts: Tensor, batch: Batch) -> Unreduced:
    """The mean of each class counts once, however many samples it has."""
    labels = next((x for x in batch.inputs if _labels(x, values)), None)
    if labels is None:
        raise UsageError("reducer must be another one where values have no label each, got per-class")
    _, places = labels.flatten().unique(return_inverse=True)
    totals = torch.zeros_like(counts.flatten()).scatter_add(0, places, counts.flatten())
    shares = (1 / torch.where(totals > 0, totals, torch.inf))[places].view(values.shape)
    return Unreduced(values * shares, counts * shares)


def _labels(x: Any, values: Tensor) -> bool:
    return isinstance(x, Tensor) and not x.is_floating_point() and x.dtype != torch.bool and x.shape == values.shape


SHARE = 0.3
REDUCERS: dict[str, Callable[[Reducer, Tensor, Tensor, Batch], Unreduced]] = {
    "nonzero": nonzero,
    "hardest": hardest,
    "batch-mean": batch_mean,
    "per-class": per_class,
}
