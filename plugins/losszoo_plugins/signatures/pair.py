"""Pairs of embeddings that belong together, do not, or do in part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor

from losszoo import EdgeCase, Signature, Sizes, Source, checks
from losszoo_plugins.signatures import _shared


class Pair(Signature):
    """Two embeddings (N, D) each, and how much they belong together: (N,) in [0, 1], or -1 in place of 0."""

    name = "pair"
    arguments = ("first", "second", "same")
    given = ("same",)
    synonyms: ClassVar = {
        "first": ("x1", "input1", "anchor", "left", "output1", "embedding1"),
        "second": ("x2", "input2", "other", "right", "output2", "embedding2"),
        "same": ("y", "label", "labels", "target", "targets", "similar", "is_same"),
    }
    fits = ("multiclass", "binary", "retrieval")
    predicting = 20.0
    sizes = Sizes(first="pairs", usual="1024,8192,65536", wide=True)
    learns = "the nearness of pairs that are the same, against those that are not"

    def check(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> tuple[Any, ...]:
        first = checks.rows("first", inputs[0])
        same = checks.undifferentiated("same", inputs[2])
        if not isinstance(same, Tensor) or same.shape != first.shape[:1]:
            raise checks.BrokenRule("same", f"have shape {tuple(first.shape[:1])}", checks.shape_of(same))
        second = checks.same_rows("first", first, "second", inputs[1])
        same = checks.real("same", same).to(first.dtype)
        # As in torch.nn, where a pair that does not belong together is marked -1.
        return first, second, torch.where(same == -1, 0.0, same)

    def check_values(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> None:
        same = inputs[2]
        if not checks.within(same, 0, 1):
            checks.require((same >= 0) & (same <= 1), "same", "be in [0, 1], or -1 in place of 0", same)

    def example(self, source: Source) -> tuple[Any, ...]:
        return _shared.embedded(source), _shared.embedded(source), source.bits(source.rows)

    def edge_cases(self, inputs: tuple[Any, ...], expects: str) -> Iterator[EdgeCase]:
        first, second, same = inputs
        yield from _shared.cases("first: ", _shared.geometry(first), second, same)
        yield EdgeCase("identical pairs", (first, first.clone(), same))
        yield EdgeCase("opposite pairs", (first, -first, same))
        yield EdgeCase("zero rows on both sides", (torch.zeros_like(first), torch.zeros_like(second), same))
        for value in (0.0, 1.0):
            every = torch.full_like(same, value)
            yield EdgeCase(f"identical pairs, every same {value:g}", (first, first.clone(), every))
        yield EdgeCase("every same 0.5", (first, second, torch.full_like(same, 0.5)))
        yield EdgeCase("same 1 or -1", (first, second, 2 * same - 1))

    def illegal_values(self, inputs: tuple[Any, ...], expects: str) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
        yield from _shared.wrong_numbers(inputs, "same", 2, (("a 2", 2.0),))

    def rightness(self, first: Tensor, second: Tensor, same: Tensor) -> Tensor:
        return -_shared.contrast((first - second).norm(dim=1), same > 0.5)

    def loss_inputs(self, batch: Any) -> tuple[Any, ...]:
        """Every row of the batch twice: with a row of its label, and with one of another label."""
        first, second = torch.cat(batch.partners).unbind(1)
        same = batch.targets[first] == batch.targets[second]
        return batch.features[first], batch.features[second], same.to(batch.features.dtype)

    def anchors(self, batch: Any) -> Tensor:
        return torch.cat(batch.partners)[:, 0]
