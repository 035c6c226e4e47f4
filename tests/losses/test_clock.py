"""Weights that follow epochs and steps: told, counted, never silently left behind."""

from __future__ import annotations

import copy
import json
import pickle
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import losszoo
from losszoo import MemoryBank, UsageError
from losszoo.losses.sums.schedules import Schedule
from losszoo.registry.expressions import parse

BY_STEP = "linear(0, 1, steps=4)*mse"


def call(loss: Any, grad: bool = True) -> float:
    """The loss of an error of 2: four times its weight."""
    return loss(torch.tensor([2.0], requires_grad=grad), torch.zeros(1)).item()


def test_steps_are_counted_by_themselves() -> None:
    loss = losszoo.create(BY_STEP)
    assert [call(loss) for _ in range(6)] == [0.0, 1.0, 2.0, 3.0, 4.0, 4.0]
    assert loss.weights == {"mse": 1.0}


def test_evaluation_and_what_has_no_graph_do_not_count() -> None:
    loss = losszoo.create(BY_STEP)
    call(loss)
    with torch.no_grad():
        assert [call(loss) for _ in range(3)] == [1.0, 1.0, 1.0]
    loss.eval()
    assert [call(loss) for _ in range(3)] == [1.0, 1.0, 1.0]
    loss.train()
    assert [call(loss) for _ in range(2)] == [1.0, 2.0]


@pytest.mark.parametrize("reentrant", [False, True])
def test_gradient_checkpointing_repeats_the_same_step(reentrant: bool) -> None:
    loss, plain = losszoo.create(BY_STEP), losszoo.create(BY_STEP)
    for _ in range(4):
        first, second = (torch.tensor([2.0], requires_grad=True) for _ in range(2))
        checkpoint(lambda x: loss(x, torch.zeros(1)), first, use_reentrant=reentrant).backward()
        plain(second, torch.zeros(1)).backward()
        assert torch.equal(first.grad, second.grad)
    assert loss.clock.step == plain.clock.step == 4


def test_the_step_is_in_the_state_and_in_copies() -> None:
    loss = losszoo.create(BY_STEP)
    call(loss), call(loss)
    other = losszoo.create(BY_STEP)
    other.load_state_dict(loss.state_dict())
    for made in (other, copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert call(made) == 2.0
    assert torch.equal(torch.tensor(call(loss)), torch.tensor(2.0))


def test_steps_that_are_told_are_not_counted() -> None:
    loss = losszoo.create(BY_STEP)
    loss.set_step(3)
    assert [call(loss) for _ in range(3)] == [3.0, 3.0, 3.0]
    loss.step = 2
    assert (call(loss), loss.step) == (2.0, 2)


def test_a_bank_and_a_nested_sum_follow() -> None:
    bank = MemoryBank("linear(1, 0, steps=2)*nca + 0.1*l2", size=4)
    nested = losszoo.create("uncertainty(linear(0, 1, steps=2)*mse, mae) + constant(2)*mae")
    rows, labels = torch.randn(4, 2, requires_grad=True), torch.tensor([0, 0, 1, 1])
    for _ in range(2):
        bank(rows, labels, parameters=[torch.ones(1)])
        call(nested)
    assert bank.loss.clock.step == nested.clock.step == 2
    # Kendall's sum at log-variances 0: half of each loss; the weights are 1 (now) and 1, and 2 times the error of 2.
    assert call(nested) == pytest.approx(0.5 * 4 + 0.5 * 2 + 2 * 2)


def test_a_compiled_sum_follows_its_steps() -> None:
    torch._dynamo.reset()
    compiled = torch.compile(losszoo.create(BY_STEP), backend="eager")
    assert [call(compiled) for _ in range(5)] == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_an_epoch_that_nobody_tells_is_said_once() -> None:
    loss = losszoo.create("linear(0, 1, epochs=20)*sup-con + cross-entropy")
    x, z, y = torch.randn(6, 3, requires_grad=True), torch.randn(6, 4, requires_grad=True), torch.arange(6) % 3
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for _ in range(50):
            loss.evaluate({"multiclass": (x, y), "embedding": (z, y)}).backward()
    assert len(seen) == 1
    assert "call loss.set_epoch(epoch) at the start of each epoch" in str(seen[0].message)
    assert seen[0].filename == __file__


def test_who_tells_the_epoch_or_evaluates_is_told_nothing() -> None:
    told, evaluated = losszoo.create("linear(0, 1, epochs=2)*mse"), losszoo.create("linear(0, 1, epochs=2)*mse")
    evaluated.eval()
    for epoch in range(3):
        told.epoch = epoch
        assert [call(told) for _ in range(5)] == [4.0 * min(epoch / 2, 1)] * 5
        call(evaluated)
        call(losszoo.create("constant(0.5)*mse"))
    resumed = losszoo.create("linear(0, 1, epochs=2)*mse")
    resumed.load_state_dict(told.state_dict())
    assert [call(resumed) for _ in range(5)] == [4.0] * 5


def test_lengths_in_steps_are_read_and_written() -> None:
    for text in ("linear(0, 1, steps=1000)*mse", "cosine(1, 0, steps=7)*mse", "step(1, 3, epochs=2)*mse"):
        assert str(parse(text)[0]) == text
    assert "linear(0, 1, steps=4)*mse" in repr(losszoo.create(BY_STEP))
    with pytest.raises(UsageError, match="steps must be a whole number >= 1"):
        losszoo.create("linear(0, 1, steps=0)*mse")
    with pytest.raises(UsageError, match="a length in epochs or in steps, got both"):
        Schedule("linear", 0.0, 1.0, 3, 4)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_in_a_run_steps_are_those_of_the_optimizer(accumulate: int, tmp_path: Path) -> None:
    """Breast-cancer has 341 training rows: four steps of 96 rows an epoch, however the batches are cut."""
    settings = {"recipe.batch_size": 96 // accumulate}
    how: dict[str, Any] = {"epochs": 2, "accumulate": accumulate, "set": settings, "out": tmp_path}
    result = losszoo.run("linear(0, 1, steps=100)*mse + bce", "breast-cancer", **how)
    history = json.loads(Path(result.run_dir, "history.json").read_text())
    each = result.steps // 2
    assert [line["weights"]["mse"] for line in history] == pytest.approx([(each - 1) / 100, (2 * each - 1) / 100])


class Torso(nn.Module):
    """A model that holds its loss."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.loss = nn.Linear(4, 3), losszoo.create("linear(0, 1, steps=2)*cross-entropy")

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("text", ["cross-entropy", "sup-con", "linear(0, 1, steps=2)*mse"])
def test_a_model_that_holds_a_loss_can_be_scripted(text: str, tmp_path: Path) -> None:
    model = Torso()
    model.loss = losszoo.create(text)
    torch.jit.save(torch.jit.script(model), tmp_path / "model.pt")
    assert torch.jit.load(tmp_path / "model.pt")(torch.zeros(2, 4)).shape == (2, 3)


@pytest.mark.parametrize("count", [-1, float("nan"), float("inf"), "two", None])
def test_a_count_that_is_none_is_refused(count: Any) -> None:
    loss = losszoo.create("linear(0, 1, epochs=20)*mse + linear(0, 1, steps=20)*mae")
    with pytest.raises(UsageError, match="epoch must be a number >= 0, got"):
        loss.set_epoch(count)
    with pytest.raises(UsageError, match="step must be a number >= 0, got"):
        loss.set_step(count)
    loss.set_epoch(10.5)
    assert loss.weights == {"mse": 10.5 / 20, "mae": 0.0}
