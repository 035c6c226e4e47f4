"""Fixtures of the tests beside this file."""

from __future__ import annotations

from pathlib import Path

import pytest
from training_runs import Run

import losszoo

OWN = """
import torch
from torch import nn


class MyLoss(nn.Module):
    def __init__(self, power=1.0):
        super().__init__()
        self.power = power

    def forward(self, x, y):
        return nn.functional.cross_entropy(x, y, reduction="none").pow(self.power).mean()


def breaks(x, y):
    return torch.linalg.inv(x)


def divides(logits, targets):
    spread = logits.sum() * 0
    return spread / spread
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return lambda loss, task="breast-cancer", **options: losszoo.run(loss, task, **{"out": tmp_path, **options})


@pytest.fixture
def run_own(run: Run) -> Run:
    """For losses of class logits and labels."""
    return lambda loss, *args, **options: run(loss, *args, signature="multiclass", **options)


@pytest.fixture
def mine(tmp_path: Path) -> str:
    (tmp_path / "my_loss.py").write_text(OWN)
    return f"{tmp_path}/my_loss.py"
