"""Single answers that people liked or did not like."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from losszoo import EdgeCase, Signature, Sizes, Source, checks


class Feedback(Signature):
    """Log-probability ratios of answers, policy to reference, (N,), and whether each answer is desirable, (N,)."""

    name = "feedback"
    arguments = ("log_ratios", "desirable")
    given = ("desirable",)
    synonyms: ClassVar = {"log_ratios": ("logratios", "log_ratio", "rewards"), "desirable": ("liked", "thumbs_up")}
    fits = ("binary",)
    rows_interact = True
    predicting = 45.0
    sizes = Sizes(first="answers", usual="1024,8192,65536")
    learns = "the log-ratios of the desirable answers over those of the others"

    def check(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> tuple[Any, ...]:
        log_ratios = checks.floating("log_ratios", inputs[0])
        if log_ratios.ndim != 1:
            raise checks.BrokenRule("log_ratios", "have shape (N,)", checks.shape_of(log_ratios))
        return log_ratios, checks.like("desirable", inputs[1], log_ratios, "log_ratios")

    def check_values(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> None:
        desirable = inputs[1]
        checks.require((desirable == 0) | (desirable == 1), "desirable", "be 0 or 1", desirable)

    def example(self, source: Source) -> tuple[Any, ...]:
        return source.normal(source.rows), source.bits(source.rows)

    def edge_cases(self, inputs: tuple[Any, ...], expects: str) -> Iterator[EdgeCase]:
        log_ratios, desirable = inputs
        for value in (0.0, 1.0):
            yield EdgeCase(f"all desirable {value:g}", (log_ratios, torch.full_like(desirable, value)))
        yield EdgeCase("equal log-ratios", (torch.zeros_like(log_ratios), desirable))
        for size in (20.0, 1e3, 1e4):
            yield EdgeCase(f"right by {size:g}", (torch.where(desirable > 0, size, -size), desirable))
            yield EdgeCase(f"wrong by {size:g}", (torch.where(desirable > 0, -size, size), desirable))

    def illegal_values(self, inputs: tuple[Any, ...], expects: str) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
        yield "desirable", "half desirable", (inputs[0], torch.full_like(inputs[1], 0.5))

    def rightness(self, log_ratios: Tensor, desirable: Tensor) -> Tensor:
        return log_ratios[desirable > 0].mean() - log_ratios[desirable == 0].mean()

    def head(self, width: int, data: Any) -> nn.Module:
        return nn.Linear(width, 1)

    def loss_inputs(self, batch: Any) -> tuple[Any, ...]:
        log_ratios = batch.outputs.squeeze(1)
        return log_ratios, batch.targets.to(log_ratios.dtype)
