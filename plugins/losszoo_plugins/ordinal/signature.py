"""Logits of the steps between levels against levels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, pad

from losszoo import EdgeCase, Signature, Sizes, Source, checks
from losszoo_plugins.ordinal.heads import SharedRow
from losszoo_plugins.ordinal.probability import log1mexp
from losszoo_plugins.signatures import _shared


class Ordinal(Signature):
    """Logits (N, K - 1) against levels (N,) from 0 to K - 1; logit k is that of being above level k.

    A loss that holds cut points itself takes scores, (N,).
    """

    name = "ordinal"
    arguments = ("logits", "labels")
    given = ("labels",)
    synonyms: ClassVar = {
        "logits": ("scores", "score", "input", "inputs", "output", "outputs", "pred", "predictions"),
        "labels": (
            "levels",
            "level",
            "ranks",
            "rank",
            "grades",
            "targets",
            "target",
            "label",
            "y",
            "y_true",
            "y_train",
        ),
    }
    fits = ("multiclass", "ordinal")
    predicting = 57.0
    sizes = Sizes(second="levels", second_default=10, usual="1024x10,65536x10")
    learns = "logits of the steps below the level over those of the others"

    def check(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> tuple[Any, ...]:
        logits = checks.floating("logits", inputs[0])
        alone = logits.ndim == 1 and isinstance(inputs[1], Tensor) and inputs[1].shape == logits.shape
        if not alone and (logits.ndim != 2 or logits.shape[1] < 1):
            rule = "have shape (N, K - 1), one logit fewer than levels, or (N,), the scores of a loss with cut points"
            raise checks.BrokenRule("logits", rule, checks.shape_of(logits))
        return logits, checks.integers("labels", inputs[1], logits.shape[:1])

    def check_values(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> None:
        logits, labels = inputs
        if logits.ndim == 1:
            checks.require(labels >= 0, "labels", "be levels >= 0", labels)
        else:
            highest = logits.shape[1]
            checks.require((labels >= 0) & (labels <= highest), "labels", f"be levels from 0 to {highest}", labels)

    def example(self, source: Source) -> tuple[Any, ...]:
        levels = source.second or source.classes
        cuts = 2 * torch.arange(levels - 1) - (levels - 2.0)
        return source.normal(source.rows, 1) - cuts, source.labels(classes=levels)

    def edge_cases(self, inputs: tuple[Any, ...], expects: str) -> Iterator[EdgeCase]:
        logits, labels = inputs
        highest = logits.shape[1]
        steps = torch.arange(highest, device=logits.device)
        sign = 2 * (labels.unsqueeze(1) > steps).to(logits.dtype) - 1
        for size in (20.0, 89.0, 104.0, 1e4):
            yield EdgeCase(f"right by {size:g}", (size * sign, labels))
        lowest, top = torch.zeros_like(labels), torch.full_like(labels, highest)
        for size in (20.0, 104.0, 1e4):
            yield EdgeCase(f"far too high, by {size:g}", (logits + size, lowest), True)
            yield EdgeCase(f"far too low, by {size:g}", (logits - size, top), True)
        for level in (0, highest):
            yield EdgeCase(f"every row of level {level}", (logits, torch.full_like(labels, level)))
        yield EdgeCase("two levels only", (logits[:, :1], labels.clamp(max=1)))

    def illegal_values(self, inputs: tuple[Any, ...], expects: str) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
        yield from _shared.wrong_numbers(inputs, "labels", 1, (("a level of 93", 93), ("a level of -7", -7)))

    def misshapen(self, inputs: tuple[Any, ...]) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
        yield from super().misshapen(inputs)
        logits, labels = inputs
        above = labels.unsqueeze(1) > torch.arange(logits.shape[1])
        yield "labels", "levels as 0 and 1 for each step", (logits, above.long())

    def rightness(self, logits: Tensor, labels: Tensor) -> Tensor:
        return _shared.contrast(logits, labels.unsqueeze(1) > torch.arange(logits.shape[1], device=logits.device))

    def leaf_kinds(self, expects: str) -> dict[str, str]:
        return {"logits": "real"}

    def head(self, width: int, data: Any) -> nn.Module:
        return SharedRow(width, data.classes)

    def loss_inputs(self, batch: Any) -> tuple[Any, ...]:
        return batch.outputs, batch.targets

    def predict(self, outputs: Tensor, data: Any) -> Tensor:
        """A score of each level, (N, K); the largest is of the level above which the row is with less than 1/2.

        As many logits are above 0 as there are levels below it, in whatever order they are.
        """
        falling = outputs.sort(1, descending=True).values
        return torch.minimum(pad(falling, (1, 0), value=torch.inf), pad(-falling, (0, 1), value=torch.inf))


class ConditionalOrdinal(Ordinal):
    """Logits (N, K - 1) against levels (N,) from 0 to K - 1; logit k is that of going on, for a row that is at k."""

    name = "conditional-ordinal"
    predicting = 56.0

    def check(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> tuple[Any, ...]:
        logits = checks.floating("logits", inputs[0])
        if logits.ndim != 2 or logits.shape[1] < 1:
            rule = "have shape (N, K - 1), one logit fewer than levels"
            raise checks.BrokenRule("logits", rule, checks.shape_of(logits))
        return logits, checks.integers("labels", inputs[1], logits.shape[:1])

    def head(self, width: int, data: Any) -> nn.Module:
        return nn.Linear(width, data.classes - 1)

    def predict(self, outputs: Tensor, data: Any) -> Tensor:
        # To be above a level a row must have gone on from all before it: the logit of a product of probabilities.
        log_above = logsigmoid(outputs).cumsum(1)
        return super().predict(log_above - log1mexp(-log_above), data)
