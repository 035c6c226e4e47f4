"""Forward passes in bfloat16 and float16: what is computed in what, and what the scaled loss does with the guard."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import nn

import losszoo
from losszoo import Guard, UsageError
from losszoo.training.data.batch_inputs import Step
from losszoo.training.make_plan import make_plan
from losszoo.training.run_options import Options


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize(
    ("loss", "task"), [("cross-entropy", "digits"), ("nca-stable", "abalone"), ("mse", "diabetes")]
)
def test_it_learns_as_in_float32(precision: str, loss: str, task: str, tmp_path: Path) -> None:
    half, single = (losszoo.run(loss, task, epochs=3, out=tmp_path, precision=name) for name in (precision, "fp32"))
    metric = "rmse" if task == "diabetes" else "accuracy"
    assert half.guard["nonfinite"] == 0
    assert half.metrics["val"][metric] == pytest.approx(single.metrics["val"][metric], rel=0.1)


def test_what_is_computed_in_what(tmp_path: Path) -> None:
    plan = make_plan("cross-entropy", "digits", Options(precision="bf16", out=tmp_path))
    inside: list[torch.dtype] = []
    plan.model.trunk.register_forward_hook(lambda module, inputs, output: inside.append(output.dtype))
    step = Step(plan.model, plan.task, plan.data, torch.arange(4), 0.5, plan.randomness.generator, plan.forward)
    assert step.outputs["multiclass"].dtype == torch.float32
    assert inside == [torch.bfloat16]
    assert all(parameter.dtype == torch.float32 for parameter in plan.model.parameters())


def scaled(scale: float = 2.0**100) -> tuple[nn.Linear, Guard, torch.amp.GradScaler]:
    model = nn.Linear(1, 1, bias=False)
    scaler = torch.amp.GradScaler("cpu", init_scale=scale, growth_interval=10**6)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    return model, Guard(model, optimizer, policy="skip", bundles=None, scaler=scaler), scaler


def test_an_overflow_of_the_scale_is_no_bad_step() -> None:
    """A gradient of 1e10 times 2^100 is beyond float32: the scale halves until it fits, and nothing else is said."""
    model, guard, scaler = scaled()
    before = model.weight.detach().clone()
    reports = [guard.step(1e10 * model.weight.sum()) for _ in range(7)]
    assert [report.applied for report in reports] == [False] * 6 + [True]
    assert (guard.counts.overflows, guard.counts.nonfinite, guard.counts.skipped) == (6, 0, 0)
    assert all(report.event is None for report in reports)
    assert scaler.get_scale() == 2.0**94
    torch.testing.assert_close(model.weight, before - 1e10)
    assert guard.to_dict()["overflows"] == 6


def test_a_loss_that_is_not_finite_leaves_the_scale() -> None:
    model, guard, scaler = scaled()
    report = guard.step(model.weight.sum() * math.nan)
    assert report.event is not None
    assert report.event.where == "loss"
    assert scaler.get_scale() == 2.0**100


def test_a_gradient_that_no_scale_makes_finite_is_a_bad_step() -> None:
    """The slope of a root at 0 is infinite at any scale."""
    model, guard, _ = scaled(2.0)
    with torch.no_grad():
        model.weight.zero_()
    reports = [guard.step(model.weight.sum().sqrt()) for _ in range(2)]
    assert [report.event and report.event.where for report in reports] == [None, "gradient"]
    assert guard.counts.nonfinite == 1


def test_the_norm_that_is_clipped_has_no_scale() -> None:
    model = nn.Linear(1, 1, bias=False)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    guard = Guard(model, optimizer, clip_norm=2.0, bundles=None, scaler=scaler)
    before = model.weight.item()
    report = guard.step(3.0 * model.weight.sum())
    assert (report.norm, report.clipped) == (3.0, True)
    assert before - model.weight.item() == pytest.approx(2.0)


def test_an_unknown_precision(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="precision must be one of fp32, bf16, fp16, got 'fp8'"):
        losszoo.run("bce", "digits", precision="fp8", out=tmp_path)


@pytest.mark.sweep
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")  # of torch's compiler itself
def test_a_compiled_model_learns_the_same(tmp_path: Path) -> None:
    plain, compiled = (
        losszoo.run("cross-entropy", "abalone", epochs=2, out=tmp_path, compile=on) for on in (False, True)
    )
    assert compiled.metrics["val"]["accuracy"] == pytest.approx(plain.metrics["val"]["accuracy"], abs=0.02)
