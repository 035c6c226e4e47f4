"""Maps of logits against masks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from losszoo import EdgeCase, Signature, Sizes, Source, checks
from losszoo_plugins.signatures import _shared


class Segmentation(Signature):
    """Logits (N, C, H, W) against masks of 0 and 1 of the same shape."""

    name = "segmentation"
    arguments = ("logits", "targets")
    given = ("targets",)
    synonyms: ClassVar = {
        "logits": ("maps", "pred_masks", "mask_logits"),
        "targets": ("masks", "true_masks", "gt_masks"),
    }
    fits = ("segmentation",)
    expects = ("logits", "probabilities", "log-probabilities")
    stricter_than = ("binary", "regression")
    predicting = 80.0
    sizes = Sizes(first="maps", second="pixels along a side", second_default=64, usual="4x64,16x64,64x64")
    learns = "logits where the target is 1 over those where it is 0"

    def check(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> tuple[Any, ...]:
        logits = checks.floating("logits", inputs[0])
        if logits.ndim != 4:
            raise checks.BrokenRule("logits", "have shape (N, C, H, W)", checks.shape_of(logits))
        return logits, checks.like("targets", inputs[1], logits, "logits")

    def check_values(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> None:
        logits, targets = inputs
        checks.require((targets == 0) | (targets == 1), "targets", "be 0 or 1", targets)
        if context.expects == "probabilities":
            checks.probabilities("logits", logits, context)

    def element_shape(self, inputs: tuple[Any, ...]) -> torch.Size:
        shape: torch.Size = inputs[0].shape
        return shape

    def example(self, source: Source) -> tuple[Any, ...]:
        side = source.second or 4
        shape = (source.rows, 1, side, side)
        return self.link(source.normal(*shape), source.expects), source.bits(*shape)

    def edge_cases(self, inputs: tuple[Any, ...], expects: str) -> Iterator[EdgeCase]:
        logits, targets = inputs
        empty = torch.zeros_like(targets)
        for name, mask in (("empty masks", empty), ("full masks", 1 - empty), ("masks", targets)):
            for label, certain, wrong in _shared.sure(mask, expects):
                yield EdgeCase(f"{name}, {label}", (certain, mask), wrong)
        yield EdgeCase("empty masks", (logits, empty))
        yield EdgeCase("a single pixel", (logits[..., :1, :1], targets[..., :1, :1]))

    def illegal_values(self, inputs: tuple[Any, ...], expects: str) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
        yield from _shared.wrong_numbers(inputs, "targets", 1, (("a target of 0.5", 0.5),))
        if expects == "probabilities":
            yield from _shared.wrong_numbers(inputs, "logits", 0, (("a probability of 1.5", 1.5),))

    def rightness(self, logits: Tensor, targets: Tensor) -> Tensor:
        return _shared.contrast(logits, targets > 0.5)

    def leaf_kinds(self, expects: str) -> dict[str, str]:
        kind = {"logits": "real", "probabilities": "probability", "log-probabilities": "log-probability"}[expects]
        return {"logits": kind}

    def head(self, width: int, data: Any) -> nn.Module:
        return nn.Conv2d(width, data.train.targets.shape[1], kernel_size=1)

    def loss_inputs(self, batch: Any) -> tuple[Any, ...]:
        return batch.outputs, batch.targets
