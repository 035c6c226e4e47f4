"""The scale of a loss in float16, without which small gradients become 0; nothing happens where there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


class Scaling:
    """A scaler whose every call may be left out.

    Args:
        scaler: of torch; None for a loss that needs no scale.
    """

    def __init__(self, scaler: torch.amp.GradScaler | None) -> None:
        self.scaler = scaler

    def scaled(self, loss: Tensor) -> Tensor:
        """The loss times the scale."""
        return loss if self.scaler is None else self.scaler.scale(loss)

    def take_out(self, optimizer: torch.optim.Optimizer) -> bool:
        """Divide the gradients by the scale; whether it can have made them overflow."""
        if self.scaler is None:
            return False
        self.scaler.unscale_(optimizer)
        return self.scaler.get_scale() > 1

    def adapt(self) -> None:
        """A smaller scale after an overflow, a larger one after many steps without."""
        if self.scaler is not None:
            self.scaler.update()

    def stay(self) -> None:
        """What broke was not the scale."""
        if self.scaler is not None:
            self.scaler.update(self.scaler.get_scale())

    def state_dict(self) -> dict[str, Any] | None:
        """For a checkpoint."""
        return None if self.scaler is None else self.scaler.state_dict()

    def load_state_dict(self, state: Mapping[str, Any] | None) -> None:
        """Go on from :meth:`state_dict`."""
        if self.scaler is not None and state is not None:
            self.scaler.load_state_dict(dict(state))
