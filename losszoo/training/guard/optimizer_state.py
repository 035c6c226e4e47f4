"""What an optimizer holds beside the parameters: its state, what stands in its groups, and attributes of its own."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

# What a scheduler notes on an optimizer, which is no state of it.
_OF_SCHEDULERS = ("_opt_called", "_step_count")
_SCALARS = (int, float, complex, str, bytes, type(None), torch.dtype, torch.device)


def parameters_of(optimizer: Optimizer) -> list[Tensor]:
    """Of all groups."""
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def with_inner(optimizer: Optimizer) -> list[Optimizer]:
    """The optimizer, and those that it holds, as one that averages what another one does."""
    found: dict[int, Optimizer] = {id(optimizer): optimizer}
    waiting: list[Any] = list(vars(optimizer).values())
    while waiting:
        value = waiting.pop()
        if isinstance(value, Optimizer) and id(value) not in found:
            found[id(value)] = value
            waiting += vars(value).values()
        elif isinstance(value, list | tuple):
            waiting += value
    return list(found.values())


class OptimizerState:
    """A copy of all that an optimizer holds but its parameters and its learning rates, which a schedule sets.

    Args:
        optimizer: that is copied, with those that it holds.
        parameters: are referred to and never copied.
    """

    def __init__(self, optimizer: Optimizer, parameters: Iterable[Tensor]) -> None:
        self.optimizers = with_inner(optimizer)
        self._own = {id(parameter): parameter for parameter in (*parameters, *parameters_of(optimizer))}
        self._held = self._copy([_contents(one, self._own) for one in self.optimizers])

    def _copy(self, held: Any) -> Any:
        # At once, so that what shares memory goes on sharing it.
        return copy.deepcopy(held, dict(self._own))

    def put_back(self) -> None:
        """As it was. A parameter that has been added since has no state again."""
        for optimizer, held in zip(self.optimizers, self._copy(self._held), strict=True):
            optimizer.state.clear()
            optimizer.state.update(held["state"])
            for group, kept in zip(optimizer.param_groups, held["groups"], strict=False):
                group.update({name: value for name, value in kept.items() if name not in ("params", "lr")})
            attributes = vars(optimizer)
            for name in _attributes(optimizer, self._own):
                del attributes[name]
            attributes.update(held["attributes"])

    def state_dict(self) -> list[dict[str, Any]]:
        """For a checkpoint: of each optimizer the state in the form of torch, and its own attributes."""
        return [{**_as_torch(held), "attributes": held["attributes"]} for held in self._held]

    def load_state_dict(self, state: list[dict[str, Any]]) -> None:
        """Go on from :meth:`state_dict`; each optimizer puts its tensors where it wants them."""
        now = self._copy([_contents(one, self._own) for one in self.optimizers])
        rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in self.optimizers]
        for optimizer, kept in zip(self.optimizers, state, strict=True):
            optimizer.load_state_dict({name: kept[name] for name in ("state", "param_groups")})
            vars(optimizer).update(copy.deepcopy(kept["attributes"]))
        loaded = self._copy([_contents(one, self._own) for one in self.optimizers])
        self._held = now
        self.put_back()
        for optimizer, before in zip(self.optimizers, rates, strict=True):
            for group, rate in zip(optimizer.param_groups, before, strict=True):
                group["lr"] = rate
        self._held = loaded


def _contents(optimizer: Optimizer, own: Mapping[int, Tensor]) -> dict[str, Any]:
    return {
        "state": dict(optimizer.state),
        "groups": [dict(group) for group in optimizer.param_groups],
        "attributes": _attributes(optimizer, own),
    }


def _attributes(optimizer: Optimizer, own: Mapping[int, Tensor]) -> dict[str, Any]:
    known = (*_of_torch(), *_OF_SCHEDULERS)
    return {name: value for name, value in vars(optimizer).items() if name not in known and _is_data(value, own)}


@cache
def _of_torch() -> frozenset[str]:
    """What every optimizer of torch has: ``state`` and ``param_groups``, kept by themselves, and hooks."""
    return frozenset(vars(torch.optim.SGD([torch.zeros(1)], lr=1.0)))


def _is_data(value: Any, own: Mapping[int, Tensor]) -> bool:
    """Numbers, texts and tensors, in any nest; what refers to a parameter says how the optimizer is built."""
    if isinstance(value, Mapping):
        return all(_is_data(item, own) for pair in value.items() for item in pair)
    if isinstance(value, list | tuple | set | deque):
        return all(_is_data(item, own) for item in value)
    return isinstance(value, _SCALARS) or (isinstance(value, Tensor) and id(value) not in own)


def _as_torch(held: Mapping[str, Any]) -> dict[str, Any]:
    """As ``Optimizer.state_dict`` says it: parameters are numbers."""
    parameters = [parameter for group in held["groups"] for parameter in group["params"]]
    numbers = {id(parameter): number for number, parameter in enumerate(parameters)}
    groups = [{**group, "params": [numbers[id(p)] for p in group["params"]]} for group in held["groups"]]
    state = {numbers.get(id(owner), owner): value for owner, value in held["state"].items()}
    state = {owner: value for owner, value in state.items() if not isinstance(owner, Tensor)}
    return {"state": state, "param_groups": groups}
