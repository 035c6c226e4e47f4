"""What happens to a bad step. Stands alone: drops into anybody's training loop."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from losszoo.errors import NonFiniteError, UsageError
from losszoo.harness.bundle import Bundles
from losszoo.harness.clip import Clip, gradient_norm
from losszoo.harness.events import Budget as Budget
from losszoo.harness.events import BudgetError as BudgetError
from losszoo.harness.events import Counts as Counts
from losszoo.harness.events import Event as Event
from losszoo.harness.events import StepReport as StepReport
from losszoo.harness.failure import Failure, Watched
from losszoo.harness.randomness import Randomness

POLICIES = ("raise", "skip", "rollback")
# In the working folder of whoever trains.
BUNDLES = "crash-bundles"


@dataclass
class _Snapshot:
    """Copies of a state that has given a finite loss and gradient."""

    tensors: list[Tensor]
    optimizer: dict[str, Any]


class Guard:
    r"""Takes the optimizer's steps, and none from a loss or a gradient that is NaN or infinite.

    Call :meth:`step` where ``loss.backward(); optimizer.step(); optimizer.zero_grad()`` stood. It runs the
    backward pass, measures the gradient norm once, looks at loss and norm, clips, steps, and clears the
    gradients.

    Args:
        model: the module (or the list of modules) whose state a rollback restores.
        optimizer: its parameters are the ones that are measured and clipped.
        policy: of a bad step. "raise": :class:`NonFiniteError`; the weights are those before the step.
            "skip": the step is not taken. "rollback": back to the last good snapshot, with the learning rate
            halved. Under each of them the buffers that the bad forward pass has changed (batch norm) are put back.
        clip_norm: largest gradient norm, > 0.
        clip_value: largest absolute gradient entry, > 0; applied after ``clip_norm``.
        budget: how many bad steps "skip" and "rollback" put up with before :class:`BudgetError`.
        snapshot_every: steps between snapshots ("rollback" only).
        bundles: folder, made when it is needed, that gets a crash bundle (``losszoo replay``) of each of the first
            few bad steps; None writes none. One that cannot be written warns, and changes nothing else.

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
        budget: Budget = Budget(),  # noqa: B008 (frozen)
        snapshot_every: int = 50,
        bundles: str | Path | None = BUNDLES,
    ) -> None:
        if policy not in POLICIES:
            raise UsageError(f"policy must be one of {', '.join(POLICIES)}, however: policy={policy!r}")
        if snapshot_every < 1:
            raise UsageError(f"snapshot_every must be >= 1, however: snapshot_every={snapshot_every}")
        self.modules = nn.ModuleList(model if isinstance(model, list) else [model])
        self.optimizer = optimizer
        self.policy = policy
        self.clip = Clip(clip_norm, clip_value)
        self.budget = budget
        self.counts = Counts()
        self.first: Event | None = None
        self.epoch: int | None = None
        self._every = snapshot_every
        self._snapshot = self._copy()
        self._buffers = [buffer.clone() for buffer in self.modules.buffers()]
        self._watched = Watched(list(self.modules), optimizer, None if bundles is None else Bundles(bundles))
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

        Raises:
            UsageError: the loss is not one number, or has no graph.
            NonFiniteError: under policy "raise", or when the budget is used up (:class:`BudgetError`).
        """
        _check_steppable(loss)
        self.counts.steps += 1
        loss.backward()  # type: ignore[no-untyped-call]
        gradients = self._gradients()
        value, norm = loss.item(), gradient_norm(gradients)
        if not (math.isfinite(value) and math.isfinite(norm)):
            investigate = investigate or self._failure(value, batch, again)
            self._before = self._randomness.state()
            event = self._bad("gradient" if math.isfinite(value) else "loss", investigate)
            return StepReport(value, norm, applied=False, clipped=False, event=event)
        if self._snapshot is not None and self.counts.steps % self._every == 0:
            self._snapshot = self._copy()
        clipped = self.clip.apply(gradients, norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.counts.clipped += clipped
        self.counts.in_a_row = 0
        if self._buffers:
            self._buffers = [buffer.clone() for buffer in self.modules.buffers()]
        if again is not None or self._watched.bundles is not None:
            self._before = self._randomness.state()
        return StepReport(value, norm, applied=True, clipped=clipped)

    def _failure(self, loss: float, batch: Any, again: Callable[[], Tensor] | None) -> Failure | None:
        """What looks into a bad step, made while its gradients are still there; None where nothing was asked for."""
        if again is None and self._watched.bundles is None:
            return None
        norms = self._watched.norms()
        return Failure(self._watched, self._randomness, self._before, loss, norms, batch, again)

    def _gradients(self) -> list[Tensor]:
        """What the optimizer is about to use; of a sparse gradient, the entries that it holds."""
        parameters = [p for group in self.optimizer.param_groups for p in group["params"] if p.grad is not None]
        if not parameters:
            raise UsageError(
                "the loss must reach a parameter of the optimizer, however: none of them has a gradient; "
                "was the optimizer made for another model?"
            )
        for parameter in parameters:
            if parameter.grad.is_sparse:
                parameter.grad = parameter.grad.coalesce()
        return [p.grad._values() if p.grad.is_sparse else p.grad for p in parameters]

    def _bad(self, where: str, investigate: Callable[[Event], Event] | None) -> Event:
        self.optimizer.zero_grad(set_to_none=True)
        self.counts.nonfinite += 1
        self.counts.in_a_row += 1
        event = Event(self.counts.steps, self.epoch, where)
        self._mend_buffers()
        if investigate is not None:
            event = investigate(event)
            self._mend_buffers()  # an investigation repeats the step
        self.first = self.first or event
        if self.policy == "raise":
            raise NonFiniteError(str(event))
        if self.policy == "skip":
            self.counts.skipped += 1
        else:
            self._roll_back()
        broken = self.budget.exceeded(self.counts)
        if broken:
            raise BudgetError(f"{broken}; the last: {event}")
        return event

    @torch.no_grad()
    def _mend_buffers(self) -> None:
        """A step that is not taken leaves no trace in the running statistics either."""
        for buffer, kept in zip(self.modules.buffers(), self._buffers, strict=True):
            buffer.copy_(kept)

    def _copy(self) -> _Snapshot | None:
        if self.policy != "rollback":
            return None
        tensors = [tensor.detach().clone() for tensor in self._state()]
        return _Snapshot(tensors, copy.deepcopy(self.optimizer.state_dict()))

    def _state(self) -> list[Tensor]:
        return [*self.modules.parameters(), *self.modules.buffers()]

    def _roll_back(self) -> None:
        """The last good state, and half the rate that led from it to the bad step."""
        if self._snapshot is None:
            return
        rates = [group["lr"] for group in self.optimizer.param_groups]
        with torch.no_grad():
            for tensor, value in zip(self._state(), self._snapshot.tensors, strict=True):
                tensor.copy_(value)
        self.optimizer.load_state_dict(copy.deepcopy(self._snapshot.optimizer))
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate / 2
        self.counts.rollbacks += 1

    def to_dict(self) -> dict[str, Any]:
        """The ``guard`` part of a result."""
        counts = asdict(self.counts)
        named = {key: counts[key] for key in ("nonfinite", "skipped", "rollbacks", "clipped")}
        return {**named, "first": self.first.to_dict() if self.first else None}

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint needs to go on; a snapshot is taken anew when it is loaded."""
        return {"counts": asdict(self.counts), "first": asdict(self.first) if self.first else None}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from :meth:`state_dict`."""
        self.counts = Counts(**state["counts"])
        self.first = Event(**state["first"]) if state["first"] else None
        self._snapshot = self._copy()
        self._buffers = [buffer.clone() for buffer in self.modules.buffers()]


def _check_steppable(loss: Any) -> None:
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        came = f"its shape is {tuple(loss.shape)}" if isinstance(loss, Tensor) else f"a {type(loss).__name__}"
        raise UsageError(f"the loss of a step must be one number in a tensor, however: {came}; take its mean")
    if not loss.requires_grad:
        raise UsageError(
            "the loss of a step must have a graph, however: requires_grad=False; it was detached, computed "
            "under no_grad, or from nothing that is trained (an argmax has no gradient)"
        )
