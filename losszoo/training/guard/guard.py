"""What happens to a bad step. Stands alone: fits into any training loop."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from losszoo.common.seeding import Randomness
from losszoo.common.text import kind_name, listed
from losszoo.errors import NonFiniteError, UsageError
from losszoo.pairs.distributed.collectives import World, world
from losszoo.training.guard.clip import Clip, gradient_norm
from losszoo.training.guard.crash_bundle import Bundles
from losszoo.training.guard.events import (
    Budget,
    BudgetError,
    Counts,
    Event,
    StepReport,
    agreed,
    judged,
    of_weights,
    with_next_steps,
)
from losszoo.training.guard.investigate import Failure, Watched
from losszoo.training.guard.learning_rate import check_optimizer, scaled_rate
from losszoo.training.guard.snapshot import Kept, Snapshot, Weights
from losszoo.training.guard.soundness import Soundness

POLICIES = ("raise", "skip", "rollback")
# In the working folder of the process that trains.
BUNDLES = "crash-bundles"


class Guard:
    r"""Takes the optimizer's steps, and none from a loss or a gradient that is NaN or infinite.

    Call :meth:`step` where ``loss.backward(); optimizer.step(); optimizer.zero_grad()`` stood. It runs the
    backward pass, measures the gradient norm once, looks at loss and norm, clips, steps, and clears the
    gradients.

    Where the model is a ``DistributedDataParallel``, all ranks look together: a step that is bad on one of them is
    taken by none.

    Args:
        model: the module (or the list of modules) whose state a rollback restores.
        optimizer: its parameters are the ones that are measured and clipped; those that belong to no module, as a
            loss may learn, are restored too.
        policy: of a bad step. "raise": :class:`NonFiniteError`; the weights are those before the step.
            "skip": the step is not taken. "rollback": back to the last good snapshot, and from there at half the
            learning rate. Under each of them the buffers and extra states that the bad forward pass has changed
            (batch norm, a memory bank) are put back. The random state is left alone: the next draws are new ones.
        clip_norm: largest gradient norm, > 0.
        clip_value: largest absolute gradient entry, > 0; applied after ``clip_norm``.
        clip: a largest norm that follows the norms so far: "auto" (a percentile of them), "zscore" (deviations above
            their mean), or one with arguments: "auto(percentile=90, window=1000)", "zscore(threshold=2.5)".
        budget: how many bad steps "skip" and "rollback" put up with before :class:`BudgetError`.
        snapshot_every: steps between two looks at all weights and the optimizer's state, and between snapshots
            ("rollback"), which are taken of finite states only.
        bundles: folder, made when it is needed, that gets a crash bundle (``losszoo replay``) of each of the first
            few bad steps; None writes none. One that cannot be written warns, and changes nothing else.
        scaler: for half precision: scales the loss and takes the scale out of the gradients. A gradient that
            is not finite at a scale above 1 lowers the scale, and is no bad step yet.
        ranks: whether the ranks of ``torch.distributed`` take each step together; None: where the model says so.

    A step is bad, too, if the forward pass makes a buffer infinite (a running variance), or if a finite gradient
    overflows the optimizer's state or the weights, as the square of 1e21 does in Adam's second moment: such a step is
    undone. Its event says so in words, with ``where`` "loss" and "gradient".

    Attributes:
        lr_scale: what every learning rate is multiplied with for the time of a step: 1, halved with each rollback.
            ``optimizer.param_groups`` keep the rates as they or a scheduler were set, so no schedule undoes it.
        counts: what has been done so far.
        first: the first bad step.

    Example:
        >>> model = nn.Linear(2, 1)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> guard = Guard(model, optimizer, policy="skip", clip_norm=1.0, bundles=None)
        >>> report = guard.step((model(torch.ones(3, 2)) * torch.nan).mean())
        >>> report.applied, report.event.where, guard.counts.skipped
        (False, 'loss', 1)
    """

    def __init__(
        self,
        model: nn.Module | list[nn.Module],
        optimizer: torch.optim.Optimizer,
        policy: str = "raise",
        clip_norm: float | None = None,
        clip_value: float | None = None,
        *,
        clip: str | None = None,
        budget: Budget = Budget(),  # noqa: B008 (frozen)
        snapshot_every: int = 50,
        bundles: str | Path | None = BUNDLES,
        scaler: torch.amp.GradScaler | None = None,
        ranks: bool | None = None,
    ) -> None:
        if policy not in POLICIES:
            raise UsageError(f"policy must be one of {', '.join(POLICIES)}, got {policy!r}")
        if snapshot_every < 1:
            raise UsageError(f"snapshot_every must be >= 1, got {snapshot_every}")
        modules = [model] if isinstance(model, nn.Module) else listed(model) or [model]
        if not all(isinstance(module, nn.Module) for module in modules):
            kinds = ", ".join(type(module).__name__ for module in modules)
            raise UsageError(f"model must be a torch.nn.Module or a list of them, got {kinds}: Guard(model, optimizer)")
        self.modules = nn.ModuleList(modules)
        self.optimizer, self.policy, self.budget = optimizer, policy, budget
        # One that is not enabled changes nothing.
        self.scaler = scaler or torch.amp.GradScaler(enabled=False)
        self.clip = Clip(clip_norm, clip_value, clip)
        self.counts = Counts()
        self.first: Event | None = None
        self.epoch: int | None = None
        self.lr_scale = 1.0
        self._every = snapshot_every
        self._watched = Watched(list(self.modules), optimizer, None if bundles is None else Bundles(bundles))
        self._sound = Soundness(self.modules, optimizer, self._watched.names)
        check_optimizer(optimizer, self._sound.spoilt_state(), halved=policy == "rollback")
        self._snapshot = Snapshot(self.modules, optimizer) if policy == "rollback" else None
        self._beside = Kept(self.modules)
        self._together = self._watched.spread() if ranks is None else ranks
        device = next((parameter.device for parameter in self.modules.parameters()), torch.device("cpu"))
        self._randomness = Randomness(0, device)
        self._before = self._randomness.state()

    def step(
        self,
        loss: Tensor,
        *,
        batch: Any = None,
        again: Callable[[], Tensor] | None = None,
        investigate: Callable[[Event], Event] | None = None,
        before_step: Callable[[], None] | None = None,
    ) -> StepReport:
        """Backward, norm, guard, clip, optimizer step.

        Args:
            loss: one number with a graph.
            batch: what the loss was computed from, any nest of tensors and plain data; the bundle keeps it.
            again: computes the loss again, the forward pass included: ``lambda: criterion(model(x), y)``. Called
                after a bad step only, from the random state in which the last step ended, to find the operation
                and the source line that broke.
            investigate: in place of both, for a harness that looks into a step itself: called after a bad step
                only, before the policy acts: gets the event and returns it with what it has found out, which
                then stands in the result and in the error.
            before_step: called with the clipped gradients in place, before the optimizer uses them.

        Raises:
            UsageError: the loss is not one number, or has no graph.
            NonFiniteError: under policy "raise", or when the budget is used up (:class:`BudgetError`).
        """
        self.backward(loss)
        return self.apply(loss, batch=batch, again=again, investigate=investigate, before_step=before_step)

    def backward(self, loss: Tensor) -> None:
        """The backward pass alone, of a part of the loss: for parts that add up before :meth:`apply`.

        Raises:
            UsageError: the part is not one number, or has no graph.
        """
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            tensor = isinstance(loss, Tensor)
            came = f"shape {tuple(loss.shape)}" if tensor else kind_name(loss)
            remedy = "take its mean" if tensor else "pass what the loss returned, without .item() or float()"
            raise UsageError(f"the loss of a step must be one number in a tensor, got {came}; {remedy}")
        if not loss.requires_grad:
            raise UsageError(
                "the loss of a step must have a graph, got requires_grad=False; it was detached, computed "
                "under no_grad, or from nothing that is trained (an argmax has no gradient)"
            )
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]

    def apply(
        self,
        loss: Tensor | float,
        *,
        batch: Any = None,
        again: Callable[[], Tensor] | None = None,
        investigate: Callable[[Event], Event] | None = None,
        before_step: Callable[[], None] | None = None,
    ) -> StepReport:
        """All of :meth:`step` but the backward pass: where the gradients of several parts have been added up.

        Args:
            loss: value of the whole.
            batch: as in :meth:`step`, and so are the others.
        """
        self.counts.steps += 1
        gradients, overflowed = self._gradients()
        value = loss.item() if isinstance(loss, Tensor) else float(loss)
        norm = gradient_norm(gradients)
        step = Event(self.counts.steps, self.epoch, "loss")
        event, near = judged(step, value, norm, self._beside.spoilt(), self._sound.near(norm), self._others())
        if event is not None and event.where == "gradient" and overflowed:
            return self._overflow(value, norm)
        clipped = False
        if event is None:
            event, clipped = self._advance(gradients, norm, near, before_step)
        if event is not None:
            return self._refused(event, value, norm, batch, again, investigate)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.update()
        self.counts.clipped += clipped
        self.counts.in_a_row = 0
        self._beside.take()
        if again is not None or self._watched.bundles is not None:
            self._before = self._randomness.state()
        return StepReport(value, norm, applied=True, clipped=clipped)

    def _others(self) -> World | None:
        return world() if self._together else None

    def _advance(
        self, gradients: list[Tensor], norm: float, near: bool, before_step: Callable[[], None] | None
    ) -> tuple[Event | None, bool]:
        """Clip and step. An event instead, where weights or optimizer turn out not to be finite; then the step is
        not taken. And whether the gradient was clipped."""
        due = self.counts.steps % self._every == 0
        seen = copy.deepcopy(self.clip.state_dict()) if near or due else {}
        clipped = self.clip.apply(gradients, norm)
        if near:  # judged by what the optimizer will use
            norm = gradient_norm(gradients)
            others = self._others()
            near = self._sound.near(norm) if others is None else others.any(self._sound.near(norm))
        detail = "an earlier step made it non-finite"
        spoilt = agreed(self._sound.spoilt(), self._others()) if near or due else None
        if spoilt is None:
            if due and self._snapshot is not None:
                self._snapshot.take()
            if before_step is not None:
                before_step()
            spoilt = self._take(norm, near)
            detail = f"a gradient with the norm {norm:.2g} overflows it, so the step was undone; clip_norm bounds it"
        if spoilt is None:
            return None, clipped
        self.clip.load_state_dict(seen)
        what = f"weights or optimizer ({spoilt})"
        return Event(self.counts.steps, self.epoch, "gradient", what=what, detail=detail), False

    def _take(self, norm: float, near: bool) -> str | None:
        """The optimizer's step. One that is near an overflow is looked at, and undone where something overflows:
        the name of that."""
        before = Weights(self.modules, self.optimizer) if near else None
        with scaled_rate(self.optimizer, self.lr_scale):
            self.optimizer.step()
        if before is None:
            self._sound.add(norm)
            return None
        spoilt = agreed(self._sound.spoilt(), self._others())
        if spoilt is not None:
            before.put_back()
        return spoilt

    def _refused(
        self,
        event: Event,
        value: float,
        norm: float,
        batch: Any,
        again: Callable[[], Tensor] | None,
        investigate: Callable[[Event], Event] | None,
    ) -> StepReport:
        """A bad step, looked into and dealt with by the policy."""
        hopeless = agreed(self._sound.spoilt(), self._others())
        if hopeless is not None and not event.what:
            event = replace(event, detail="; ".join(filter(None, [event.detail, f"{hopeless} was not finite before"])))
        describe = str if investigate is not None else partial(with_next_steps, again=again is not None)
        investigate = investigate or self._failure(value, batch, again)
        self._before = self._randomness.state()
        report = StepReport(value, norm, applied=False, clipped=False, event=event)
        try:
            return replace(report, event=self._bad(event, investigate, describe, lost=hopeless is not None))
        except NonFiniteError as error:
            error.report = report
            raise

    def _overflow(self, value: float, norm: float) -> StepReport:
        """The scale was too large: the next one is smaller, and nothing else has happened."""
        self.optimizer.zero_grad(set_to_none=True)
        self._beside.put_back()
        self.counts.overflows += 1
        self.scaler.update()
        return StepReport(value, norm, applied=False, clipped=False)

    def _failure(self, loss: float, batch: Any, again: Callable[[], Tensor] | None) -> Failure | None:
        """What looks into a bad step, made while its gradients are still there; None where nothing was asked for."""
        if again is None and self._watched.bundles is None:
            return None
        norms = self._watched.norms()
        return Failure(self._watched, self._randomness, self._before, loss, norms, batch, again)

    def _gradients(self) -> tuple[list[Tensor], bool]:
        """What the optimizer is about to use (of a sparse gradient, the entries that it holds), and whether their
        scale can have made them overflow."""
        parameters = [p for group in self.optimizer.param_groups for p in group["params"] if p.grad is not None]
        if not parameters:
            raise UsageError(
                "the loss must reach a parameter of the optimizer, got a gradient in none of them; "
                "was the optimizer made for another model, or backward not called before apply?"
            )
        for parameter in parameters:
            if parameter.grad.is_sparse:
                parameter.grad = parameter.grad.coalesce()
        self.scaler.unscale_(self.optimizer)
        gradients = [p.grad._values() if p.grad.is_sparse else p.grad for p in parameters]
        return gradients, self.scaler.get_scale() > 1

    def _bad(
        self,
        event: Event,
        investigate: Callable[[Event], Event] | None,
        describe: Callable[[Event], str],
        *,
        lost: bool,
    ) -> Event:
        """What the policy says of a bad step; ``lost``: weights or optimizer were not finite before it."""
        self.optimizer.zero_grad(set_to_none=True)
        self.counts.nonfinite += 1
        self.counts.in_a_row += 1
        self._beside.put_back()
        self.scaler.update(self.scaler.get_scale())  # what broke was not the scale
        if investigate is not None:
            event = investigate(event)
            self._beside.put_back()  # an investigation repeats the step
        self.first = self.first or event
        if self.policy == "raise":
            raise NonFiniteError(describe(event))
        if self.policy == "skip":
            self.counts.skipped += 1
            if lost and of_weights(event):
                raise NonFiniteError(f"{describe(event)}\nnext: policy='rollback' keeps a good state to go back to")
        elif self._snapshot is not None:
            self._snapshot.put_back()
            self._beside.take()
            self.lr_scale /= 2
            self.counts.rollbacks += 1
        broken = self.budget.exceeded(self.counts)
        if broken:
            raise BudgetError(f"{broken}; the last: {describe(event)}")
        return event

    def to_dict(self) -> dict[str, Any]:
        """The ``guard`` part of a result."""
        counts = asdict(self.counts)
        named = {key: counts[key] for key in ("nonfinite", "skipped", "rollbacks", "clipped")}
        scaled = {"overflows": self.counts.overflows} if self.scaler.is_enabled() else {}
        return {**named, **scaled, "first": self.first.to_dict() if self.first else None}

    def state_dict(self) -> dict[str, Any]:
        """All that the next steps depend on, for a checkpoint."""
        return {
            "counts": asdict(self.counts),
            "first": asdict(self.first) if self.first else None,
            "lr_scale": self.lr_scale,
            "clip": self.clip.state_dict(),
            "beside": self._beside.state_dict(),
            "snapshot": None if self._snapshot is None else self._snapshot.state_dict(),
            "scaler": self.scaler.state_dict() or None,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from :meth:`state_dict`, once the model and the optimizer have their state."""
        self.counts = Counts(**state["counts"])
        self.first = Event(**state["first"]) if state["first"] else None
        self.lr_scale = state["lr_scale"]
        self.clip.load_state_dict(state["clip"])
        self._beside.load_state_dict(state["beside"])
        self._beside.put_back()
        if self._snapshot is not None and state["snapshot"] is not None:
            self._snapshot.load_state_dict(state["snapshot"])
        elif self._snapshot is not None:  # of another policy: what has been loaded is all that is good
            self._snapshot.take()
        if state["scaler"] is not None:
            self.scaler.load_state_dict(dict(state["scaler"]))
