"""What TensorBoard itself reads from the event files."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from losszoo.errors import UsageError
from losszoo.training.run_folder.tensorboard import Scalars

LINE = {
    "epoch": 3,
    "epochs": 10,
    "loss": 0.5,
    "grad_norm": 2.0,
    "terms": {"0.7*bce": 0.25, "l2": 1.0},
    "weights": {"0.7*bce": 0.7},
    "steps": 8,
    "clipped": 1,
    "bad_steps": 2,
    "lr": 0.001,
    "val": {"accuracy": 0.75},
    "seconds": 1.0,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pytest.importorskip("tensorboard")
    return tmp_path / "tensorboard"


@pytest.fixture
def parameters() -> Iterator[list[tuple[str, Tensor]]]:
    model = nn.Linear(3, 2)
    model.weight.grad = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    model.bias.grad = torch.tensor([math.nan, 1.0])
    return iter([list(model.named_parameters())])


def read(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    return accumulator


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    events = read(folder)
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_steps_and_epochs(folder: Path) -> None:
    writer = Scalars(folder)
    writer.step(1, {"loss": 0.5, "grad_norm": 4.0})
    writer.step(2, {"loss": math.nan})
    writer.epoch(LINE)
    writer.close()
    found = scalars(folder)
    assert found["step/grad_norm"] == [(1, 4.0)]
    assert found["step/loss"][0] == (1, 0.5)
    assert math.isnan(found["step/loss"][1][1])
    assert found["val/accuracy"] == [(2, 0.75)]  # at the last step of the epoch
    assert found["terms/l2"] == [(2, 1.0)]
    assert found["epoch/lr"][0][1] == pytest.approx(0.001)
    assert {tag for tag in found if tag.startswith(("epoch/", "weights/"))} == {
        *("epoch/loss", "epoch/grad_norm", "epoch/lr", "epoch/clipped", "epoch/bad_steps", "weights/0.7*bce"),
    }


def test_an_epoch_without_steps_stands_at_its_number(folder: Path) -> None:
    writer = Scalars(folder)
    writer.epoch({"epoch": 3, "loss": math.nan, "val": {}, "terms": None})
    writer.close()
    found = scalars(folder)
    assert list(found) == ["epoch/loss"]
    assert found["epoch/loss"][0][0] == 3


def test_histograms_of_what_is_finite(folder: Path, parameters: Iterator[Any]) -> None:
    named = next(parameters)
    writer = Scalars(folder, every=2)
    for number in (1, 2, 3):
        writer.gradients(number, named)
    writer.close()
    events = read(folder)
    (weight,) = events.Histograms("gradient/weight")
    assert (weight.step, weight.histogram_value.num, weight.histogram_value.sum) == (2, 6, 21.0)
    (bias,) = events.Histograms("gradient/bias")
    assert (bias.histogram_value.num, bias.histogram_value.max) == (1, 1.0)
    assert [(e.step, e.value) for e in events.Scalars("gradient_outside/bias")] == [(2, 1.0)]
    assert events.Tags()["scalars"] == ["gradient_outside/bias"]


@pytest.mark.parametrize(
    "gradient",
    [
        torch.full((2,), math.nan),
        torch.tensor([math.inf, -math.inf]),
        torch.zeros(0),
        torch.tensor([3e38, -3e38]),
        torch.tensor([1e300, 1.0], dtype=torch.float64),
        torch.ones(2, dtype=torch.bfloat16),
        torch.ones(2, dtype=torch.float16),
        torch.sparse_coo_tensor(torch.tensor([[0, 0]]), torch.tensor([1.0, 2.0]), (2,), check_invariants=True),
    ],
    ids=["nan", "infinite", "empty", "largest float32", "float64", "bfloat16", "float16", "sparse"],
)
def test_no_gradient_raises(folder: Path, gradient: Tensor) -> None:
    parameter = nn.Parameter(torch.zeros(gradient.shape, dtype=gradient.dtype))
    parameter.grad = gradient
    writer = Scalars(folder, every=1)
    writer.gradients(1, [("w", parameter), ("frozen", nn.Parameter(torch.zeros(1)))])
    writer.close()
    assert "gradient/frozen" not in read(folder).Tags()["histograms"]


def test_a_resumed_run_forgets_what_it_does_again(folder: Path) -> None:
    first = Scalars(folder)
    for number in range(1, 7):
        first.step(number, {"loss": 1.0})
        if number % 2 == 0:
            first.epoch({"epoch": number // 2 - 1, "loss": 1.0})
    first.close()
    second = Scalars(folder, purge_step=3)
    for number in (3, 4):
        second.step(number, {"loss": 2.0})
    second.epoch({"epoch": 1, "loss": 2.0})
    second.close()
    found = scalars(folder)
    assert found["step/loss"] == [(1, 1.0), (2, 1.0), (3, 2.0), (4, 2.0)]
    assert found["epoch/loss"] == [(2, 1.0), (4, 2.0)]


def test_a_missing_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UsageError, match=r"TensorBoard is not installed: pip install \"losszoo\[tensorboard\]\""):
        Scalars(tmp_path)


def test_what_cannot_be(folder: Path) -> None:
    with pytest.raises(UsageError, match="every must be >= 1, got 0"):
        Scalars(folder, every=0)
    folder.write_text("a file")
    with pytest.raises(UsageError, match="log_dir must be a folder that can be written, got "):
        Scalars(folder)
