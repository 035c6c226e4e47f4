"""The loss of one batch in a form that can be computed again after it has failed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from losszoo.common.text import in_one_line, message_of, some_of
from losszoo.errors import LosszooError, UsageError, is_out_of_memory
from losszoo.pairs.distributed.collectives import ExchangeError
from losszoo.tracing.authors import raised_at
from losszoo.tracing.first_nonfinite import first_non_finite
from losszoo.training.accumulate import Pieces, Zeros, at_once, by_parts, counts_of
from losszoo.training.data.batch_inputs import Calls, Step
from losszoo.training.distributed import average_gradients
from losszoo.training.guard.crash_bundle import pack
from losszoo.training.guard.events import Event, StepReport, of_weights
from losszoo.training.models.forward import ForwardPass
from losszoo.training.plan import Plan


class BatchLoss:
    """One batch and its loss, term by term.

    Args:
        plan: of the run.
        rows: indices among the training rows.
    """

    def __init__(self, plan: Plan, rows: Tensor) -> None:
        self.plan, self.rows, self.randomness = plan, rows, plan.randomness
        self.before = self.randomness.state()
        self.terms: dict[str, Tensor] = {}

    def step(self) -> StepReport:
        """Loss, gradient and, where they are finite, the step."""
        guard = self.plan.guard
        investigate = self.investigate if self.plan.first_rank else None
        look = self._histograms if self.plan.scalars else None
        if self.plan.accumulate > 1:
            total = self._accumulated()
        elif self.plan.world is None:
            return guard.step(self.total(), investigate=investigate, before_step=look)
        else:
            total = self.total()
            with self._blamed():
                guard.backward(total)
        if self.plan.world is not None:
            average_gradients(self.plan.loss.parameters(), self.plan.world)
        return guard.apply(total, investigate=investigate, before_step=look)

    def total(self) -> Tensor:
        """Forward pass and loss.

        Raises:
            UsageError: what a loss, or whatever else was called, has raised, and where.
        """
        with self._blamed():
            step = self._step(self.rows, self.plan.forward)
            calls = Calls(step, shared=True)
            self.terms = self.plan.loss.values(calls.inputs, weight=calls.weight)
            return self.plan.loss.combine(self.terms)

    def _accumulated(self) -> Tensor:
        """The value of the loss over several batches, whose gradients are there afterwards."""
        plan, size = self.plan, self.plan.recipe.batch_size
        with self._blamed():
            parts = torch.split(self.rows, size)
            zeros = Zeros(plan.forward.shapes(plan.model, plan.data.train.inputs[self.rows[:1]]))
            counts = counts_of(plan.loss, [self._step(part, zeros) for part in parts])
            if counts is not None:
                steps = [self._step(part, plan.forward) for part in parts]
                self.terms = by_parts(plan.loss, steps, counts, plan.guard.backward)
            else:
                whole = self._step(self.rows, plan.forward)
                self.terms = at_once(plan.loss, whole, plan.forward, size, self.randomness, plan.guard.backward)
            with torch.no_grad():
                return plan.loss.combine(self.terms)

    def _step(self, rows: Tensor, forward: ForwardPass) -> Step:
        plan = self.plan
        generator = self.randomness.generator
        return Step(plan.model, plan.task, plan.data, rows, plan.recipe.sample_rate, generator, forward)

    @contextmanager
    def _blamed(self) -> Iterator[None]:
        """Says in which step of what something was raised."""
        plan = self.plan
        try:
            yield
        except (Exception, SystemExit) as error:
            if isinstance(error, LosszooError | ExchangeError) or is_out_of_memory(error):  # of these the run speaks
                raise
            failed = error if isinstance(error, dist.DistError) else plan.forward.exchange_error
            if failed is not None:
                raise ExchangeError(str(failed)) from error
            place = raised_at(error)
            where = f"step {plan.guard.counts.steps + 1} of {plan.config['loss']} on {plan.config['task']}"
            said = f"{type(error).__name__}: {message_of(error)}{f' ({place})' if place else ''}"
            raise UsageError(f"{where} raised {said}") from error

    def _histograms(self) -> None:
        if self.plan.scalars is not None:
            self.plan.scalars.gradients(self.plan.guard.counts.steps, self.plan.model.named_parameters())

    def again(self) -> Tensor:
        """The same loss from the random state before the step, by this process alone; the state after it stays."""
        after = self.randomness.state()
        self.randomness.restore(self.before)
        try:
            plain: ForwardPass = self.plan.forward.plain(self.plan.model)
            if self.plan.accumulate > 1:
                plain = Pieces(plain, self.plan.recipe.batch_size)  # so that dropout draws for each part, as it did
            step = self._step(self.rows, plain)
            calls = Calls(step)
            self.terms = self.plan.loss.values(calls.inputs, weight=calls.weight)
            return self.plan.loss.combine(self.terms)
        finally:
            self.randomness.restore(after)

    def investigate(self, event: Event) -> Event:
        """What can be known of a failed step: input or loss, which term, operation and line; and its bundle."""
        bad = [label for label, value in self.terms.items() if not bool(torch.isfinite(value).all())]
        term = f"in the term {' and '.join(bad)}" if bad and len(self.terms) > 1 else ""
        detail = "; ".join(filter(None, [event.detail, term]))
        broken = ~torch.isfinite(self.plan.data.train.inputs[self.rows].flatten(1)).all(1)
        if bool(broken.any()) and not of_weights(event):
            event = replace(event, where="input")
            detail = f"{detail} (not finite: training row {some_of(self.rows[broken].tolist())})".strip()
        # Copied before the step is repeated, which changes running statistics: it is the state before the step.
        bundles = self.plan.record.bundles
        content = bundles.collect(self._content, event.step) if bundles else None
        event = replace(event, detail=detail)
        terms = {label: value.item() for label, value in self.terms.items()}  # now: the repetition makes others
        if not of_weights(event):
            event = self._repeat(event)
        if bundles is None or content is None:
            return event
        content["event"] = {**{key: value for key, value in asdict(event).items() if key != "bundle"}, "terms": terms}
        path = bundles.write(content, event.step)
        return replace(event, bundle=str(path) if path else None)

    def _repeat(self, event: Event) -> Event:
        """Operation and line, from the step computed again; an attempt that fails does not hide the event."""
        try:
            origin = first_non_finite(self.again)
        except (Exception, SystemExit) as error:  # a loss that keeps a state of its own may refuse the second time
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
                "weights": self._step(self.rows, plan.forward).weights,
                "class_counts": list(plan.data.class_counts),
            },
            "model": plan.model.state_dict(),
            "loss": plan.loss.state_dict(),
            "optimizer": plan.optimizer.state_dict(),
            "random": self.before,
            "config": dict(plan.config),
        }
        return pack("run", parts)
