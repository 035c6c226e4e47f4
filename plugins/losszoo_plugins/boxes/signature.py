"""Predicted boxes against the right ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from losszoo import EdgeCase, Signature, Sizes, Source, checks


class Boxes(Signature):
    """Boxes (N, 4) twice, as (x1, y1, x2, y2) with x1 <= x2 and y1 <= y2, in any unit."""

    name = "boxes"
    arguments = ("predicted_boxes", "target_boxes")
    given = ("target_boxes",)
    synonyms: ClassVar = {
        "predicted_boxes": ("boxes1", "pred_boxes", "pred_bboxes", "bbox_pred", "boxes"),
        "target_boxes": ("boxes2", "gt_boxes", "gt_bboxes", "bbox_targets"),
    }
    fits = ("boxes",)
    predicting = 56.0
    sizes = Sizes(first="boxes", usual="256,4096,65536")
    learns = "minus the distance of the corners"

    def check(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> tuple[Any, ...]:
        predicted = checks.floating("predicted_boxes", inputs[0])
        if predicted.ndim != 2 or predicted.shape[1] != 4:
            raise checks.BrokenRule("predicted_boxes", "have shape (N, 4)", checks.shape_of(predicted))
        return predicted, checks.like("target_boxes", inputs[1], predicted, "predicted_boxes")

    def check_values(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> None:
        for name, boxes in zip(self.arguments, inputs, strict=True):
            # Written so that NaN passes: in a prediction it is an event for the guard.
            inverted = boxes[:, :2] > boxes[:, 2:]
            if bool(inverted.any()):
                came = boxes[inverted.any(1)][0].tolist()
                raise checks.BrokenRule(name, "be (x1, y1, x2, y2) with x1 <= x2 and y1 <= y2", f"{came}")
        checks.require(inputs[1].isfinite(), "target_boxes", "be finite", inputs[1])

    def example(self, source: Source) -> tuple[Any, ...]:
        return _boxes(source), _boxes(source)

    def edge_cases(self, inputs: tuple[Any, ...], expects: str) -> Iterator[EdgeCase]:
        predicted, targets = inputs
        yield EdgeCase("equal boxes", (targets.clone(), targets))
        for size in (1e-6, 1e-3):
            yield EdgeCase(f"off by {size:g}", (targets + size, targets))
        for size in (1e-20, 1e4, 1e18):
            yield EdgeCase(f"boxes times {size:g}", (predicted * size, targets * size))
        for distance in (10.0, 1e4):
            yield EdgeCase(f"apart by {distance:g}", (predicted + distance, targets))
        middle = (targets[:, :2] + targets[:, 2:]).repeat(1, 2) / 2
        yield EdgeCase("one within the other", ((targets + middle) / 2, targets))
        points = targets[:, :2].repeat(1, 2)
        yield EdgeCase("equal points", (points.clone(), points))
        yield EdgeCase("a point in a box", (middle, targets))
        flat = torch.stack([targets[:, 0], targets[:, 1], targets[:, 2], targets[:, 1]], 1)
        yield EdgeCase("equal boxes without a height", (flat.clone(), flat))
        yield EdgeCase("a box without a height at the edge of the other", (flat, targets))
        beside = targets + (targets[:, 2:] - targets[:, :2]).repeat(1, 2)
        yield EdgeCase("corners that touch", (beside, targets))

    def illegal_values(self, inputs: tuple[Any, ...], expects: str) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
        predicted, targets = inputs
        yield "predicted_boxes", "corners in another order", (predicted.flip(1), targets)
        yield "target_boxes", "corners in another order", (predicted, targets.flip(1))
        yield "target_boxes", "an infinite box", (predicted, targets * torch.inf)

    def misshapen(self, inputs: tuple[Any, ...]) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
        predicted, targets = inputs
        yield from super().misshapen(inputs)
        yield "predicted_boxes", "three numbers for a box", (predicted[:, :3], targets[:, :3])

    def rightness(self, predicted_boxes: Tensor, target_boxes: Tensor) -> Tensor:
        return -(predicted_boxes - target_boxes).abs().mean()

    def head(self, width: int, data: Any) -> nn.Module:
        return nn.Linear(width, 4)

    def loss_inputs(self, batch: Any) -> tuple[Any, ...]:
        return _decoded(batch.outputs, batch.data), batch.targets.to(batch.outputs.dtype)

    def predict(self, outputs: Tensor, data: Any) -> Tensor:
        return _decoded(outputs, data)


def _boxes(source: Source) -> Tensor:
    """Around the origin, of sides near 3, so that most of two overlap."""
    centres = source.normal(source.rows, 2)
    halves = 1 + source.uniform(source.rows, 2)
    return torch.cat([centres - halves, centres + halves], 1)


def _decoded(outputs: Tensor, data: Any) -> Tensor:
    """Boxes of what a head gives: centre and logarithm of the size, in units of those of the training boxes.

    The sizes are exponentials, so no box is inverted.
    """
    known = data.train.targets.to(outputs)
    centres, sizes = (known[:, 2:] + known[:, :2]) / 2, known[:, 2:] - known[:, :2]
    tiny = torch.finfo(outputs.dtype).tiny
    middle = centres.mean(0) + centres.std(0, correction=0) * outputs[:, :2]
    half = sizes.mean(0).clamp(min=tiny) / 2 * outputs[:, 2:].exp()
    return torch.cat([middle - half, middle + half], 1)
