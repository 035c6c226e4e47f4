"""Epoch and step of training, for scheduled weights: set_epoch sets the epoch, calls count the steps."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from losszoo.common.foreign_code import level_of_user
from losszoo.common.text import shown
from losszoo.errors import UsageError

# Training calls without set_epoch after which a schedule over epochs warns.
_PATIENCE = 3


@dataclass
class Clock:
    """Epoch and step of a sum of losses.

    A step is one call in training mode with a graph: evaluation, and everything under ``no_grad``, does not count. A
    call that gradient checkpointing repeats in the backward pass is made at the step of the first time.

    Args:
        epoch: set by ``set_epoch``.
        step: of the next call.
        now: of the latest call.
        epoch_told: set_epoch was called.
        step_told: set_step was called, so that calls do not count.
        weighed: a training call has looked whether all weights are 0.
    """

    epoch: float = 0.0
    step: int = 0
    now: int = 0
    epoch_told: bool = False
    step_told: bool = False
    weighed: bool = False
    _uncounted: bool = False
    _calls: int = 0

    def set_epoch(self, epoch: float) -> None:
        """The epoch from now on."""
        self.epoch, self.epoch_told = as_count("epoch", epoch), True

    def set_step(self, step: int) -> None:
        """The step from now on, whatever is called."""
        self.step = self.now = int(as_count("step", step))
        self.step_told = True

    def tick(self, *, training: bool, by_epoch: bool) -> None:
        """A call begins.

        Args:
            training: in training mode.
            by_epoch: whether a weight waits for the epoch.
        """
        recorded = training and torch.is_grad_enabled()
        if not _in_backward():
            self.now, self._uncounted = self.step, training and not recorded
        elif not self._uncounted:
            return  # the same call again
        if recorded:
            self._uncounted = False
            self.step += 0 if self.step_told else 1
            self._look(by_epoch)

    def _look(self, by_epoch: bool) -> None:
        if self.epoch_told or not by_epoch or self._calls > _PATIENCE:
            return
        self._calls += 1
        if self._calls == _PATIENCE:
            warnings.warn(
                f"a weight of this losszoo loss follows the epoch, but set_epoch was not called in {_PATIENCE} "
                "training calls, so it stays that of epoch 0: call loss.set_epoch(epoch) at the start of each epoch "
                "(docs/frameworks.md has a callback), or let it follow the steps, as in linear(0, 1, steps=1000)",
                stacklevel=level_of_user(),
            )

    def state(self) -> dict[str, Any]:
        """For a ``state_dict``."""
        told = {"epoch_told": self.epoch_told, "step_told": self.step_told}
        return {"epoch": self.epoch, "step": self.step, "now": self.now, **told}

    def restore(self, state: Mapping[str, Any]) -> None:
        """From :meth:`state`."""
        self.epoch, self.step = float(state["epoch"]), int(state.get("step", 0))
        self.now = int(state.get("now", self.step))
        self.epoch_told, self.step_told = (bool(state.get(f"{name}_told", False)) for name in ("epoch", "step"))


def as_count(name: str, value: float) -> float:
    """A count from 0, which may lie between two: NaN and numbers below 0 would leave the weights as they are."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not 0 <= number < math.inf:
        raise UsageError(f"{name} must be a number >= 0, got {shown(value)}")
    return number


def _in_backward() -> bool:
    return not torch.compiler.is_compiling() and torch._C._current_graph_task_id() != -1
