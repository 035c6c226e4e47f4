"""What test_guard and test_guard_checks share."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

Setting = tuple[nn.Module, torch.optim.Optimizer]


def make(kind: str = "adamw", lr: float = 0.1) -> Setting:
    torch.manual_seed(0)
    model = nn.Linear(2, 3)
    made = {"adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}[kind](model.parameters(), lr=lr)
    return model, made


def state(model: nn.Module, optimizer: torch.optim.Optimizer) -> Any:
    return copy.deepcopy((model.state_dict(), optimizer.state_dict()))
