"""Predicted vectors against true ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from losszoo import EdgeCase, Signature, Sizes, Source, checks


class Vectors(Signature):
    """Predicted vectors against true ones, (..., D) both; a loss gives one value per vector."""

    name = "vectors"
    arguments = ("vectors", "target_vectors")
    given = ("target_vectors",)
    synonyms: ClassVar = {"vectors": ("predicted_vectors",), "target_vectors": ("true_vectors",)}
    fits = ("multi-output", "multiclass")
    predicting = 35.0
    sizes = Sizes(first="vectors", wide=True)
    learns = "the cosine between prediction and target"

    def check(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> tuple[Any, ...]:
        vectors = checks.floating("vectors", inputs[0])
        if vectors.ndim < 2:
            raise checks.BrokenRule("vectors", "have shape (N, ..., D)", checks.shape_of(vectors))
        return vectors, checks.like("target_vectors", inputs[1], vectors, "vectors")

    def check_values(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> None:
        checks.require(inputs[1].isfinite(), "target_vectors", "be finite", inputs[1])

    def element_shape(self, inputs: tuple[Any, ...]) -> torch.Size:
        shape: torch.Size = inputs[0].shape[:-1]
        return shape

    def example(self, source: Source) -> tuple[Any, ...]:
        return source.normal(source.rows, source.dim), source.normal(source.rows, source.dim)

    def edge_cases(self, inputs: tuple[Any, ...], expects: str) -> Iterator[EdgeCase]:
        vectors, target_vectors = inputs
        yield EdgeCase("perfect prediction", (target_vectors.clone(), target_vectors))
        yield EdgeCase("opposite", (-target_vectors, target_vectors))
        for place, name in enumerate(("vectors", "target_vectors")):
            for label, zero in (("one row", vectors[:1] * 0), ("all rows", vectors * 0)):
                changed = torch.cat([zero, inputs[place][len(zero) :]])
                yield EdgeCase(f"{name} of 0, {label}", (*inputs[:place], changed, *inputs[place + 1 :]))
        for size in (1e-20, 1e-4, 1e4, 1e20):
            yield EdgeCase(f"vectors times {size:g}", (size * vectors, target_vectors))

    def illegal_values(self, inputs: tuple[Any, ...], expects: str) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
        yield "target_vectors", "a target of NaN", (inputs[0], torch.full_like(inputs[1], torch.nan))

    def rightness(self, vectors: Tensor, target_vectors: Tensor) -> Tensor:
        return cosine_similarity(vectors, target_vectors, dim=-1).mean()

    def head(self, width: int, data: Any) -> nn.Module:
        return nn.Linear(width, data.classes or data.train.targets[0].numel())

    def loss_inputs(self, batch: Any) -> tuple[Any, ...]:
        if batch.data.classes:
            return batch.outputs, batch.one_hot_targets
        return batch.outputs, batch.targets
