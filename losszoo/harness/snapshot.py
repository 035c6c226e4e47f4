"""Copies of a good state: of everything for a rollback, of all but the parameters for a step that is not taken."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn


class Kept:
    """What modules hold beside their parameters: buffers, those that are no part of a ``state_dict`` too, and extra
    states, as a memory bank has, whose buffers also grow.

    Args:
        modules: that are kept.
    """

    def __init__(self, modules: nn.Module) -> None:
        self._buffers = [(module, name) for module in modules.modules() for name in module._buffers]
        extra = nn.Module.get_extra_state
        self._extra = [module for module in modules.modules() if type(module).get_extra_state is not extra]
        self.take()

    def take(self) -> None:
        """As it stands."""
        found = [module._buffers[name] for module, name in self._buffers]
        self.buffers = [None if buffer is None else buffer.detach().clone() for buffer in found]
        self.extra = [copy.deepcopy(module.get_extra_state()) for module in self._extra]

    @torch.no_grad()
    def put_back(self) -> None:
        """As it was."""
        for (module, name), kept in zip(self._buffers, self.buffers, strict=True):
            buffer = module._buffers[name]
            if buffer is not None and kept is not None and buffer.shape == kept.shape:
                buffer.copy_(kept)
            else:
                module._buffers[name] = None if kept is None else kept.clone()
        for module, state in zip(self._extra, self.extra, strict=True):
            module.set_extra_state(copy.deepcopy(state))

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"buffers": self.buffers, "extra": self.extra}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from :meth:`state_dict`, where the buffers now are."""
        devices = [module._buffers[name] for module, name in self._buffers]
        self.buffers = [
            kept if kept is None or now is None else kept.to(now.device)
            for kept, now in zip(state["buffers"], devices, strict=True)
        ]
        self.extra = state["extra"]


class Snapshot:
    """The state of modules and their optimizer at a step whose loss and gradient were finite.

    Args:
        modules: everything that they hold is kept.
        optimizer: its state is kept.
    """

    def __init__(self, modules: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self.modules, self.optimizer = modules, optimizer
        self._beside = Kept(modules)
        self.take()

    def take(self) -> None:
        """As it stands."""
        self._parameters = [parameter.detach().clone() for parameter in self.modules.parameters()]
        self._optimizer = copy.deepcopy(self.optimizer.state_dict())
        self._beside.take()

    @torch.no_grad()
    def put_back(self) -> None:
        """The kept state, and half the rate that led from it to the bad step."""
        rates = [group["lr"] for group in self.optimizer.param_groups]
        for parameter, value in zip(self.modules.parameters(), self._parameters, strict=True):
            parameter.copy_(value)
        self._beside.put_back()
        self.optimizer.load_state_dict(copy.deepcopy(self._optimizer))
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate / 2

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"parameters": self._parameters, "optimizer": self._optimizer, "beside": self._beside.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from :meth:`state_dict`."""
        places = [parameter.device for parameter in self.modules.parameters()]
        self._parameters = [value.to(place) for value, place in zip(state["parameters"], places, strict=True)]
        self._optimizer = state["optimizer"]
        self._beside.load_state_dict(state["beside"])
