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
    arguments = ("predictions", "targets")
    given = ("targets",)
    synonyms: ClassVar = {"predictions": ("predicted_vectors",), "targets": ("target_vectors",)}
    fits = ("multi-output", "multiclass")
    predicting = 35.0
    sizes = Sizes(first="vectors", wide=True)
    learns = "the cosine between prediction and target"

    def check(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> tuple[Any, ...]:
        predictions = checks.floating("predictions", inputs[0])
        if predictions.ndim < 2:
            raise checks.BrokenRule("predictions", "have shape (N, ..., D)", checks.shape_of(predictions))
        return predictions, checks.like("targets", inputs[1], predictions, "predictions")

    def check_values(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> None:
        checks.require(inputs[1].isfinite(), "targets", "be finite", inputs[1])

    def element_shape(self, inputs: tuple[Any, ...]) -> torch.Size:
        shape: torch.Size = inputs[0].shape[:-1]
        return shape

    def example(self, source: Source) -> tuple[Any, ...]:
        return source.normal(source.rows, source.dim), source.normal(source.rows, source.dim)

    def edge_cases(self, inputs: tuple[Any, ...], expects: str) -> Iterator[EdgeCase]:
        predictions, targets = inputs
        yield EdgeCase("perfect prediction", (targets.clone(), targets))
        yield EdgeCase("opposite", (-targets, targets))
        for place, name in enumerate(("predictions", "targets")):
            for label, zero in (("one row", predictions[:1] * 0), ("all rows", predictions * 0)):
                changed = torch.cat([zero, inputs[place][len(zero) :]])
                yield EdgeCase(f"{name} of 0, {label}", (*inputs[:place], changed, *inputs[place + 1 :]))
        for size in (1e-20, 1e-4, 1e4, 1e20):
            yield EdgeCase(f"predictions times {size:g}", (size * predictions, targets))

    def illegal_values(self, inputs: tuple[Any, ...], expects: str) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
        yield "targets", "a target of NaN", (inputs[0], torch.full_like(inputs[1], torch.nan))

    def rightness(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return cosine_similarity(predictions, targets, dim=-1).mean()

    def head(self, width: int, data: Any) -> nn.Module:
        return nn.Linear(width, data.classes or data.train.targets[0].numel())

    def loss_inputs(self, batch: Any) -> tuple[Any, ...]:
        if batch.data.classes:
            return batch.outputs, batch.one_hot_targets
        return batch.outputs, batch.targets
