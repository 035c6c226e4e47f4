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
    arguments = ("log_rates", "counts")
    given = ("counts",)
    synonyms: ClassVar = {"log_rates": ("log_rate", "rates", "log_means"), "counts": ("amounts",)}
    fits = ("counts",)
    any_shape = True
    predicting = 58.0
    sizes = Sizes(first="elements", usual="10000,100000,800000")
    learns = "minus the distance to the logarithm of the counts"

    def check(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> tuple[Any, ...]:
        log_rates = checks.floating("log_rates", inputs[0])
        return log_rates, checks.like("counts", inputs[1], log_rates, "log_rates")

    def check_values(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> None:
        counts = inputs[1]
        checks.require((counts >= 0) & counts.isfinite(), "counts", "be finite and >= 0", counts)

    def example(self, source: Source) -> tuple[Any, ...]:
        drawn = (2 + 2 * source.normal(source.rows)).abs().round()
        # A count of 0 has no finite gamma deviance; it is an edge case of the others.
        return source.normal(source.rows), drawn.clamp(min=1)

    def edge_cases(self, inputs: tuple[Any, ...], expects: str) -> Iterator[EdgeCase]:
        log_rates, counts = inputs
        yield EdgeCase("perfect prediction", (counts.log(), counts))
        for size in (1e-6, 0.1):
            yield EdgeCase(f"off by {size:g}", (counts.log() + size, counts))
        yield EdgeCase("counts of 1e6", (log_rates + 14, counts + 1e6))
        yield EdgeCase("amounts of 1e-6", (log_rates - 14, torch.full_like(counts, 1e-6)))
        for size in (20.0, 40.0):
            yield EdgeCase(f"rates of exp({size:g})", (torch.full_like(log_rates, size), counts), True)
            yield EdgeCase(f"rates of exp(-{size:g})", (torch.full_like(log_rates, -size), counts), True)

    def illegal_values(self, inputs: tuple[Any, ...], expects: str) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
        log_rates, counts = inputs
        yield "counts", "a count of -1", (log_rates, -torch.ones_like(counts))
        yield "counts", "an infinite count", (log_rates, torch.full_like(counts, torch.inf))

    def rightness(self, log_rates: Tensor, counts: Tensor) -> Tensor:
        return -(log_rates - counts.log()).abs().mean()

    def leaf_kinds(self, expects: str) -> dict[str, str]:
        return {"log_rates": "real"}

    def head(self, width: int, data: Any) -> nn.Module:
        return nn.Linear(width, 1)

    def loss_inputs(self, batch: Any) -> tuple[Any, ...]:
        return batch.outputs.squeeze(1), batch.targets

    def predict(self, outputs: Tensor, data: Any) -> Tensor:
        """The mean counts."""
        return outputs.squeeze(1).exp()
