"""Everything that a run is made of: one typed value from the one who builds it to the loop that fits it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from losszoo.contract.compose import SumLoss
from losszoo.harness.adapters import Model
from losszoo.harness.guard import Guard
from losszoo.harness.predict import Prediction
from losszoo.harness.prepare import Prepared
from losszoo.harness.record import Record
from losszoo.harness.task import Recipe, Task


@dataclass
class Plan:
    """Everything a run is made of, built and checked."""

    task: Task
    data: Prepared
    model: Model
    loss: SumLoss
    prediction: Prediction
    recipe: Recipe
    optimizer: torch.optim.Optimizer
    guard: Guard
    record: Record
    config: Mapping[str, Any]
    seed: int

    @property
    def deciding(self) -> tuple[str, str]:
        """The metric that decides, and its direction."""
        return self.task.spec.metric, self.task.spec.direction
