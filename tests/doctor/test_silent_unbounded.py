"""Losses that reward wrong answers without end."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from collection.case import Inputs, binary, classes, normal, uniform
from examining import FEW, examine
from healthy_silent import UNBOUNDED
from silent_check import failures_of
from torch import Tensor

from losszoo.doctor.silent.answers.unbounded import look_for_unbounded

Loss = Callable[..., Tensor]


def angle(predictions: Tensor, targets: Tensor) -> Tensor:
    distance = (predictions - targets).abs()
    return torch.minimum(distance, 360 - distance).mean()


def phase(predictions: Tensor, targets: Tensor) -> Tensor:
    gap = torch.abs(predictions - targets)
    return torch.min(gap, 2 * math.pi - gap).sum()


def pinball(predictions: Tensor, targets: Tensor) -> Tensor:
    error = targets - predictions
    return torch.where(error > 0, 0.8 * error, 0.2 * error).mean()


def pinball_from_above(predictions: Tensor, y: Tensor) -> Tensor:
    error = predictions - y
    return torch.where(error > 0, 0.8 * error, 0.2 * error).mean()


def minus_squares(predictions: Tensor, targets: Tensor) -> Tensor:
    return -F.mse_loss(predictions, targets)


def determination(predictions: Tensor, targets: Tensor) -> Tensor:
    rest = (targets - predictions).square().sum()
    return 1 - rest / (targets - targets.mean()).square().sum()


def huber(predictions: Tensor, targets: Tensor) -> Tensor:
    size = (predictions - targets).abs()
    return torch.where(size < 1, 0.5 * size**2, 0.5 - size).mean()


def likelihood(logits: Tensor, labels: Tensor) -> Tensor:
    return F.log_softmax(logits, 1).gather(1, labels[:, None]).mean()


def focal(logits: Tensor, targets: Tensor) -> Tensor:
    logs = F.log_softmax(logits, 1).gather(1, targets[:, None])
    return ((1 - logs.exp()) ** 2 * logs).mean()


def bernoulli(logits: Tensor, targets: Tensor) -> Tensor:
    return (targets * F.logsigmoid(logits) + (1 - targets) * F.logsigmoid(-logits)).mean()


_PAIR: Inputs = lambda: (normal(12), normal(12, seed=1))  # noqa: E731
_PICK: Inputs = lambda: (normal(8, 5), classes(8, 5))  # noqa: E731


@pytest.mark.parametrize(
    ("loss", "inputs", "op"),
    [
        (phase, lambda: (uniform(12), uniform(12, seed=1)), "abs"),
        (pinball, _PAIR, "where"),
        (pinball_from_above, _PAIR, "where"),
        (minus_squares, _PAIR, "neg"),
        (determination, _PAIR, "sub"),
        (huber, _PAIR, "where"),
        (likelihood, _PICK, "gather"),
        (focal, _PICK, "mul"),
        (bernoulli, lambda: (normal(8, 3), binary(8, 3)), "add"),
    ],
)
def test_a_wrong_sign_is_found(loss: Loss, inputs: Inputs, op: str) -> None:
    (failure,) = failures_of(look_for_unbounded, loss, inputs)[0]
    assert failure.symptom == "misuse"
    assert failure.said is not None
    assert "unbounded below" in failure.said[0]
    assert failure.site is not None
    assert failure.site.op == op


@pytest.mark.parametrize("loss", [angle, phase])
def test_a_distance_around_a_circle_is_cured_by_a_remainder(loss: Loss) -> None:
    size = 360.0 if loss is angle else 6.0
    found = examine(loss, size * uniform(12), size * uniform(12, seed=1), effort=FEW).findings[0]
    assert (found.symptom, found.op, found.verified) == ("misuse", "abs", True)
    assert "%" in found.remedy


def test_the_remainder_makes_the_farthest_answer_the_worst() -> None:
    targets = 360 * uniform(12)

    def mended(predictions: Tensor) -> float:
        distance = torch.abs(predictions - targets) % 360
        return float(torch.minimum(distance, 360 - distance).mean())

    assert mended(targets + 1e4) == pytest.approx(80.0, abs=0.1)  # 28 turns are 10080 degrees
    assert float(angle(targets + 1e4, targets)) < -9000


@pytest.mark.parametrize(("loss", "inputs"), [item[1:] for item in UNBOUNDED], ids=[item[0] for item in UNBOUNDED])
def test_what_may_be_negative_is_left_alone(loss: Loss, inputs: Inputs) -> None:
    assert failures_of(look_for_unbounded, loss, inputs)[0] == []


def test_a_straight_line_is_a_note() -> None:
    loss, inputs = next(item[1:] for item in UNBOUNDED if item[0] == "bias")
    assert any("straight line" in note for note in failures_of(look_for_unbounded, loss, inputs)[1])
