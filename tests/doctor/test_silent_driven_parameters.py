"""Learned numbers of a loss that descent takes through zero."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from collection.case import Inputs, normal
from examining import examine
from healthy_batches import BATCHES
from healthy_modules import LEARNED, OfOneNumber
from healthy_silent import HEALTHY
from silent_check import failures_of
from torch import Tensor, nn

from losszoo.doctor.silent.driven_parameters import look_for_driven_parameters

_PAIR: Inputs = lambda: (normal(8), normal(8, seed=1))  # noqa: E731


class RawScales(OfOneNumber):
    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        total = first.new_zeros(())
        for scale, error in zip(self.number, (first, second), strict=True):
            total = total + error.square().mean() / (2 * scale**2) + torch.log(scale)
        return total


class RawRate(nn.Module):
    """A Laplace likelihood whose scale is a bare number."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.5))

    def forward(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return (torch.log(2 * self.scale) + (predictions - targets).abs() / self.scale).mean()


class RootOfNumber(nn.Module):
    """A standard deviation is taken as the root of a learned variance."""

    def __init__(self) -> None:
        super().__init__()
        self.variance = nn.Parameter(torch.tensor([1.0]))

    def forward(self, errors: Tensor, targets: Tensor) -> Tensor:
        return (errors - targets).square().mean() * torch.sqrt(self.variance).mean() + self.variance.mean()


@pytest.mark.parametrize(
    ("loss", "op"), [(RawScales(1.0), "log"), (RawRate(), "log"), (RootOfNumber(), "sqrt")], ids=["raw", "rate", "root"]
)
def test_a_number_that_is_not_kept_positive(loss: nn.Module, op: str) -> None:
    found = examine(loss, *_PAIR(), effort=8000).findings[0]
    assert found.op == op
    assert found.symptom.startswith("nan")
    assert "not kept positive" in found.cause
    assert "steps of descent" in found.probe


def test_the_parameters_of_the_caller_stay() -> None:
    loss = RawScales(1.0)
    failures_of(look_for_driven_parameters, loss, _PAIR)
    assert loss.number.tolist() == [1.0, 1.0]


def test_learning_the_logarithm_ends_it() -> None:
    """As the remedy says; its descent stays finite."""
    loss, inputs = next(item[1:] for item in LEARNED if item[0] == "log-variances")
    assert failures_of(look_for_driven_parameters, loss, inputs)[0] == []


EVERY: list[tuple[str, Callable[..., Tensor], Inputs]] = [*LEARNED, *BATCHES, *HEALTHY]


@pytest.mark.parametrize(("loss", "inputs"), [item[1:] for item in LEARNED], ids=[item[0] for item in LEARNED])
def test_what_is_kept_positive_is_left_alone(loss: nn.Module, inputs: Inputs) -> None:
    assert failures_of(look_for_driven_parameters, loss, inputs)[0] == []


def test_losses_without_numbers_of_their_own_are_left_alone() -> None:
    accused = {name for name, loss, inputs in EVERY if failures_of(look_for_driven_parameters, loss, inputs)[0]}
    assert accused == set()
