"""Two views of the same things."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor

from losszoo import EdgeCase, PairedRows, Signature, Sizes, Source, checks
from losszoo_plugins.signatures import _shared


class Views(Signature):
    """Queries and keys, (N, D) each: the key at the same place is the query's other view."""

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
        queries = checks.rows("queries", inputs[0])
        return queries, checks.same_rows("queries", queries, "keys", inputs[1])

    def pairs(self, inputs: tuple[Any, ...]) -> PairedRows:
        queries, keys = inputs
        places = torch.arange(queries.shape[0], device=queries.device)
        return PairedRows(queries, places, keys, places)

    def remembered(self, inputs: tuple[Any, ...]) -> tuple[Tensor, Tensor | None]:
        """The keys, whose queries are gone."""
        return inputs[1], None

    def example(self, source: Source) -> tuple[Any, ...]:
        return _shared.embedded(source), _shared.embedded(source)

    def edge_cases(self, inputs: tuple[Any, ...], expects: str) -> Iterator[EdgeCase]:
        queries, keys = inputs
        for label, changed in _shared.geometry(queries):
            yield EdgeCase(f"queries: {label}", (changed, keys))
            yield EdgeCase(f"both: {label}", (changed, changed.clone()))
        yield EdgeCase("identical views", (queries, queries.clone()))
        yield EdgeCase("opposite views", (queries, -queries))

    def rightness(self, queries: Tensor, keys: Tensor) -> Tensor:
        own = torch.eye(len(queries), dtype=torch.bool)
        return _shared.nearness(queries, keys, own, ~own)

    def loss_inputs(self, batch: Any) -> tuple[Any, ...]:
        return tuple(batch.views)
