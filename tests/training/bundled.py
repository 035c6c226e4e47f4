"""What test_bundle and test_guard_bundles share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

ROWS, LABELS = torch.linspace(-1, 1, 12).view(6, 2), torch.tensor([0, 1, 2, 0, 1, 2])


def make() -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3))
    return model, torch.optim.AdamW(model.parameters(), lr=0.1)


def healthy(model: nn.Module, rows: Tensor, labels: Tensor) -> Tensor:
    return nn.functional.cross_entropy(model(rows), labels)


def root(model: nn.Module, rows: Tensor, labels: Tensor) -> Tensor:
    return torch.sqrt((model(rows) * 0).square()).sum()


def fails(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail
