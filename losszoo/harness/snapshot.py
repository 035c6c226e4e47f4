"""Copies of a good state: of everything for a rollback, of the buffers alone for a step that is not taken."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


class Snapshot:
    """The state of modules and their optimizer at a step whose loss and gradient were finite.

    Args:
        modules: parameters and buffers are kept.
        optimizer: its state is kept.
    """

    def __init__(self, modules: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self.modules, self.optimizer = modules, optimizer
        self.take()

    def take(self) -> None:
        """As it stands."""
        self._tensors = [tensor.detach().clone() for tensor in self._state()]
        self._optimizer = copy.deepcopy(self.optimizer.state_dict())

    @torch.no_grad()
    def put_back(self) -> None:
        """The kept state, and half the rate that led from it to the bad step."""
        rates = [group["lr"] for group in self.optimizer.param_groups]
        for tensor, value in zip(self._state(), self._tensors, strict=True):
            tensor.copy_(value)
        self.optimizer.load_state_dict(copy.deepcopy(self._optimizer))
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate / 2

    def _state(self) -> list[Tensor]:
        return [*self.modules.parameters(), *self.modules.buffers()]

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"tensors": self._tensors, "optimizer": self._optimizer}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from :meth:`state_dict`."""
        places = [tensor.device for tensor in self._state()]
        self._tensors = [value.to(place) for value, place in zip(state["tensors"], places, strict=True)]
        self._optimizer = state["optimizer"]


class Buffers:
    """The buffers (running statistics) as the last good step has left them."""

    def __init__(self, modules: nn.Module) -> None:
        self.modules = modules
        self.keep()

    def keep(self) -> None:
        """As they stand."""
        self._kept = [buffer.clone() for buffer in self.modules.buffers()]

    @torch.no_grad()
    def put_back(self) -> None:
        """A step that is not taken leaves no trace in the running statistics either."""
        for buffer, kept in zip(self.modules.buffers(), self._kept, strict=True):
            buffer.copy_(kept)
