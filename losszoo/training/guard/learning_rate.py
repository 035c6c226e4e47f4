"""The learning rate of a step, scaled for that step alone: a schedule never sees it, and so cannot undo it."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from losszoo.common.text import kind_name
from losszoo.errors import UsageError


def check_optimizer(optimizer: torch.optim.Optimizer, spoilt: str | None, *, halved: bool) -> None:
    """What a guard needs of an optimizer.

    Args:
        optimizer: that is given to a guard.
        spoilt: name of a part of its state that is not finite.
        halved: whether its learning rate will be.

    Raises:
        UsageError: its step needs a closure, its state is not finite, or it has no rate to halve.
    """
    name = type(optimizer).__name__
    # Of the class, since a scheduler puts a wrapper around the step of its optimizer.
    closure = inspect.signature(type(optimizer).step).parameters.get("closure")
    if closure is not None and closure.default is closure.empty:
        raise UsageError(
            f"the optimizer of a guard must step without a closure, got {name}, whose step computes the loss several "
            "times; take another one, or call its step(closure) without a guard"
        )
    if spoilt is not None:
        raise UsageError(
            f"the state of an optimizer must be finite, got {kind_name(optimizer)} whose {spoilt} is not, so "
            "that its steps move nothing; make a new optimizer, or load an earlier checkpoint"
        )
    if halved and not all("lr" in group for group in optimizer.param_groups):
        raise UsageError(
            f"an optimizer under policy 'rollback' must have a learning rate that can be halved, got {name} without "
            "lr; take policy='skip'"
        )


@contextmanager
def scaled_rate(optimizer: torch.optim.Optimizer, scale: float) -> Iterator[None]:
    """A block in which every learning rate is multiplied; one that is set inside it stays as it is set."""
    if scale == 1:
        yield
        return
    changed = [(group, copy.deepcopy(group["lr"]), group["lr"] * scale) for group in optimizer.param_groups]
    for group, _, inside in changed:
        _set(group, inside)
    try:
        yield
    finally:
        for group, before, inside in changed:
            if bool(group["lr"] == inside):
                _set(group, before)


def _set(group: dict[str, Any], rate: Any) -> None:
    # A rate in a tensor is the same tensor for ever where steps are captured.
    if isinstance(rate, Tensor):
        group["lr"].copy_(rate)
    else:
        group["lr"] = rate
