"""A term beside one that trains, which a step cuts off: it changes the value, and no gradient."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from examining import FEW, examine
from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]
X = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
Y = torch.tensor([0, 1, 2, 3, 0, 1, 2, 3])
BITS = (torch.randn(8, 4, generator=torch.Generator().manual_seed(1)) > 0).float()


def by_argmax(pred: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(pred, y) + 0.1 * (pred.argmax(1) != y).float().mean()


def by_distance_of_classes(pred: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(pred, y) + (pred.argmax(1) - y).abs().float().mean()


def by_threshold(pred: Tensor, bits: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(pred, bits) + 0.5 * ((pred > 0).float() - bits).abs().mean()


def by_round(pred: Tensor, bits: Tensor) -> Tensor:
    return F.mse_loss(pred, bits) + 0.1 * (pred.round() - bits).abs().mean()


def by_sign(pred: Tensor, bits: Tensor) -> Tensor:
    return F.mse_loss(pred, bits) + (pred.sign() != bits).float().mean()


@pytest.mark.parametrize(
    ("loss", "op", "given"),
    [
        (by_argmax, "argmax", Y),
        (by_distance_of_classes, "argmax", Y),
        (by_threshold, "gt", BITS),
        (by_round, "round", BITS),
        (by_sign, "sign", BITS),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_term_behind_a_step_is_told(loss: Loss, op: str, given: Tensor) -> None:
    found = examine(loss, X, given, effort=2000)
    line = loss.__code__.co_firstlineno + 1
    told = {(finding.symptom, finding.op, finding.source) for finding in found.findings}
    assert told == {("no-gradient", op, f"test_silent_stepping_terms.py:{line}")}
    assert "adds to the value and to no gradient" in found.findings[0].cause


def weighted(pred: Tensor, y: Tensor) -> Tensor:
    """The step is a weight: it changes every gradient."""
    return ((1 + (pred.argmax(1) != y).float()) * F.cross_entropy(pred, y, reduction="none")).mean()


def counted(pred: Tensor, bits: Tensor) -> Tensor:
    margin = pred * (2 * bits - 1)
    return F.relu(1 - margin).sum() / (margin < 1).float().sum().clamp(min=1)


def branched(pred: Tensor, bits: Tensor) -> Tensor:
    error = (pred - bits).abs()
    return torch.where(error < 1, 0.5 * error**2, error - 0.5).mean()


def straight_through(pred: Tensor, bits: Tensor) -> Tensor:
    return (pred + (pred.round() - pred).detach() - bits).square().mean()


@pytest.mark.parametrize(
    ("loss", "given"),
    [(weighted, Y), (counted, BITS), (branched, BITS), (straight_through, BITS)],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_step_that_steers_the_gradient_is_no_term(loss: Loss, given: Tensor) -> None:
    found = examine(loss, X, given, effort=FEW)
    assert "no-gradient" not in {finding.symptom for finding in found.findings}


def test_a_term_without_a_gradient_on_purpose_is_no_fault() -> None:
    def with_metric(pred: Tensor, y: Tensor) -> Tensor:
        with torch.no_grad():
            errors = (pred.argmax(1) != y).float().mean()
        return F.cross_entropy(pred, y) + errors

    found = examine(with_metric, X, Y, effort=FEW)
    assert not found.findings
