"""In the Trainer of transformers: scheduled weights follow it, and a guard takes the steps of the optimizer."""

from __future__ import annotations

import math
from typing import Any

import transformers
from torch import Tensor

from losszoo.errors import UsageError
from losszoo.integrations.huggingface import HuggingFaceLoss
from losszoo.losses.sums.sum_loss import Summable
from losszoo.training.guard.events import Budget
from losszoo.training.guard.guard import Guard

# Options under which the gradient before a step is scaled, or a part of the whole.
_REFUSED = ("fp16", "fsdp", "deepspeed")


class ScheduleCallback(transformers.TrainerCallback):  # type: ignore[misc]
    """Tells a loss the epoch and the step of the Trainer: ``Trainer(..., callbacks=[ScheduleCallback(loss)])``.

    Args:
        loss: what ``compute_loss_func`` was given, or a loss of the zoo that the model holds.
        within_epochs: tell the epoch before each step, as 1.5 in the middle of the second one. By default a weight that
            follows the epochs keeps still within one, as in ``losszoo run``.
    """

    def __init__(self, loss: HuggingFaceLoss | Summable, within_epochs: bool = False) -> None:
        self.loss: Any = loss.loss if isinstance(loss, HuggingFaceLoss) else loss
        self.within_epochs = within_epochs

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Before the batches of a step."""
        self.loss.set_step(state.global_step)
        self.loss.set_epoch(state.epoch if self.within_epochs else math.floor(state.epoch))


class GuardCallback(transformers.TrainerCallback):  # type: ignore[misc]
    """A :class:`losszoo.Guard` in the Trainer: ``Trainer(..., callbacks=[GuardCallback("skip", loss=loss)])``.

    The guard takes the step where the Trainer would: after ``gradient_accumulation_steps`` batches and
    ``max_grad_norm``. The Trainer's own step then finds no gradient, and does nothing. ``state.global_step`` counts the
    steps too that the guard does not take, and so do the Trainer's schedulers. It writes no crash bundles, and a
    checkpoint of the Trainer does not hold its state.

    Args:
        policy: of a bad step: "raise", "skip" or "rollback", as in :class:`losszoo.Guard`.
        loss: what ``compute_loss_func`` was given. Without it the gradient alone is judged.
        clip: a largest norm that follows the norms so far: "auto" or "zscore"; beside ``max_grad_norm``.
        budget: how many bad steps are put up with.
        snapshot_every: steps between two looks at all weights, and between snapshots ("rollback").

    Attributes:
        guard: made before the first step; ``guard.counts`` and ``guard.first`` say what has happened.
    """

    def __init__(
        self,
        policy: str = "raise",
        *,
        loss: HuggingFaceLoss | None = None,
        clip: str | None = None,
        budget: Budget = Budget(),  # noqa: B008 (frozen)
        snapshot_every: int = 50,
    ) -> None:
        self.guard: Guard | None = None
        self._options: dict[str, Any] = {"policy": policy, "clip": clip, "budget": budget}
        self._options["snapshot_every"] = snapshot_every
        self._loss = loss
        self._value: Tensor | float = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """A new guard for each training."""
        refused = [name for name in _REFUSED if getattr(args, name, None)]
        if refused:
            raise UsageError(
                f"GuardCallback must see the whole gradient, and without a scale, got {refused[0]}; leave it out, or "
                "train with bf16 and DDP"
            )
        self.guard, self._value = None, 0.0
        if self._loss is not None:
            self._loss.on_value = self._add

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **parts: Any) -> None:
        """The gradients of the step are there, clipped: the guard steps, or refuses."""
        if self.guard is None:
            # Accelerate wraps the optimizer.
            optimizer = getattr(parts["optimizer"], "optimizer", parts["optimizer"])
            self.guard = Guard(parts["model"], optimizer, bundles=None, ranks=args.world_size > 1, **self._options)
        self.guard.epoch = math.floor(state.epoch)
        value, self._value = self._value, 0.0
        self.guard.apply(value)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """The loss is watched no longer."""
        if self._loss is not None:
            self._loss.on_value = None

    def _add(self, value: Tensor) -> None:
        """The share of a batch."""
        self._value = self._value + value
