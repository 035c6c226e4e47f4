"""What test_guard_restores and test_guard_buffers share."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


def linear() -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(2, 3)


def everything(model: nn.Module, optimizer: Optimizer) -> Any:
    own = {name: value for name, value in vars(optimizer).items() if isinstance(value, int | float | Tensor | dict)}
    own.pop("_opt_called", None)  # of schedulers
    own.pop("_zero_grad_profile_name", None)
    states = {name: dict(held) for (name, _), held in zip(model.named_parameters(), optimizer.state.values())}  # noqa: B905
    return copy.deepcopy([model.state_dict(), states, {k: v for k, v in own.items() if k not in ("state", "defaults")}])
