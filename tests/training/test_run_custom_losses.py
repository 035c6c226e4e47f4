"""Runs on custom losses: objects, files, and what they return."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from torch import Tensor, nn
from training_runs import Run, history

import losszoo
from losszoo import UsageError


# Losses of one's own.
def weighed(logits: Tensor, targets: Tensor) -> Tensor:
    return nn.functional.cross_entropy(logits, targets, reduction="none")


class Ten(nn.Module):
    """An ordinary module, which knows nothing of losszoo."""

    def __init__(self, power: float = 1.0) -> None:
        super().__init__()
        self.power = power

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        chance = x.softmax(1).gather(1, y.unsqueeze(1))
        return ((1 - chance) ** self.power).mean()


@pytest.mark.parametrize(
    ("loss", "name"),
    [
        (weighed, "weighed"),
        (lambda x, y: nn.functional.cross_entropy(x, y), "<lambda>"),
        (Ten, "Ten"),
        (Ten(2.0), "Ten"),
        (nn.CrossEntropyLoss(), "CrossEntropyLoss"),
    ],
    ids=["function", "lambda", "class", "module", "torch"],
)
def test_objects(run_own: Run, loss: Any, name: str) -> None:
    result = run_own(loss, epochs=3)
    assert (result.loss, result.status) == (name, "completed")
    assert result.metrics["test"]["accuracy"] > 0.8


@pytest.mark.parametrize(
    ("loss", "name"),
    [
        (losszoo.create("focal", gamma=1.0), "focal(gamma=1.0)"),
        (losszoo.create("0.5*bce + mse"), "0.5*bce + mse"),
    ],
    ids=["one", "sum"],
)
def test_losses_of_the_zoo_that_are_made_already(run: Run, loss: Any, name: str) -> None:
    result = run(loss, epochs=3)
    assert (result.loss, result.status) == (name, "completed")
    assert result.metrics["test"]["accuracy"] > 0.8


def test_a_file(run: Run, mine: str) -> None:
    result = run(f"{mine}:MyLoss", "digits", epochs=2, set=["loss.power=1.5"])
    assert result.metrics["test"]["accuracy"] > 0.7
    assert Path(result.run_dir).parent.name == "my-loss.py-MyLoss"
    inside = run(f"0.5*{mine}:MyLoss(power=2.0) + bce", epochs=1)
    assert list(history(inside)[0]["terms"]) == [f"{mine}:MyLoss(power=2.0)", "bce"]


def test_a_loss_that_raises(run: Run, mine: str) -> None:
    with pytest.raises(
        UsageError, match=r"step 1 of .*:breaks on digits raised .*square.* \(my_loss.py:16\)"
    ) as caught:
        run(f"{mine}:breaks", "digits", epochs=1)
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_where_a_loss_of_ones_own_divides_by_zero(run: Run, mine: str) -> None:
    result = run(f"{mine}:divides", "digits", epochs=1)
    first = result.guard["first"]
    assert (result.status, result.steps) == ("stopped-by-guard", 1)
    assert (first["step"], first["epoch"], first["where"]) == (1, 0, "loss")
    assert (first["op"], first["source"]) == ("div", "my_loss.py:21")


@pytest.mark.parametrize(
    ("loss", "match"),
    [
        (lambda x, y: None, "a loss must return a floating point tensor, got .*NoneType"),
        (lambda x, y: 0.5, "a loss must return a floating point tensor, got .*float"),
        (lambda x, y: y.sum(), "a loss must return a floating point tensor, got .*int64"),
        (lambda x, y: (x.argmax(1) == y).float().mean(), "must have a graph, got requires_grad=False"),
        (lambda x, y: x.detach().mean(), "must have a graph"),
    ],
)
def test_a_loss_that_returns_something_else(run_own: Run, loss: Any, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        run_own(loss, epochs=1)


def test_settings_of_a_loss_that_is_made_already(run: Run) -> None:
    with pytest.raises(UsageError, match=r"loss. settings must be left out for a loss that is made, got power"):
        run(Ten(), set={"loss.power": 2})
