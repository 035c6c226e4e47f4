"""The loss of one batch in a form that can be computed again after it has failed."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Generator, Tensor

from losszoo.harness.adapters import Step, arguments
from losszoo.harness.guard import Event
from losszoo.harness.trace import first_non_finite

if TYPE_CHECKING:
    from losszoo.harness.run import Plan


class BatchLoss:
    """One batch and its loss, term by term.

    Args:
        plan: of the run.
        rows: indices among the training rows.
        generator: random source of draws.
    """

    def __init__(self, plan: Plan, rows: Tensor, generator: Generator) -> None:
        self.plan, self.rows, self.generator = plan, rows, generator
        self.before = {"data": generator.get_state(), "torch": torch.get_rng_state()}
        self.terms: dict[str, Tensor] = {}

    def total(self) -> Tensor:
        """Forward pass and loss."""
        plan = self.plan
        step = Step(plan.model, plan.task, plan.data, self.rows, plan.recipe.sample_rate, self.generator)
        self.terms = plan.loss.values(lambda loss: arguments(step, loss.signature, loss.identity.expects))
        return plan.loss.combine(self.terms)

    def again(self) -> Tensor:
        """The same loss from the random state before the step; the random state after it is left as it was."""
        after = (self.generator.get_state(), torch.get_rng_state())
        self.generator.set_state(self.before["data"])
        torch.set_rng_state(self.before["torch"])
        try:
            return self.total()
        finally:
            self.generator.set_state(after[0])
            torch.set_rng_state(after[1])

    def investigate(self, event: Event) -> Event:
        """What can be known of a failed step: input or loss, which term, which operation and line; and its bundle."""
        bad = [label for label, value in self.terms.items() if not math.isfinite(value.item())]
        detail = f"in the term {' and '.join(bad)}" if bad and len(self.terms) > 1 else ""
        if not bool(torch.isfinite(self.plan.data.train.inputs[self.rows]).all()):
            event = replace(event, where="input")
        origin = first_non_finite(self.again)
        self.plan.optimizer.zero_grad(set_to_none=True)
        bundle = self.plan.record.write_bundle(self._bundle(event), event.step)
        return replace(
            event,
            detail=detail,
            op=origin.op if origin else None,
            source=origin.source if origin else None,
            bundle=str(bundle) if bundle else None,
        )

    def _bundle(self, event: Event) -> dict[str, Any]:
        """Everything that the step needs to happen again; plain data and tensors only."""
        plan = self.plan
        return {
            "format": 1,
            "event": {"step": event.step, "epoch": event.epoch, "where": event.where},
            "batch": {
                "rows": self.rows.cpu(),
                "inputs": plan.data.train.inputs[self.rows].cpu(),
                "targets": plan.data.train.targets[self.rows].cpu(),
            },
            "model": plan.model.state_dict(),
            "loss": plan.loss.state_dict(),
            "optimizer": plan.optimizer.state_dict(),
            "random": self.before,
            "config": dict(plan.config),
        }
