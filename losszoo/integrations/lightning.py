"""In Lightning: scheduled weights follow the trainer, and a guard takes the steps of the optimizer."""

from __future__ import annotations

import importlib
import inspect
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from losszoo.common.text import kind_name
from losszoo.errors import UsageError
from losszoo.losses.sums.sum_loss import Summable
from losszoo.training.guard.clip import gradient_norm
from losszoo.training.guard.events import Budget
from losszoo.training.guard.guard import BUNDLES, Guard

# One library under two names, each with classes of its own: that which is in use.
_NAME = next((name for name in ("lightning.pytorch", "pytorch_lightning") if name in sys.modules), "lightning.pytorch")
Callback: Any = importlib.import_module(_NAME).Callback
# Where every rank has the whole model; and what is derived from these, but steps in its own way.
_WHOLE = {"SingleDeviceStrategy", "DDPStrategy"}
_OTHERS = {"DeepSpeedStrategy", "XLAStrategy", "SingleDeviceXLAStrategy"}


class ScheduleCallback(Callback):  # type: ignore[misc]
    """Tells every loss of the zoo inside the module the epoch and the step: ``trainer.global_step``.

    Where losszoo is installed, Lightning adds one to every trainer; so it is passed for its option only.

    Args:
        within_epochs: tell the epoch before each batch, as 1.5 in the middle of the second one. By default a weight
            that follows the epochs keeps still within one, as in ``losszoo run``.
    """

    def __init__(self, within_epochs: bool = False) -> None:
        self.within_epochs = within_epochs

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """The epoch begins."""
        for loss in _losses(pl_module):
            loss.set_epoch(trainer.current_epoch)

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """The step of the optimizer to which the batch belongs: several batches of one step have the same."""
        for loss in _losses(pl_module):
            loss.set_step(trainer.global_step)
            if self.within_epochs:
                loss.set_epoch(trainer.current_epoch + batch_idx / _batches(trainer))


def schedule_callbacks() -> list[ScheduleCallback]:
    """What Lightning adds to every trainer, by its entry point ``callbacks_factory``."""
    return [ScheduleCallback()]


def _losses(module: Any) -> list[Any]:
    return [loss for loss in module.modules() if isinstance(loss, Summable)]


def _batches(trainer: Any) -> float:
    batches: float = trainer.num_training_batches
    if not math.isfinite(batches):
        raise UsageError(
            "within_epochs must go with a data loader that has a length, got one without; set "
            "Trainer(limit_train_batches=...), or let the weights follow the steps, as in linear(0, 1, steps=1000)"
        )
    return batches


@dataclass
class _Window:
    """The batches of one step of the optimizer.

    Args:
        loss: their sum, as Lightning has divided it.
        batches: with their indices, where they are kept.
        ends: the optimizer is about to step.
        refused: the guard has refused the step already.
    """

    loss: Tensor | None = None
    batches: list[tuple[Any, int]] = field(default_factory=list)
    ends: bool = False
    refused: bool = False


