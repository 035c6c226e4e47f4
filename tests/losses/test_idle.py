"""A weight of 0 at every epoch: refused where nothing else is trained, else noted."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import losszoo
from losszoo import UsageError
from losszoo.sklearn import LossRegressor

# Every factor is 0 by itself, by rounding (float32 has nothing between 0 and 1.4e-45), or the product of two is.
NOTHING = [
    "0*mse",
    "-0*mse + 0*mae",
    "1e-50*mse",
    "constant(0)*mse",
    "linear(0, 0, epochs=3)*mse",
    "step(0, 1, epochs=5)*step(1, 0, epochs=5)*mse",
    "0*linear(1e308, 1e308, epochs=3)*linear(1e308, 1e308, epochs=3)*mse",
    "0*uncertainty(mse, mae)",
    "uncertainty(0*mse, 0*mae)",
]
SOMETHING = [
    "1e-44*mse",
    "linear(-1, 1, epochs=2)*mse",
    "linear(1, 0, epochs=1)*linear(0, 1, epochs=1)*mse",  # at epoch 0.5
    "linear(1, 0, steps=1)*mse",
    "step(0, 1, epochs=1000000000)*mse",
    "0*mse + mae",
]


@pytest.mark.parametrize("text", NOTHING)
def test_what_trains_nothing_is_refused(text: str, tmp_path: Path) -> None:
    for make in (losszoo.create, lambda loss: losszoo.run(loss, "diabetes", out=tmp_path)):
        with pytest.raises(UsageError, match="at least one weight of a loss must differ from 0 at some epoch, got '"):
            make(text)


@pytest.mark.parametrize("text", SOMETHING)
def test_what_trains_something_at_any_epoch_is_made(text: str) -> None:
    assert losszoo.create(text).signature == "regression"


@pytest.mark.parametrize("text", ["step(0, 1, epochs=9)*mse", "step(0, 1, steps=900)*mse", "0*mse + 1e-4*l2"])
def test_a_run_that_ends_before_its_weight_begins_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a weight other than 0 in the run of 2 epochs \(10 steps\), got '"):
        losszoo.run(text, "diabetes", epochs=2, out=tmp_path)


@pytest.mark.parametrize(
    ("text", "idle"),
    [
        ("0*mse + mae", ["mse"]),
        ("mae + step(0, 1, epochs=9)*mse", ["mse"]),
        ("mae + step(0, 1, epochs=1)*mse", []),
        ("uncertainty(0*mse, mae)", ["mse"]),
    ],
)
def test_a_term_that_does_nothing_in_a_run_is_noted(text: str, idle: list[str], tmp_path: Path) -> None:
    told: list[str] = []
    result = losszoo.run(text, "diabetes", epochs=2, out=tmp_path, on_note=told.append)
    notes = [
        f"the weight of {label} is 0 throughout the run of 2 epochs (10 steps): it trains nothing" for label in idle
    ]
    assert told == list(result.notes) == result.to_dict().get("notes", []) == notes
    assert list(losszoo.run(resume=result.run_dir).notes) == notes


def test_the_command_line_says_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "losszoo", "run", "--loss", "0*mse + mae", "--task", "diabetes", "--epochs", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0
    assert done.stderr == "note: the weight of mse is 0 throughout the run of 1 epoch (5 steps): it trains nothing\n"


def test_an_estimator_says_it() -> None:
    rows = np.random.default_rng(0).normal(size=(40, 2))
    with pytest.warns(UserWarning, match="the weight of mse is 0 throughout the run"):
        LossRegressor("mae + step(0, 1, epochs=9)*mse", epochs=1).fit(rows, rows[:, 0])


def test_a_sum_that_is_made_in_python_says_it_once() -> None:
    x, y = torch.ones(3, requires_grad=True), torch.zeros(3)
    loss = 0 * losszoo.create("mse")
    with torch.no_grad():
        loss(x, y)  # nothing is trained here
    with pytest.warns(UserWarning, match=r"every weight of this losszoo loss, 0\*mse, is 0 at all epochs"):
        loss(x, y)
    loss(x, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (0 * losszoo.create("mse") + losszoo.create("mae"))(x, y)


class Told(nn.Module):
    """Remembers the epoch and the step."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[float] = []

    def set_epoch(self, epoch: float) -> None:
        self.told.append(epoch)

    def set_step(self, step: int) -> None:
        self.told.append(-step)

    def forward(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return (predictions - targets) ** 2


def test_every_loss_takes_the_epoch_and_the_step() -> None:
    own = Told()
    for loss in (
        *map(losszoo.create, ("mse", "nca", "uncertainty", "l2", "mse + mae")),
        losszoo.create(own, signature="regression"),
    ):
        loss.set_epoch(1)
        loss.set_step(7)
        for wrong in (-1, "soon", 10**400, float("nan")):
            with pytest.raises(UsageError, match="epoch must be a number >= 0"):
                loss.set_epoch(wrong)
    assert own.told == [1, -7]
    (losszoo.create("mae") + losszoo.create(own, signature="regression")).set_epoch(2)
    assert own.told == [1, -7, 2]
