"""Predictions against targets of 0 and 1, or anything between."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from losszoo import EdgeCase, Signature, Sizes, Source, checks
from losszoo_plugins.signatures import _shared


class Binary(Signature):
    """Predictions of yes or no against targets in [0, 1], of any shape."""

    name = "binary"
    arguments = ("predictions", "targets")
    given = ("targets",)
    synonyms: ClassVar = {
        "predictions": (
            *("input", "inputs", "output", "outputs", "logits", "logit"),
            *("pred", "preds", "prediction", "y_pred"),
        ),
        "targets": ("target", "label", "labels", "y", "y_true", "true", "truth", "gt"),
    }
    fits = ("multiclass", "binary", "multilabel", "segmentation")
    expects = ("logits", "probabilities", "log-probabilities")
    any_shape = True
    predicting = 70.0
    sizes = Sizes(first="elements", usual="10000,100000,800000")
    learns = "predictions where the target is 1 over those where it is 0"

    def check(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> tuple[Any, ...]:
        # What is in order is looked at once, here; anything else is converted, or refused, by what follows.
        predictions, targets = inputs
        tensors = isinstance(predictions, Tensor) and isinstance(targets, Tensor)
        in_order = tensors and targets.dtype == predictions.dtype and targets.shape == predictions.shape
        return inputs if in_order and predictions.dtype in checks.COMPUTED else _shared.alike(*inputs)

    def check_values(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> None:
        predictions, targets = inputs
        if targets.numel():
            smallest, largest = torch.aminmax(targets.detach())
            # NaN compares as False.
            if not (smallest.item() >= 0 and largest.item() <= 1):
                checks.require((targets >= 0) & (targets <= 1), "targets", "be in [0, 1]", targets)
        if context.expects == "probabilities":
            checks.probabilities("predictions", predictions, context)

    def element_shape(self, inputs: tuple[Any, ...]) -> torch.Size:
        shape: torch.Size = inputs[0].shape
        return shape

    def example(self, source: Source) -> tuple[Any, ...]:
        return self.link(source.normal(source.rows), source.expects), source.bits(source.rows)

    def edge_cases(self, inputs: tuple[Any, ...], expects: str) -> Iterator[EdgeCase]:
        predictions, targets = inputs
        for label, certain, wrong in _shared.sure(targets, expects):
            yield EdgeCase(label, (certain, targets), wrong)
        for value in (0.0, 1.0):
            yield EdgeCase(f"every target {value:g}", (predictions, torch.full_like(targets, value)))
        yield EdgeCase("targets of 0.5", (predictions, torch.full_like(targets, 0.5)))

    def illegal_values(self, inputs: tuple[Any, ...], expects: str) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
        wrong = (("a target of 1.5", 1.5), ("a target of -1", -1.0))
        yield from _shared.wrong_numbers(inputs, "targets", 1, wrong)
        if expects == "probabilities":
            yield from _shared.wrong_numbers(inputs, "predictions", 0, (("a probability of 1.5", 1.5),))

    def rightness(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return _shared.contrast(predictions, targets > 0.5)

    def leaf_kinds(self, expects: str) -> dict[str, str]:
        kind = {"logits": "real", "probabilities": "probability", "log-probabilities": "log-probability"}[expects]
        return {"predictions": kind}

    def head(self, width: int, data: Any) -> nn.Module:
        targets = data.train.targets
        if targets.ndim > 2:
            return _shared.pixel_head(width, targets.shape[1], targets.ndim - 2)
        # A task of two classes has one output; with more of them each is one against the rest.
        return nn.Linear(width, 1 if data.kind == "binary" else data.classes or targets[0].numel())

    def loss_inputs(self, batch: Any) -> tuple[Any, ...]:
        predictions, targets = batch.outputs, batch.targets
        if batch.data.kind == "binary":
            return predictions.squeeze(1), targets.to(predictions.dtype)
        if batch.data.classes:
            return predictions, batch.one_hot_targets
        return predictions, targets