class GuardCallback(Callback):  # type: ignore[misc]
    """A :class:`losszoo.Guard` under Lightning's automatic optimization, on one device or under DDP.

    The guard takes the step where Lightning would: after ``accumulate_grad_batches`` batches, ``gradient_clip_val`` and
    all hooks. ``trainer.global_step`` counts every step, those too that the guard does not take. A gradient is judged
    before Lightning clips it, for clipping by value would hide an infinity.

    Args:
        policy: of a bad step: "raise", "skip" or "rollback", as in :class:`losszoo.Guard`. "raise" runs
            ``training_step`` once more, on one device, to name the operation and the line.
        clip: a largest norm that follows the norms so far: "auto" or "zscore"; beside ``gradient_clip_val``.
        budget: how many bad steps are put up with.
        snapshot_every: steps between two looks at all weights, and between snapshots ("rollback").
        bundles: folder of the crash bundles, inside ``trainer.default_root_dir`` unless it is absolute; None writes
            none. A bundle holds the batches of its step, so they are kept until the step is taken.

    Attributes:
        guard: made when training starts; ``guard.counts`` and ``guard.first`` say what has happened.
    """

    def __init__(
        self,
        policy: str = "raise",
        *,
        clip: str | None = None,
        budget: Budget = Budget(),  # noqa: B008 (frozen)
        snapshot_every: int = 50,
        bundles: str | Path | None = BUNDLES,
    ) -> None:
        self.guard: Guard | None = None
        self.policy, self.bundles = policy, bundles
        self._options = {"clip": clip, "budget": budget, "snapshot_every": snapshot_every}
        self._saved: Mapping[str, Any] | None = None
        self._window = _Window()
        self._release: Callable[[], None] = _nothing

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """The guard takes the place of the optimizer's step, once module and optimizer have their state."""
        scaler = getattr(trainer.precision_plugin, "scaler", None)
        _check(trainer, pl_module, scaler)
        optimizer = trainer.optimizers[0]
        self.guard = Guard(
            pl_module,
            optimizer,
            self.policy,
            bundles=self._folder(trainer),
            scaler=None if scaler is None else cast(torch.amp.GradScaler, _Unscaled(scaler)),
            ranks=trainer.world_size > 1,
            **self._options,  # type: ignore[arg-type]
        )
        if self._saved is not None:
            self.guard.load_state_dict(self._saved)
            self._saved = None
        self._window = _Window()
        self._take_over(trainer, pl_module, optimizer)

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """A batch of the step; a new step begins where the last one has ended."""
        if self._window.ends:
            self._window = _Window()
        if self.bundles is not None or self.policy == "raise":
            self._window.batches.append((batch, batch_idx))

    def on_before_backward(self, trainer: Any, pl_module: Any, loss: Tensor) -> None:
        """The loss of a batch, divided by the number of batches and, in half precision, scaled."""
        scaler = getattr(trainer.precision_plugin, "scaler", None)
        value = loss.detach() if scaler is None else loss.detach().double() / scaler.get_scale()
        self._window.loss = value if self._window.loss is None else self._window.loss + value

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        """The gradients of the step, unscaled and not clipped: a bad one is refused before it is clipped."""
        window = self._window
        window.ends = True
        trained = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        values = [p.grad.coalesce()._values() if p.grad.is_sparse else p.grad for p in trained]
        if window.loss is None or (math.isfinite(window.loss.item()) and math.isfinite(gradient_norm(values))):
            return
        window.refused = True
        self._apply(trainer, pl_module)
        for parameter in trained:
            # The hooks that follow, and clipping by value, want gradients. No step is taken with these.
            parameter.grad = torch.zeros_like(parameter)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """The optimizer has its own step again."""
        self._release()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """The same, where training ends with an error."""
        self._release()

    def state_dict(self) -> dict[str, Any]:
        """The guard's, for Lightning's checkpoint."""
        return {} if self.guard is None else self.guard.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From a checkpoint, for the guard that is made when training starts."""
        self._saved = state_dict or None

    def _take_over(self, trainer: Any, module: Any, optimizer: Any) -> None:
        """Lightning calls ``optimizer.step(closure)``: the closure computes the gradients, the guard steps."""
        own, of_instance = optimizer.step, optimizer.__dict__.get("step")
        inside = False

        def step(closure: Callable[[], Any] | None = None, **_: Any) -> Any:
            nonlocal inside
            if inside:
                return own()
            result = None if closure is None else closure()
            # Where training_step has returned None there is nothing to step with.
            if self._window.loss is not None and not self._window.refused:
                inside = True
                try:
                    self._apply(trainer, module)
                finally:
                    inside = False
            return result

        def release() -> None:
            self._release = _nothing
            if of_instance is None:
                del optimizer.step
            else:
                optimizer.step = of_instance

        # A scheduler looks at marks that it has left on the step that it has wrapped.
        step.__dict__.update(getattr(own, "__dict__", {}))
        optimizer.step, self._release = step, release

    def _apply(self, trainer: Any, module: Any) -> None:
        """The guard's step, or its refusal."""
        window, guard = self._window, cast(Guard, self.guard)
        guard.epoch = trainer.current_epoch
        batches = [batch for batch, _ in window.batches]
        alone = self.policy == "raise" and trainer.world_size == 1

        def again() -> Any:
            return sum(_loss_again(trainer, module, batch, number) for batch, number in window.batches) / len(batches)

        guard.apply(
            cast(Tensor, window.loss),
            batch=batches[0] if len(batches) == 1 else batches,
            again=again if alone else None,
        )

    def _folder(self, trainer: Any) -> Path | None:
        if self.bundles is None:
            return None
        folder = Path(trainer.default_root_dir) / self.bundles
        return folder if trainer.world_size == 1 else folder / f"rank-{trainer.global_rank}"


def _nothing() -> None:
    pass


def _loss_again(trainer: Any, module: Any, batch: Any, number: int) -> Any:
    """The loss of a batch once more; what ``training_step`` logs is logged under its own name."""
    takes_number = len(inspect.signature(module.training_step).parameters) > 1
    before, module._current_fx_name = module._current_fx_name, "training_step"
    try:
        output = trainer.strategy.training_step(batch, *[number] * takes_number)
    finally:
        module._current_fx_name = before
    return output["loss"] if isinstance(output, Mapping) else output


class _Unscaled:
    """Lightning's scaler, as a guard sees it: Lightning itself scales, unscales and updates."""

    def __init__(self, scaler: Any) -> None:
        self._scaler = scaler

    def get_scale(self) -> float:
        scale: float = self._scaler.get_scale()
        return scale

    def is_enabled(self) -> bool:
        return True

    def unscale_(self, optimizer: Any) -> None:
        pass

    def update(self, scale: float | None = None) -> None:
        pass

    def state_dict(self) -> dict[str, Any]:
        return {}


def _check(trainer: Any, module: Any, scaler: Any) -> None:
    """What a guard cannot do under Lightning is refused."""
    if not module.automatic_optimization:
        raise UsageError(
            "GuardCallback must go with automatic optimization, got automatic_optimization=False; leave it out, and "
            "make a losszoo.Guard(self, self.optimizers()) in your module"
        )
    strategy = {kind.__name__ for kind in type(trainer.strategy).__mro__}
    if not strategy & _WHOLE or strategy & _OTHERS:
        raise UsageError(
            "GuardCallback must go with one device or DDP, where every rank has the whole model, got "
            f"{kind_name(trainer.strategy)}; leave it out, or set Trainer(strategy='ddp')"
        )
    if scaler is not None and getattr(trainer.optimizers[0], "_step_supports_amp_scaling", False):
        raise UsageError(
            "GuardCallback must see gradients without their scale, got a fused optimizer, which takes the scale out "
            f"inside its step ({kind_name(trainer.optimizers[0])}); make it with fused=False"
        )
