"""Predicted rates against counts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from losszoo import EdgeCase, Signature, Sizes, Source, checks


class Counts(Signature):
    """Logarithms of rates against counts, or amounts, of 0 and more, of any shape."""

    name = "counts"
    arguments = ("predictions", "targets")
    given = ("targets",)
    synonyms: ClassVar = {
        "predictions": ("log_rates", "log_rate", "log_input", "rates", "input", "pred", "y_pred"),
        "targets": ("counts", "target", "y", "y_true"),
    }
    fits = ("counts",)
    any_shape = True
    predicting = 58.0
    sizes = Sizes(first="elements", usual="10000,100000,800000")
    learns = "minus the distance to the logarithm of the counts"

    def check(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> tuple[Any, ...]:
        predictions = checks.floating("predictions", inputs[0])
        return predictions, checks.like("targets", inputs[1], predictions, "predictions")

    def check_values(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> None:
        targets = inputs[1]
        checks.require((targets >= 0) & targets.isfinite(), "targets", "be finite and >= 0", targets)

    def example(self, source: Source) -> tuple[Any, ...]:
        counts = (2 + 2 * source.normal(source.rows)).abs().round()
        # A target of 0 has no finite gamma deviance; it is an edge case of the others.
        return source.normal(source.rows), counts.clamp(min=1)

    def edge_cases(self, inputs: tuple[Any, ...], expects: str) -> Iterator[EdgeCase]:
        predictions, targets = inputs
        yield EdgeCase("perfect prediction", (targets.log(), targets))
        for size in (1e-6, 0.1):
            yield EdgeCase(f"off by {size:g}", (targets.log() + size, targets))
        yield EdgeCase("counts of 1e6", (predictions + 14, targets + 1e6))
        yield EdgeCase("amounts of 1e-6", (predictions - 14, torch.full_like(targets, 1e-6)))
        for size in (20.0, 40.0):
            yield EdgeCase(f"rates of exp({size:g})", (torch.full_like(predictions, size), targets), True)
            yield EdgeCase(f"rates of exp(-{size:g})", (torch.full_like(predictions, -size), targets), True)

    def illegal_values(self, inputs: tuple[Any, ...], expects: str) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
        predictions, targets = inputs
        yield "targets", "a count of -1", (predictions, -torch.ones_like(targets))
        yield "targets", "an infinite count", (predictions, torch.full_like(targets, torch.inf))

    def rightness(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return -(predictions - targets.log()).abs().mean()

    def leaf_kinds(self, expects: str) -> dict[str, str]:
        return {"predictions": "real"}

    def head(self, width: int, data: Any) -> nn.Module:
        return nn.Linear(width, 1)

    def loss_inputs(self, batch: Any) -> tuple[Any, ...]:
        return batch.outputs.squeeze(1), batch.targets

    def predict(self, outputs: Tensor, data: Any) -> Tensor:
        """The mean counts."""
        return outputs.squeeze(1).exp()
