"""Bundles of a guard alone, replayed by a step of its own; and what is widened."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from replaying import chance
from torch import Tensor, nn

from losszoo import Guard, UsageError
from losszoo.common.files import save_atomically
from losszoo.crash_replay.replay import replay
from losszoo.training.guard import crash_bundle as bundles


def half_model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(2, 3).half()


def squares(model: nn.Module, rows: Tensor) -> Tensor:
    return (model(rows.half()) * 1e3).square().mean()


@pytest.fixture
def half_bundle(tmp_path: Path) -> str:
    """Squares of some hundreds in float16, whose largest number is 65504."""
    model = half_model()
    guard = Guard(model, torch.optim.SGD(model.parameters(), lr=0.1), "skip", bundles=tmp_path)
    rows = torch.ones(4, 2)
    event = guard.step(squares(model, rows), batch=(rows,), again=lambda: squares(model, rows)).event
    assert event is not None
    assert (event.op, event.source) == ("square", f"test_replay_own_steps.py:{squares.__code__.co_firstlineno + 1}")
    return str(event.bundle)


def make_step(bundle: dict[str, Any]) -> Callable[[], Tensor]:
    model = half_model()
    model.load_state_dict(bundle["model"])
    return lambda: squares(model, bundle["batch"][0])


def test_a_half_precision_overflow(half_bundle: str) -> None:
    found = replay(half_bundle, step=make_step)
    assert (found.reproduced, found.where, found.op) == (True, "loss", "square")
    assert found.source == f"test_replay_own_steps.py:{squares.__code__.co_firstlineno + 1}"
    assert (found.kind, found.term, found.findings) == ("half-precision-overflow", None, ())
    assert any("the step called no losszoo.Loss" in note for note in found.notes)
    assert found.to_dict()["event"]["loss"] is None  # infinite, which JSON cannot say


def test_autocast_is_widened_too(tmp_path: Path) -> None:
    def loss_of(bundle: dict[str, Any]) -> Callable[[], Tensor]:
        model = nn.Linear(2, 3, bias=False)
        model.load_state_dict(bundle["model"])

        def step() -> Tensor:
            with torch.autocast("cpu", dtype=torch.float16):
                return model(bundle["batch"]).float().mean()

        return step

    weight = {"weight": torch.full((3, 2), 300.0)}
    content = {"event": {"step": 1, "where": "loss"}, "batch": torch.full((1, 2), 300.0), "model": weight}
    save_atomically(tmp_path / "b.pt", bundles.pack("guard", {**content, "random": chance(), "config": None}))
    found = replay(tmp_path / "b.pt", step=loss_of)
    assert (found.reproduced, found.op, found.kind) == (True, "linear", "half-precision-overflow")


def test_a_guard_alone_needs_its_step(half_bundle: str) -> None:
    with pytest.raises(
        UsageError, match=r"--step file.py:make_step\)\. The bundle holds .*\(4, 2\) torch.float32"
    ) as info:
        replay(half_bundle)
    assert "bundle['model']: state of 2 entries; bundle['event']: non-finite loss in step 1" in str(info.value)


@pytest.mark.parametrize(
    ("step", "match"),
    [
        (lambda bundle: 3, "make_step must return a function without arguments, got an int"),
        (lambda bundle: lambda: 3.0, "must give one number in a tensor with a graph, got a float"),
        (lambda bundle: lambda: torch.ones(2), r"one number in a tensor with a graph, got shape \(2,\)"),
        (lambda bundle: bundle["nothing"], "cannot be repeated: KeyError: 'nothing'"),
        (lambda: None, "cannot be repeated: TypeError"),
    ],
)
def test_steps_that_are_none(half_bundle: str, step: Any, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        replay(half_bundle, step=step)


def test_each_repetition_starts_anew(half_bundle: str) -> None:
    """What a step does to the bundle, or to the random state, does not reach the next."""
    seen: list[tuple[float, float]] = []

    def spoiling(bundle: dict[str, Any]) -> Callable[[], Tensor]:
        step = make_step(bundle)
        seen.append((bundle["batch"][0].sum().item(), 0.0))

        def spoilt() -> Tensor:
            seen[-1] = (seen[-1][0], torch.rand(()).item())
            loss = step()
            bundle["batch"][0].zero_()
            return loss

        return spoilt

    assert replay(half_bundle, step=spoiling).kind == "half-precision-overflow"
    assert len(seen) == 4  # as it was, under the trace, beside it in float64, in float32
    assert len(set(seen)) == 1


def test_an_input_that_is_not_finite(tmp_path: Path) -> None:
    model = nn.Linear(2, 1)
    guard = Guard(model, torch.optim.SGD(model.parameters(), lr=0.1), "skip", bundles=tmp_path)
    rows = torch.full((1, 2), math.nan)
    event = guard.step(model(rows).sum(), batch=rows).event
    assert event is not None

    def step(bundle: dict[str, Any]) -> Callable[[], Tensor]:
        fresh = nn.Linear(2, 1)
        fresh.load_state_dict(bundle["model"])
        return lambda: fresh(bundle["batch"]).sum()

    found = replay(str(event.bundle), step=step)
    assert (found.reproduced, found.where, found.kind) == (True, "input", "input")
