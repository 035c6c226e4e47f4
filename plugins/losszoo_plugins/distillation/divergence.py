"""Log-probabilities against probabilities, element by element."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor

from losszoo import EdgeCase, Signature, Sizes, Source, checks


class Divergence(Signature):
    """Log-probabilities of a model against those that are wanted, of any shape, called as ``torch.nn.KLDivLoss`` is.

    Targets are probabilities, or, where a loss says so, their logarithms too.
    """

    name = "divergence"
    arguments = ("log_probabilities", "targets")
    given = ("targets",)
    synonyms: ClassVar = {
        "log_probabilities": ("input", "log_probs", "log_p", "logp"),
        "targets": ("target", "probabilities", "probs", "q"),
    }
    expects = ("log-probabilities",)
    any_shape = True
    sizes = Sizes(first="elements", usual="10000,100000,800000")
    learns = "minus the distance from the targets"

    def check(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> tuple[Any, ...]:
        log_probabilities = checks.floating("log_probabilities", inputs[0])
        targets = checks.floating("targets", inputs[1])
        if targets.shape != log_probabilities.shape:
            rule = f"have the shape of log_probabilities, {tuple(log_probabilities.shape)}"
            raise checks.BrokenRule("targets", rule, checks.shape_of(targets))
        wide = torch.promote_types(log_probabilities.dtype, targets.dtype)
        return log_probabilities.to(wide), targets.to(wide)

    def hide(self, inputs: tuple[Any, ...], mask: Tensor, context: checks.CheckContext) -> tuple[Any, ...]:
        log_probabilities, targets = inputs
        # A target of 0 is a probability, and the logarithm of one.
        return torch.where(mask, log_probabilities, 0.0), torch.where(mask, targets, 0.0)

    def example(self, source: Source) -> tuple[Any, ...]:
        # One distribution over all rows.
        return self.link(source.normal(source.rows), source.expects), source.normal(source.rows).softmax(0)

    def link(self, outputs: Tensor, expects: str) -> Tensor:
        return outputs if expects == "logits" else outputs.log_softmax(-1)

    def edge_cases(self, inputs: tuple[Any, ...], expects: str) -> Iterator[EdgeCase]:
        log_probabilities, targets = inputs
        yield EdgeCase("equal distributions", (targets.log(), targets))
        yield EdgeCase("targets of 0", (log_probabilities, torch.zeros_like(targets)))
        yield EdgeCase("targets of 1", (log_probabilities, torch.ones_like(targets)))
        yield EdgeCase("targets of 1e-30", (log_probabilities, torch.full_like(targets, 1e-30)))
        for size in (1e-6, 104.0, 1e4):
            yield EdgeCase(f"log-probabilities of -{size:g}", (torch.full_like(log_probabilities, -size), targets))

    def rightness(self, log_probabilities: Tensor, targets: Tensor) -> Tensor:
        return -(log_probabilities.exp() - targets).abs().mean()

    def leaf_kinds(self, expects: str) -> dict[str, str]:
        return {"log_probabilities": "log-probability", "targets": "probability"}

    def loss_inputs(self, batch: Any) -> tuple[Any, ...]:
        return batch.outputs, batch.targets
