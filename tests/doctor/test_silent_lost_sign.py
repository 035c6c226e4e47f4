"""Floors that take the sign of data."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from collection.case import Inputs, normal
from examining import FEW, examine
from healthy_silent import FLOORS, UNBOUNDED, VANISHING
from silent_check import failures_of
from torch import Tensor

from losszoo.doctor.silent.answers.lost_sign import look_for_lost_signs

Loss = Callable[..., Tensor]


def by_clamp(outputs: Tensor, targets: Tensor) -> Tensor:
    return ((outputs - targets).abs() / targets.clamp(min=1e-6)).mean()


def by_maximum(outputs: Tensor, targets: Tensor) -> Tensor:
    floor = torch.tensor(1e-8, dtype=targets.dtype)
    return ((outputs - targets) / torch.maximum(targets, floor)).square().mean()


def by_rows(outputs: Tensor, targets: Tensor) -> Tensor:
    base = torch.clamp_min(targets[:, :1], 1e-7)
    return (outputs / base - targets / base).abs().mean()


@pytest.mark.parametrize(("loss", "op"), [(by_clamp, "clamp"), (by_maximum, "maximum"), (by_rows, "clamp_min")])
def test_a_floor_under_negative_data_is_found(loss: Loss, op: str) -> None:
    inputs = (normal(8, 3), normal(8, 3, seed=1))
    found = examine(loss, *inputs, effort=FEW).findings[0]
    assert (found.symptom, found.op, found.verified) == ("misuse", op, True)
    assert ".abs()" in found.remedy
    assert "divides by it" in found.cause


@pytest.mark.parametrize(
    ("loss", "inputs"),
    [item[1:] for item in (*FLOORS, *UNBOUNDED, *VANISHING)],
    ids=[item[0] for item in (*FLOORS, *UNBOUNDED, *VANISHING)],
)
def test_other_floors_are_left_alone(loss: Loss, inputs: Inputs) -> None:
    assert failures_of(look_for_lost_signs, loss, inputs)[0] == []
