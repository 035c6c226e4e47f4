"""Two views of the same things."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor

from losszoo import EdgeCase, PairedRows, Signature, Sizes, Source, checks
from losszoo_plugins.signatures import _shared


class Views(Signature):
    """Queries (N, D) and keys (M, D), M >= N: key i is the other view of query i.

    The keys below the first N are nobody's view: further negatives of every query.
    """

    name = "views"
    arguments = ("queries", "keys")
    synonyms: ClassVar = {
        "queries": ("query", "q", "z1", "z_i", "view1", "first_view"),
        "keys": ("key", "k", "z2", "z_j", "view2", "second_view"),
    }
    fits = ("multiclass", "binary", "retrieval", "views")
    rows_interact = True
    two_ways = True
    predicting = 10.0
    sizes = Sizes(wide=True)
    learns = "the nearness of the own view, against other views"

    def check(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> tuple[Any, ...]:
        queries, keys = checks.rows("queries", inputs[0]), checks.floating("keys", inputs[1])
        count, width = queries.shape
        if keys.ndim != 2 or keys.shape[0] < count or keys.shape[1] != width:
            rule = f"have shape (M, {width}), M >= {count}: the key of each query, then further negatives of all"
            raise checks.BrokenRule("keys", rule, checks.shape_of(keys))
        return _shared.in_one_dtype(queries, keys)

    def hide(self, inputs: tuple[Any, ...], mask: Tensor, context: checks.CheckContext) -> tuple[Any, ...]:
        queries, own, further = _parts(inputs)
        queries, own = super().hide((queries, own), mask, context)
        return queries, _below(own, further)

    def rows_of(self, inputs: tuple[Any, ...], rows: Any) -> tuple[Any, ...]:
        queries, own, further = _parts(inputs)
        return queries[rows], _below(own[rows], further)

    def pairs(self, inputs: tuple[Any, ...]) -> PairedRows:
        queries, keys = inputs
        places = torch.arange(len(queries), device=queries.device)
        if len(keys) == len(queries):
            return PairedRows(queries, places, keys, places)
        nobody = places.new_full((len(keys) - len(queries),), -1)
        return PairedRows(queries, places, keys, torch.cat([places, nobody]))

    def remembered(self, inputs: tuple[Any, ...]) -> tuple[Tensor, Tensor | None]:
        """The keys of this batch's queries, which are gone by then."""
        return _parts(inputs)[1], None

    def example(self, source: Source) -> tuple[Any, ...]:
        return _shared.embedded(source), _shared.embedded(source)

    def edge_cases(self, inputs: tuple[Any, ...], expects: str) -> Iterator[EdgeCase]:
        queries, keys = inputs
        for label, changed in _shared.geometry(queries):
            yield EdgeCase(f"queries: {label}", (changed, keys))
            yield EdgeCase(f"both: {label}", (changed, changed.clone()))
        yield EdgeCase("identical views", (queries, queries.clone()))
        yield EdgeCase("opposite views", (queries, -queries))

    def misshapen(self, inputs: tuple[Any, ...]) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
        queries, keys = inputs
        yield from super().misshapen(inputs)
        yield "keys", "one column less", (queries, keys[:, :-1])
        yield "keys", "some for each query", (queries, keys.unsqueeze(1).expand(-1, 3, -1))

    def rightness(self, queries: Tensor, keys: Tensor) -> Tensor:
        own = torch.eye(len(queries), len(keys), dtype=torch.bool)
        return _shared.nearness(queries, keys, own, ~own)

    def loss_inputs(self, batch: Any) -> tuple[Any, ...]:
        return tuple(batch.views)


def _parts(inputs: tuple[Any, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """The queries, their own keys, and the further ones."""
    queries, keys = inputs
    return queries, keys[: len(queries)], keys[len(queries) :]


def _below(own: Tensor, further: Tensor) -> Tensor:
    """One below the other; what has nothing below it is not copied."""
    return torch.cat([own, further]) if len(further) else own
