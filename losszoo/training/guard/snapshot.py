"""Copies of a good state: of everything for a rollback, of all but the weights for a step that is not taken."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from losszoo.errors import UsageError
from losszoo.tracing.finite_check import largest_of_each, measurable
from losszoo.training.guard.optimizer_state import OptimizerState, parameters_of

_NO_EXTRA = nn.Module.get_extra_state


class Kept:
    """What modules hold beside their parameters: buffers, those that are no part of a ``state_dict`` too, and extra
    states, as a memory bank has, whose buffers also grow. Modules are looked through each time, for they change.

    Args:
        modules: that are kept.
    """

    def __init__(self, modules: nn.ModuleList) -> None:
        self.modules = modules
        self.take()

    def take(self) -> None:
        """As it stands."""
        found = _all_modules(self.modules)
        self.buffers = {
            (module, name): None if buffer is None else buffer.detach().clone()
            for module in found
            for name, buffer in module._buffers.items()
        }
        self._passing = {(module, name) for module in found for name in module._non_persistent_buffers_set}
        self.extra = {m: copy.deepcopy(m.get_extra_state()) for m in found if type(m).get_extra_state is not _NO_EXTRA}

    @torch.no_grad()
    def put_back(self) -> None:
        """As it was. A buffer that is new since then stays, unless it holds NaN."""
        for module in _all_modules(self.modules):
            for name, buffer in list(module._buffers.items()):
                if (module, name) not in self.buffers and measurable(buffer) and bool(buffer.isnan().any()):  # type: ignore[union-attr]
                    delattr(module, name)
        for (module, name), kept in self.buffers.items():
            buffer = module._buffers.get(name)
            if buffer is not None and kept is not None and buffer.shape == kept.shape:
                buffer.copy_(kept)
                continue
            module._buffers[name] = None if kept is None else kept.clone()
            if (module, name) in self._passing:
                module._non_persistent_buffers_set.add(name)
        for module, state in self.extra.items():
            module.set_extra_state(copy.deepcopy(state))

    def spoilt(self) -> str | None:
        """The name of a buffer that is not finite any more.

        An infinity is meant where it was there before, and in a buffer that is new or has grown, as a mask does.
        """
        now = {
            (module, name): buffer
            for module in _all_modules(self.modules)
            for name, buffer in module._buffers.items()
            if buffer is not None and measurable(buffer)
        }
        for place, size in zip(now, largest_of_each(list(now.values())), strict=True):
            if not math.isfinite(size) and _worse(now[place], self.buffers.get(place)):
                return f"{self._paths()[place[0]]}{place[1]}"
        return None

    def _paths(self) -> dict[nn.Module, str]:
        """The beginning of the names of what a module holds, numbered by module where there are several."""
        start = 2 if len(self.modules) == 1 else 0
        return {module: f"{path}."[start:] for path, module in self.modules.named_modules()}

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        paths = self._paths()
        buffers = {f"{paths[module]}{name}": kept for (module, name), kept in self.buffers.items()}
        return {"buffers": buffers, "extra": {paths[module]: state for module, state in self.extra.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from :meth:`state_dict`, where the buffers now are.

        Raises:
            UsageError: it is the state of another model.
        """
        modules = {path: module for module, path in self._paths().items()}
        # The function of a loss was once called its core; the names of today win.
        modules = {path.replace(".function.", ".core."): module for path, module in modules.items()} | modules
        device = next((parameter.device for parameter in self.modules.parameters()), torch.device("cpu"))
        self.buffers = {}
        for path, kept in state["buffers"].items():
            owner, dot, name = path.rpartition(".")
            module = modules.get(f"{owner}{dot}")
            if module is None:
                raise UsageError(
                    f"the guard's state must be of the same model, got a buffer {path} that this model does not "
                    "have; load it into a guard of the model that it was saved with"
                )
            now = module._buffers.get(name)
            self.buffers[module, name] = None if kept is None else kept.to(device if now is None else now.device)
        self.extra = {modules[path]: kept for path, kept in state["extra"].items()}


def _all_modules(top: nn.Module) -> list[nn.Module]:
    """As ``modules()``, in any order, and without making a name for each: this runs in every step."""
    seen: dict[nn.Module, None] = {}
    waiting: list[nn.Module | None] = [top]
    while waiting:
        module = waiting.pop()
        if module is not None and module not in seen:
            seen[module] = None
            waiting += module._modules.values()
    return list(seen)


def _worse(now: Tensor, before: Tensor | None) -> bool:
    """Whether a buffer that is not finite was made so."""
    same = before is not None and before.shape == now.shape
    if bool(now.isnan().any()):
        return not (same and bool(before.isnan().any()))  # type: ignore[union-attr]
    return same and bool(before.isfinite().all())  # type: ignore[union-attr]


class Weights:
    """Parameters and optimizer, copied: what a step changes. Parameters in the optimizer that belong to none of the
    modules, as a loss may learn, are among them.

    Args:
        modules: whose parameters are kept.
        optimizer: whose state and parameters are kept.
    """

    def __init__(self, modules: nn.ModuleList, optimizer: torch.optim.Optimizer) -> None:
        self.modules, self.optimizer = modules, optimizer
        self.take()

    def all(self) -> list[Tensor]:
        """The parameters of the modules, then the others of the optimizer."""
        return list(dict.fromkeys([*self.modules.parameters(), *parameters_of(self.optimizer)]))

    def take(self) -> None:
        """As it stands."""
        self._parameters = {p: None if is_lazy(p) else p.detach().clone() for p in self.all()}
        self._optimizer = OptimizerState(self.optimizer, self._parameters)

    @torch.no_grad()
    def put_back(self) -> None:
        """As it was."""
        for parameter, value in self._parameters.items():
            if value is not None and parameter.shape == value.shape:
                parameter.copy_(value)
            elif value is not None:
                parameter.data = value.clone()
        self._optimizer.put_back()

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"parameters": list(self._parameters.values()), "optimizer": self._optimizer.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from :meth:`state_dict`."""
        pairs = zip(self.all(), state["parameters"], strict=True)
        self._parameters = {p: None if value is None else value.to(p.device) for p, value in pairs}
        self._optimizer.load_state_dict(state["optimizer"])


class Snapshot:
    """The whole state of modules and optimizer at a step whose loss and gradient were finite.

    Args:
        modules: everything that they hold is kept.
        optimizer: its state is kept.
    """

    def __init__(self, modules: nn.ModuleList, optimizer: torch.optim.Optimizer) -> None:
        self._weights, self._beside = Weights(modules, optimizer), Kept(modules)

    def take(self) -> None:
        """As it stands."""
        self._weights.take()
        self._beside.take()

    def put_back(self) -> None:
        """As it was."""
        self._weights.put_back()
        self._beside.put_back()

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {**self._weights.state_dict(), "beside": self._beside.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from :meth:`state_dict`."""
        self._weights.load_state_dict(state)
        self._beside.load_state_dict(state["beside"])
