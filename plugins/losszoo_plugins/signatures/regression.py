"""Predicted numbers against true ones."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from losszoo import EdgeCase, Signature, Sizes, Source, checks
from losszoo_plugins.signatures import _shared


class Regression(Signature):
    """Predicted numbers against finite ones, of any shape."""

    name = "regression"
    arguments = ("predictions", "targets")
    given = ("targets",)
    synonyms: ClassVar = {
        "predictions": ("input", "inputs", "output", "outputs", "pred", "preds", "prediction", "y_pred", "y_hat"),
        "targets": ("target", "y", "y_true", "true", "truth", "gt"),
    }
    fits = ("multiclass", "binary", "regression", "multi-output")
    any_shape = True
    stricter_than = ("binary",)
    predicting = 60.0
    sizes = Sizes(first="elements", usual="10000,100000,800000")
    learns = "minus the mean error"

    def check(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> tuple[Any, ...]:
        # What is in order is looked at once, here; anything else is converted, or refused, by what follows.
        predictions, targets = inputs
        tensors = isinstance(predictions, Tensor) and isinstance(targets, Tensor)
        in_order = tensors and targets.dtype == predictions.dtype and targets.shape == predictions.shape
        return inputs if in_order and predictions.dtype in checks.COMPUTED else _shared.alike(*inputs)

    def check_values(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> None:
        targets = inputs[1].detach()
        # One pass, and no tensor of the size of the numbers; NaN is both the smallest and the largest.
        if targets.numel():
            smallest, largest = torch.aminmax(targets)
            if not (math.isfinite(smallest.item()) and math.isfinite(largest.item())):
                checks.require(torch.isfinite(targets), "targets", "be finite", targets)

    def element_shape(self, inputs: tuple[Any, ...]) -> torch.Size:
        shape: torch.Size = inputs[0].shape
        return shape

    def example(self, source: Source) -> tuple[Any, ...]:
        return source.normal(source.rows), source.normal(source.rows)

    def edge_cases(self, inputs: tuple[Any, ...], expects: str) -> Iterator[EdgeCase]:
        predictions, targets = inputs
        yield EdgeCase("perfect prediction", (targets.clone(), targets))
        # The square of the largest is still a number; beyond it the squared error truly has none in float32.
        for size in (1e-30, 1e-8, 1e4, 1e18):
            yield EdgeCase(f"residual {size:g}", (targets + size, targets))
        outlier = predictions.clone()
        outlier.view(-1)[0] = 1e18
        yield EdgeCase("one outlier of 1e18", (outlier, targets))
        yield EdgeCase("targets of 0", (predictions, torch.zeros_like(targets)))
        yield EdgeCase("constant everything", (torch.ones_like(predictions), torch.ones_like(targets)))

    def illegal_values(self, inputs: tuple[Any, ...], expects: str) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
        yield from _shared.wrong_numbers(inputs, "targets", 1, (("a target of NaN", torch.nan),))

    def rightness(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return -(predictions - targets).abs().mean()

    def leaf_kinds(self, expects: str) -> dict[str, str]:
        return {"predictions": "real"} if expects == "logits" else {}

    def head(self, width: int, data: Any) -> nn.Module:
        return nn.Linear(width, data.classes or data.train.targets[0].numel())

    def loss_inputs(self, batch: Any) -> tuple[Any, ...]:
        if batch.data.classes:
            return batch.outputs, batch.one_hot_targets
        return batch.outputs.reshape(batch.targets.shape), batch.targets
