"""In the Trainer of transformers: scheduled weights follow it."""

from __future__ import annotations

import math
from typing import Any

import transformers

from losszoo.integrations.huggingface import HuggingFaceLoss
from losszoo.losses.sums.sum_loss import Summable


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
