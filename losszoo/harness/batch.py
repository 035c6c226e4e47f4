"""The loss of one batch in a form that can be computed again after it has failed."""

from __future__ import annotations

import traceback
from dataclasses import asdict, replace
from typing import Any

import torch
from torch import Tensor

from losszoo.errors import LosszooError, UsageError, in_one_line, some_of
from losszoo.harness.adapters import Step, arguments
from losszoo.harness.bundle import pack
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
        broken = ~torch.isfinite(self.plan.data.train.inputs[self.rows].flatten(1)).all(1)
        if bool(broken.any()):
            event = replace(event, where="input")
            detail = f"{detail} (not finite: training row {some_of(self.rows[broken].tolist())})".strip()
        # Copied before the step is repeated, which changes running statistics: it is the state before the step.
        bundles = self.plan.record.bundles
        content = bundles.collect(self._content, event.step)
        event = self._repeat(replace(event, detail=detail))
        if content is None:
            return event
        terms = {label: value.item() for label, value in self.terms.items()}
        content["event"] = {**{key: value for key, value in asdict(event).items() if key != "bundle"}, "terms": terms}
        path = bundles.write(content, event.step)
        return replace(event, bundle=str(path) if path else None)

    def _repeat(self, event: Event) -> Event:
        """Operation and line, from the step computed again; an attempt that fails does not hide the event."""
        try:
            origin = first_non_finite(self.again)
        except Exception as error:  # a loss that keeps a state of its own may refuse the second time
            return replace(event, detail=f"{event.detail} (computed again, it raised {in_one_line(error)})".strip())
        finally:
            self.plan.optimizer.zero_grad(set_to_none=True)
        return replace(event, op=origin.op, source=origin.source) if origin else event

    def _content(self) -> dict[str, Any]:
        """Everything that the step needs to happen again."""
        plan, train = self.plan, self.plan.data.train
        parts = {
            "event": {},
            "batch": {
                "rows": self.rows,
                "inputs": train.inputs[self.rows],
                "targets": train.targets[self.rows],
                "classes": plan.data.classes,
            },
            "model": plan.model.state_dict(),
            "loss": plan.loss.state_dict(),
            "optimizer": plan.optimizer.state_dict(),
            "random": self.before,
            "config": dict(plan.config),
        }
        return pack("run", parts)
