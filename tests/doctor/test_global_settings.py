"""Losses that change settings for the whole program, or never come back."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from examining import LONG
from torch import Tensor

import losszoo
from losszoo.doctor.in_child import Examiner


def widening(predictions: Tensor, targets: Tensor) -> Tensor:
    torch.set_default_dtype(torch.float64)
    torch.use_deterministic_algorithms(True)
    return (predictions - targets).square().mean()


def without_gradient(predictions: Tensor, targets: Tensor) -> Tensor:
    torch.set_grad_enabled(False)
    return (predictions - targets).square().mean()


def mse(predictions: Tensor, targets: Tensor) -> Tensor:
    with torch.no_grad():
        scale = targets.abs().mean() + 1
    return (predictions - targets).square().mean() / scale


def examined(loss: object) -> losszoo.Examination:
    return losszoo.examine(
        loss,  # type: ignore[arg-type]
        example=lambda: (torch.randn(4), torch.randn(4)),
        effort=200,
        budget=LONG,
    )


def test_settings_are_put_back_and_told() -> None:
    found = examined(widening)
    assert (torch.get_default_dtype(), torch.are_deterministic_algorithms_enabled()) == (torch.float32, False)
    assert any("changes the default dtype, deterministic algorithms for the whole" in note for note in found.notes)
    assert not found.findings


def test_a_loss_that_switches_gradients_off_trains_nothing() -> None:
    assert {finding.symptom for finding in examined(without_gradient).findings} == {"no-gradient"}
    assert torch.is_grad_enabled()


def test_a_block_without_gradient_changes_nothing() -> None:
    found = examined(mse)
    assert not found.findings
    assert not any("for the whole program" in note for note in found.notes)


SLEEPS = """
import time
import torch

def loss(predictions, targets):
    {when}time.sleep(600)
    return (predictions - targets).square().mean()
"""


@pytest.mark.parametrize("when", ["", "if float(predictions.detach().abs().max()) > 50: "])
def test_the_line_where_a_call_does_not_return_is_told(tmp_path: Path, when: str) -> None:
    path = tmp_path / "sleeps.py"
    path.write_text(SLEEPS.format(when=when))
    with Examiner() as examiner:
        found = examiner.examine(f"{path}:loss", {"budget": 8.0})
    assert found.verdict == "undecided"
    assert "sleeps.py:6: " in found.notes[0]
