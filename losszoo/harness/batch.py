"""The loss of one batch in a form that can be computed again after it has failed."""

from __future__ import annotations

import traceback
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from losszoo.errors import LosszooError, UsageError
from losszoo.harness.adapters import Step, arguments
from losszoo.harness.events import Event
from losszoo.harness.plan import Plan
from losszoo.harness.randomness import Randomness
from losszoo.harness.trace import author_line, first_non_finite


class BatchLoss:
    """One batch and its loss, term by term.

    Args:
        plan: of the run.
        rows: indices among the training rows.
        randomness: source of draws; its state before the step is remembered.
    """

    def __init__(self, plan: Plan, rows: Tensor, randomness: Randomness) -> None:
        self.plan, self.rows, self.randomness = plan, rows, randomness
        self.before = randomness.state()
        self.terms: dict[str, Tensor] = {}

    def total(self) -> Tensor:
        """Forward pass and loss.

        Raises:
            UsageError: what a loss, or whatever else was called, has raised, and where.
        """
        plan = self.plan
        generator = self.randomness.generator
        step = Step(plan.model, plan.task, plan.data, self.rows, plan.recipe.sample_rate, generator)
        try:
            self.terms = plan.loss.values(lambda loss: arguments(step, loss.signature, loss.identity.expects))
            return plan.loss.combine(self.terms)
        except (LosszooError, MemoryError, torch.OutOfMemoryError):
            raise
        except (Exception, SystemExit) as error:
            frames = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
            where = f"step {plan.guard.counts.steps + 1} of {plan.config['loss']} on {plan.config['task']}"
            said = f"{type(error).__name__}: {error} ({author_line(frames)})"
            raise UsageError(f"{where} raised {said}") from error

    def again(self) -> Tensor:
        """The same loss from the random state before the step; the state after it is left as it was."""
        after = self.randomness.state()
        self.randomness.restore(self.before)
        try:
            return self.total()
        finally:
            self.randomness.restore(after)

    def investigate(self, event: Event) -> Event:
        """What can be known of a failed step: input or loss, which term, operation and line; and its bundle."""
        bad = [label for label, value in self.terms.items() if not bool(torch.isfinite(value).all())]
        detail = f"in the term {' and '.join(bad)}" if bad and len(self.terms) > 1 else ""
        if not bool(torch.isfinite(self.plan.data.train.inputs[self.rows]).all()):
            event = replace(event, where="input")
        # Before the step is repeated, which changes running statistics: the bundle holds the state before it.
        bundle = self.plan.record.write_bundle(self._bundle(event), event.step)
        origin = first_non_finite(self.again)
        self.plan.optimizer.zero_grad(set_to_none=True)
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
