"""What an examination leaves as it was, where it ends early, and what it refuses."""

from __future__ import annotations

import random
import sys
import threading
import time
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from examining import FEW, examine, mse
from sick_losses import (
    normal,
    root_of_squares,
    uniform,
)
from torch import Tensor, nn

import losszoo
from losszoo.doctor.report.wording import effort, outcome
from losszoo.errors import UsageError


def state() -> tuple[Any, ...]:
    """What belongs to the caller."""
    return (
        torch.get_rng_state().tolist(),
        random.getstate(),
        np.random.get_state()[1].tolist(),  # type: ignore[index,union-attr]
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        list(warnings.filters),
        warnings.showwarning,
    )


def test_nothing_of_the_callers_is_touched() -> None:
    before = state()
    examine(lambda x: (torch.rand(3) + x.log()).mean() + random.random() * np.random.rand(), uniform(3), effort=FEW)
    assert state() == before


def test_nothing_is_touched_after_an_error_either() -> None:
    def only_float32(x: Tensor) -> Tensor:
        if x.dtype == torch.float64:
            raise TypeError("float32 only")
        return x.log().mean()

    def never(x: Tensor) -> Tensor:
        raise ValueError("no")

    before = state()
    assert examine(only_float32, uniform(6), effort=FEW).verdict == "sick"
    with pytest.raises(UsageError, match="no"):
        examine(never, uniform(6))
    with torch.no_grad():
        assert examine(lambda x: x.log().mean(), uniform(3), effort=FEW).verdict == "sick"
    assert state() == before


def test_gradients_are_looked_at_where_the_caller_has_switched_them_off() -> None:
    with torch.no_grad():
        assert examine(root_of_squares, normal(4), normal(4, seed=1), effort=FEW).verdict == "sick"


def test_a_loss_that_warns_stays_silent() -> None:
    def warns(x: Tensor) -> Tensor:
        warnings.warn("beware", UserWarning, stacklevel=1)
        return x.std(0).mean()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert examine(warns, normal(6, 3), effort=FEW).verdict == "sick"


def test_what_is_broken_off_is_undecided_and_never_healthy() -> None:
    def slow(x: Tensor, target: Tensor) -> Tensor:
        time.sleep(0.2)
        return (x - target).square().mean()

    found = examine(slow, normal(6), normal(6, seed=1), budget=1.0)
    assert (found.verdict, found.complete, outcome(found)) == ("undecided", False, "undecided")
    assert found.notes[0] == "stopped after 1 s, the time limit (--budget)"
    assert "; others were not tried" in effort(found)


def test_what_was_found_before_the_end_is_told() -> None:
    def slow(x: Tensor) -> Tensor:
        time.sleep(0.2)
        return x.detach().log().mean()

    found = examine(slow, uniform(6), budget=1.6)
    assert found.verdict == "sick"
    assert outcome(found).endswith("so far")
    assert "detached" in found.findings[0].cause


def test_effort_that_does_not_suffice_leaves_it_undecided() -> None:
    found = examine(mse, normal(6), normal(6, seed=1), effort=30)
    assert (found.verdict, found.complete) == ("undecided", False)
    assert found.notes[0] == "the effort ended before every input was tried; --effort gives more"


def test_a_sample_of_pairs_may_be_as_small_as_the_effort() -> None:
    found = examine(mse, normal(6), normal(6, seed=1), effort=1000)
    assert (found.verdict, found.complete) == ("healthy", True)
    assert found.probes < examine(mse, normal(6), normal(6, seed=1)).probes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtypes": ("float31",)}, r"dtypes must be of float32, .*, got 'float31'; did you mean float32"),
        ({"dtypes": (torch.int64,)}, r"got torch.int64"),
        ({"budget": 0}, r"budget must be a number of seconds > 0, got 0"),
        ({"budget": float("nan")}, r"got nan"),
        ({"effort": 0}, r"effort must be a number of evaluations >= 1, got 0"),
    ],
)
def test_options_that_are_not_acceptable(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        examine(mse, normal(3), normal(3), **options)


def test_a_loss_that_exits_is_answered() -> None:
    def leaves(x: Tensor) -> Tensor:
        if bool((x.abs() > 50).any()):
            raise SystemExit(0)
        return x.square().mean()

    (finding,) = examine(leaves, normal(6), effort=FEW).findings
    assert finding.symptom == "raises"
    assert "it calls sys.exit(0)" in finding.cause


def test_what_a_module_remembers_of_one_input_does_not_reach_the_next() -> None:
    class Running(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", torch.zeros(()))

        def forward(self, x: Tensor) -> Tensor:
            self.mean += x.detach().mean()
            return (x - self.mean).square().mean()

    module = Running()
    assert examine(module, normal(6), effort=FEW).findings == ()
    assert module.mean.item() == 0


def test_what_a_loss_prints_buries_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """A line for every one of a thousand inputs, on either stream."""

    def chatty(predictions: Tensor, targets: Tensor) -> Tensor:
        print("the gap is", predictions - targets)
        print("the gap is", predictions - targets, file=sys.stderr)
        return ((predictions - targets) ** 2).mean()

    assert losszoo.examine(chatty, signature="regression").probes > 10
    assert capfd.readouterr() == ("", "")


def test_an_examination_that_is_broken_off_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    found = losszoo.examine(lambda x: x.square().mean(), example=lambda: (normal(8),), budget=1e-9)
    assert found.verdict == "undecided"
    assert set(threading.enumerate()) == before
