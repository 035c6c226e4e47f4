"""What is not finite is held against a loss only where the true number is finite."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from losszoo.testing import check_battery, subject_of
from losszoo.testing.finite_values import what_breaks


def squared(predictions: Tensor, targets: Tensor) -> Tensor:
    return (predictions - targets).square()


def squared_and_cancelled(predictions: Tensor, targets: Tensor) -> Tensor:
    return predictions.square() - 2 * predictions * targets + targets.square()


def squared_twice(predictions: Tensor, targets: Tensor) -> Tensor:
    return (predictions - targets).square().square().sqrt()


def log_loss(predictions: Tensor, targets: Tensor) -> Tensor:
    return -torch.special.xlogy(targets, predictions) - torch.special.xlogy(1 - targets, 1 - predictions)


def wrong(call: Callable[..., Any], prediction: float, target: float, expects: str = "logits") -> str | None:
    signature = "binary" if expects != "logits" else "regression"
    subject = subject_of(call, signature=signature, expects=expects)
    return what_breaks(subject.make(), (torch.tensor([prediction]), torch.tensor([target])), subject)


@pytest.mark.parametrize(
    ("call", "prediction", "target", "expects", "said"),
    [
        (squared, 2.0, 1.0, "logits", None),
        (squared, 1e30, 0.0, "logits", None),  # 1e60 is beyond float32
        (squared_and_cancelled, 1e30, 1e30, "logits", "the value nan"),  # truly 0
        (squared_twice, 1e15, 0.0, "logits", "the value inf, which is 1e+30 in float64,"),  # 1e30, by way of 1e60
        (squared_twice, 0.0, 0.0, "logits", "the value 0 and nan in the gradient"),
        (log_loss, 0.0, 1.0, "probabilities", None),  # minus log 0
    ],
)
def test_what_breaks(
    call: Callable[..., Any], prediction: float, target: float, expects: str, said: str | None
) -> None:
    came = wrong(call, prediction, target, expects)
    assert (came is None) == (said is None)
    assert (said or "") in (came or "")


@pytest.mark.parametrize("name", ["bce", "nca-stable", "mse"])
def test_the_battery_spares_the_sound(name: str) -> None:
    check_battery(name)
