"""Logits of classes against several labels for each row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from losszoo import EdgeCase, Signature, Sizes, Source, checks
from losszoo_plugins.signatures import _shared

SIZES = (20.0, 89.0, 104.0, 1e4)


class Multilabel(Signature):
    """Logits (N, C) against targets (N, C) in [0, 1], whether the row has the label; one row may come as (C,)."""

    name = "multilabel"
    arguments = ("label_logits", "has_labels")
    given = ("has_labels",)
    synonyms: ClassVar = {
        "label_logits": ("logits", "input", "inputs", "output", "outputs", "predictions", "scores"),
        "has_labels": ("target", "targets", "label", "labels", "y"),
    }
    fits = ("multiclass", "multilabel")
    predicting = 59.0
    sizes = Sizes(second="classes", second_default=100, usual="256x100,1024x1000")
    learns = "logits of labels that a row has over those of the others"

    def check(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> tuple[Any, ...]:
        logits = _logits(*inputs)
        return logits, checks.like("has_labels", inputs[1], logits, "label_logits")

    def check_values(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> None:
        targets = inputs[1]
        checks.require((targets >= 0) & (targets <= 1), "has_labels", "be in [0, 1]", targets)

    def element_shape(self, inputs: tuple[Any, ...]) -> torch.Size:
        shape: torch.Size = inputs[0].shape[:-1]
        return shape

    def example(self, source: Source) -> tuple[Any, ...]:
        classes = source.second or source.classes + 1
        return source.normal(source.rows, classes), source.bits(source.rows, classes)

    def edge_cases(self, inputs: tuple[Any, ...], expects: str) -> Iterator[EdgeCase]:
        logits, targets = inputs
        for size in SIZES:
            right = size * (2 * targets - 1)
            yield EdgeCase(f"right by {size:g}", (right, targets))
            yield EdgeCase(f"wrong by {size:g}", (-right, targets), True)
        yield EdgeCase("rows that have all labels", (logits, torch.ones_like(targets)))
        yield EdgeCase("rows that have none", (logits, torch.zeros_like(targets)))
        yield EdgeCase("targets of 0.5", (logits, torch.full_like(targets, 0.5)))
        yield EdgeCase("one label only", (logits[:, :1], targets[:, :1]))

    def illegal_values(self, inputs: tuple[Any, ...], expects: str) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
        wrong = (("a target of 1.5", 1.5), ("a target of -1", -1.0))
        yield from _shared.wrong_numbers(inputs, "has_labels", 1, wrong)

    def rightness(self, label_logits: Tensor, has_labels: Tensor) -> Tensor:
        return _shared.contrast(label_logits, has_labels > 0.5)

    def leaf_kinds(self, expects: str) -> dict[str, str]:
        return {"label_logits": "real"}

    def head(self, width: int, data: Any) -> nn.Module:
        return nn.Linear(width, data.classes or data.train.targets[0].numel())

    def loss_inputs(self, batch: Any) -> tuple[Any, ...]:
        targets = batch.one_hot_targets if batch.data.classes else batch.targets
        return batch.outputs, targets.to(batch.outputs.dtype)


class LabelLists(Signature):
    """Logits (N, C) against lists of labels (N, C) int64, each ended by -1, as torch has them; one row may be (C,).

    A label that stands twice in a list counts twice. The function of a loss is called with how often each row has each
    label, (N, C).
    """

    name = "label-lists"
    arguments = ("label_logits", "label_lists")
    given = ("label_lists",)
    synonyms: ClassVar = {
        "label_logits": ("logits", "input", "inputs", "output", "outputs", "predictions", "scores"),
        "label_lists": ("target", "targets", "label", "labels", "y"),
    }
    fits = ("multiclass", "multilabel")
    predicting = 58.5
    sizes = Sizes(second="classes", second_default=100, usual="256x100,1024x100")
    learns = "logits of labels that a row has over those of the others"

    def check(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> tuple[Any, ...]:
        logits = _logits(*inputs)
        return logits, checks.integers("label_lists", inputs[1], logits.shape)

    def check_values(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> None:
        logits, targets = inputs
        classes = logits.shape[-1]
        legal = (targets >= 0) & (targets < classes) | _ended(targets)
        checks.require(legal, "label_lists", f"be labels from 0 to {classes - 1}, and -1 where a list ends", targets)

    def element_shape(self, inputs: tuple[Any, ...]) -> torch.Size:
        shape: torch.Size = inputs[0].shape[:-1]
        return shape

    def function_inputs(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> tuple[Any, ...]:
        logits, targets = inputs
        listed = ~_ended(targets)
        # What stands behind the end is no label, and may be anything.
        times = torch.zeros_like(logits).scatter_add(-1, torch.where(listed, targets, 0), listed.to(logits.dtype))
        return logits, times

    def example(self, source: Source) -> tuple[Any, ...]:
        classes = source.second or source.classes + 1
        return source.normal(source.rows, classes), _lists(source.bits(source.rows, classes))

    def edge_cases(self, inputs: tuple[Any, ...], expects: str) -> Iterator[EdgeCase]:
        logits, targets = inputs
        hot = self.function_inputs(inputs, checks.CheckContext())[1]
        for size in SIZES:
            right = size * (2 * hot - 1)
            yield EdgeCase(f"right by {size:g}", (right, targets))
            yield EdgeCase(f"wrong by {size:g}", (-right, targets), True)
        yield EdgeCase("rows that have all labels", (logits, _lists(torch.ones_like(logits))))
        yield EdgeCase("rows that have none", (logits, torch.full_like(targets, -1)))
        yield EdgeCase("labels that are named again", (logits, torch.zeros_like(targets)))
        yield EdgeCase("all logits alike", (torch.zeros_like(logits), targets))

    def illegal_values(self, inputs: tuple[Any, ...], expects: str) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
        wrong = (("a label of 93", 93), ("a label of -7", -7))
        yield from _shared.wrong_numbers(inputs, "label_lists", 1, wrong)

    def rightness(self, label_logits: Tensor, label_lists: Tensor) -> Tensor:
        times = self.function_inputs((label_logits, label_lists), checks.CheckContext())[1]
        return _shared.contrast(label_logits, times > 0)

    def leaf_kinds(self, expects: str) -> dict[str, str]:
        return {"label_logits": "real"}

    def head(self, width: int, data: Any) -> nn.Module:
        return nn.Linear(width, data.classes or data.train.targets[0].numel())

    def loss_inputs(self, batch: Any) -> tuple[Any, ...]:
        return batch.outputs, _lists(batch.one_hot_targets if batch.data.classes else batch.targets)


def _logits(logits: Any, targets: Any) -> Tensor:
    checked = checks.floating("label_logits", logits)
    alone = checked.ndim == 1 and isinstance(targets, Tensor) and targets.ndim == 1
    if not (checked.ndim == 2 or alone) or not checked.shape[-1]:
        rule = "have shape (N, C) with at least one class, or (C,) beside targets (C,)"
        raise checks.BrokenRule("label_logits", rule, checks.shape_of(checked))
    return checked


def _ended(targets: Tensor) -> Tensor:
    """From the first -1 of each list on."""
    return (targets == -1).cumsum(-1) > 0


def _lists(targets: Tensor) -> Tensor:
    """The labels of each row of 0 and 1, in their order, ended by -1."""
    has = targets > 0.5
    places = has.to(torch.int8).argsort(dim=-1, descending=True, stable=True)
    return torch.where(torch.arange(has.shape[-1], device=has.device) < has.sum(-1, keepdim=True), places, -1)
