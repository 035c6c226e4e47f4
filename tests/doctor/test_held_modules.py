"""Modules that a loss holds in a partial, as its object or in a closure compute in the dtype of the call."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from examining import LONG
from torch import Tensor, nn

import losszoo
from losszoo.doctor.subject.subject import evaluate, make_subject


def perceptual(network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return (network(x) - network(y)).square().mean()


class Criterion(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))

    def compare(self, x: Tensor, y: Tensor) -> Tensor:
        return perceptual(self.network, x, y)


def closure(network: nn.Module) -> Callable[..., Tensor]:
    def loss(x: Tensor, y: Tensor, *, scale: float = 2.0) -> Tensor:
        return scale * perceptual(network, x, y)

    return loss


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


KEEPERS: dict[str, Callable[[nn.Module], Any]] = {
    "partial": lambda network: functools.partial(perceptual, network),
    "keyword": lambda network: functools.partial(lambda x, y, network: perceptual(network, x, y), network=network),
    "closure": closure,
    "partial of a closure": lambda network: functools.partial(closure(network), scale=3.0),
}


@pytest.mark.parametrize("kind", KEEPERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_it_is_copied_into_the_dtype(kind: str, dtype: torch.dtype) -> None:
    kept = network()
    before = kept[1].running_mean.clone()  # type: ignore[index]
    subject = make_subject(KEEPERS[kind](kept), (torch.randn(4, 3), torch.randn(4, 3)), ("x", "y"))
    outcome = evaluate(subject, subject.leaves, dtype)
    assert outcome.error is None
    assert outcome.values is not None
    assert outcome.values.dtype == dtype
    assert torch.equal(kept[1].running_mean, before)  # type: ignore[index]
    assert kept[0].weight.dtype == torch.float32  # type: ignore[index]


def test_the_method_of_a_module_too() -> None:
    criterion = Criterion()
    subject = make_subject(criterion.compare, (torch.randn(4, 3), torch.randn(4, 3)), ("x", "y"))
    assert evaluate(subject, subject.leaves, torch.bfloat16).error is None
    assert criterion.network[1].num_batches_tracked.item() == 0


def test_a_loss_that_takes_no_float64_says_so() -> None:
    def strict(x: Tensor, y: Tensor) -> Tensor:
        if x.dtype == torch.float64:
            raise TypeError("float32 only")
        return (x - y).square().mean()

    found = losszoo.examine(strict, example=lambda: (torch.randn(4), torch.randn(4)), effort=100, budget=LONG)
    assert any("does not run in float64 (TypeError: float32 only" in note for note in found.notes)
    assert not found.findings
