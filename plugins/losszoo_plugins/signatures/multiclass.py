"""Logits over classes against labels."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from losszoo import EdgeCase, Signature, Sizes, Source, checks
from losszoo_plugins.signatures import _shared


class Multiclass(Signature):
    """Logits (N, C, ...) against labels (N, ...), or against probabilities (N, C, ...)."""

    name = "multiclass"
    arguments = ("logits", "targets")
    given = ("targets",)
    synonyms: ClassVar = {
        "logits": ("input", "inputs", "output", "outputs", "pred", "preds", "predictions", "scores", "y_pred"),
        "targets": ("target", "label", "labels", "y", "y_true", "classes", "class_labels"),
    }
    fits = ("multiclass", "binary")
    expects = ("logits", "probabilities", "log-probabilities")
    any_shape = True
    predicting = 90.0
    sizes = Sizes(second="classes", second_default=1000, usual="512x1000,256x32000")
    learns = "the target's logit over the others"

    def check(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> tuple[Any, ...]:
        logits, targets = inputs
        if not isinstance(logits, Tensor) or logits.dtype not in checks.COMPUTED:
            logits = checks.floating("logits", logits)
        if logits.ndim < 2 or logits.shape[1] < 1:
            raise checks.BrokenRule("logits", "have shape (N, C, ...) with at least one class", checks.shape_of(logits))
        positions = logits.shape[:1] + logits.shape[2:]
        if isinstance(targets, Tensor) and targets.dtype == torch.int64 and targets.shape == positions:
            return logits, targets
        if isinstance(targets, Tensor) and targets.is_floating_point() and targets.shape != positions:
            return logits, checks.like("targets", targets, logits, "logits")
        return logits, checks.integers("targets", targets, positions)

    def check_values(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> None:
        logits, targets = inputs
        classes = logits.shape[1]
        if targets.is_floating_point():
            checks.require(targets >= 0, "targets", "be probabilities", targets)
            total = targets.sum(1)
            checks.require((total - 1).abs() < 1e-3, "targets", "sum to 1 over the classes", total)
        elif not checks.within(targets, 0, classes - 1):
            legal = (targets >= 0) & (targets < classes)
            if context.ignore_index is not None:
                legal |= targets == context.ignore_index
            checks.require(legal, "targets", f"be labels from 0 to {classes - 1}", targets)
        if context.expects == "probabilities":
            checks.probabilities("logits", logits, context)

    def element_shape(self, inputs: tuple[Any, ...]) -> torch.Size:
        shape: torch.Size = inputs[0].shape
        return shape[:1] + shape[2:]

    def hide(self, inputs: tuple[Any, ...], mask: Tensor, context: checks.CheckContext) -> tuple[Any, ...]:
        logits, targets = inputs
        wide = mask.unsqueeze(1)
        alike = 1 / logits.shape[1]
        hidden = torch.where(wide, targets, alike) if targets.is_floating_point() else targets * mask
        return torch.where(wide, logits, alike if context.expects == "probabilities" else 0.0), hidden

    def example(self, source: Source) -> tuple[Any, ...]:
        classes = source.second or source.classes
        return self.link(source.normal(source.rows, classes), source.expects), source.labels(classes=classes)

    def edge_cases(self, inputs: tuple[Any, ...], expects: str) -> Iterator[EdgeCase]:
        outputs, targets = inputs
        classes = outputs.shape[1]
        hot = F.one_hot(targets, classes).float()
        if expects != "probabilities":
            for label, certain, wrong in _shared.sure(hot, expects):
                yield EdgeCase(label, (certain, targets), wrong)
        alike = {"logits": 0.0, "probabilities": 1 / classes, "log-probabilities": -math.log(classes)}[expects]
        yield EdgeCase("all classes alike", (torch.full_like(outputs, alike), targets))
        if expects == "logits":
            masked = outputs.clone()
            masked[:, -1] = -torch.inf
            yield EdgeCase("a class excluded by -inf", (masked, targets % (classes - 1)))
            yield EdgeCase("every other class excluded by -inf", (torch.where(hot > 0, outputs, -torch.inf), targets))
            yield EdgeCase("logits offset by 1e4", (outputs + 1e4, targets))
        yield EdgeCase("one class only", (outputs, torch.zeros_like(targets)))

    def illegal_values(self, inputs: tuple[Any, ...], expects: str) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
        yield from _shared.wrong_numbers(inputs, "targets", 1, (("a label of 93", 93), ("a label of -7", -7)))
        yield "targets", "probabilities that do not sum to 1", (inputs[0], torch.full_like(inputs[0], 0.9))
        if expects == "probabilities":
            yield from _shared.wrong_numbers(inputs, "logits", 0, (("a probability of 1.5", 1.5),))

    def rightness(self, logits: Tensor, targets: Tensor) -> Tensor:
        return _shared.contrast(logits, F.one_hot(targets, logits.shape[1]).bool())

    def rows_of(self, inputs: tuple[Any, ...], rows: Any) -> tuple[Any, ...]:
        """A table of rows gives inputs of one more dimension; the classes stay the second one."""
        logits, *rest = super().rows_of(inputs, rows)
        further = isinstance(rows, Tensor) and rows.ndim > 1
        return (logits.movedim(-1, 1) if further else logits), *rest

    def leaf_kinds(self, expects: str) -> dict[str, str]:
        return {"logits": "real"} if expects == "logits" else {}

    def link(self, outputs: Tensor, expects: str) -> Tensor:
        if expects == "logits":
            return outputs
        return F.log_softmax(outputs, 1) if expects == "log-probabilities" else F.softmax(outputs, 1)

    def head(self, width: int, data: Any) -> nn.Module:
        return nn.Linear(width, data.classes)

    def loss_inputs(self, batch: Any) -> tuple[Any, ...]:
        return batch.outputs, batch.targets
