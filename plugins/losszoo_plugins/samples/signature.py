"""Rows of two samples, which need not be as many, and do not belong to each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor

from losszoo import EdgeCase, Signature, Sizes, Source, checks


class Samples(Signature):
    """Rows (N, D) of one sample and (M, D) of another: a loss is one value of both.

    A mask is of the first sample; rows of the second are left out by not passing them.
    """

    name = "samples"
    arguments = ("first", "second")
    shared = ("second",)
    synonyms: ClassVar = {
        "first": ("source", "generated", "fake"),
        "second": ("real", "reference", "domain"),
    }
    rows_interact = True
    sizes = Sizes(first="rows", second="rows of the second", usual="64,256,1024", wide=True)
    learns = "minus the distance of the means of the two samples"

    def check(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> tuple[Any, ...]:
        first, second = checks.rows("first", inputs[0]), checks.rows("second", inputs[1])
        if second.shape[1] != first.shape[1] or not len(second):
            rule = f"have shape (M, {first.shape[1]}), M >= 1"
            raise checks.BrokenRule("second", rule, checks.shape_of(second))
        wide = torch.promote_types(first.dtype, second.dtype)
        return first.to(wide), second.to(wide)

    def example(self, source: Source) -> tuple[Any, ...]:
        rows = source.second or source.rows
        return source.normal(source.rows, source.dim), source.normal(rows, source.dim) + 0.5

    def edge_cases(self, inputs: tuple[Any, ...], expects: str) -> Iterator[EdgeCase]:
        first, second = inputs
        yield EdgeCase("equal samples", (second.clone(), second))
        yield EdgeCase("the same rows in another order", (second.flip(0), second))
        point = torch.ones_like(first[:1])
        yield EdgeCase("two equal points", (point, point.clone()))
        yield EdgeCase("one point against many", (point, second))
        yield EdgeCase("a point many times", (point.expand_as(first).clone(), second))
        for size in (1e-20, 1e-4, 1e3, 1e4):
            yield EdgeCase(f"both times {size:g}", (first * size, second * size))
        yield EdgeCase("far from the origin", (first + 1e3, second + 1e3))

    def misshapen(self, inputs: tuple[Any, ...]) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
        first, second = inputs
        yield from super().misshapen(inputs)
        yield "second", "no rows", (first, second[:0])

    def rightness(self, first: Tensor, second: Tensor) -> Tensor:
        apart: Tensor = first.mean(0) - second.mean(0)
        return -apart.square().sum().sqrt()

    def leaf_kinds(self, expects: str) -> dict[str, str]:
        return dict.fromkeys(self.arguments, "real")

    def loss_inputs(self, batch: Any) -> tuple[Any, ...]:
        """The halves of a batch."""
        middle = len(batch.features) // 2
        return batch.features[:middle], batch.features[middle:]
