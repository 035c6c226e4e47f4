"""Said before a run: a network that squashes what a loss takes for logits, and a loss that is made larger."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import losszoo


class Ends(nn.Module):
    """A linear layer, and what stands behind it."""

    def __init__(self, end: nn.Module, out: int) -> None:
        super().__init__()
        self.body, self.end = nn.Linear(30, out), end

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.end(self.body(x))
        return out


@pytest.mark.parametrize(
    ("loss", "end", "out", "said"),
    [
        ("focal", nn.Sigmoid(), 1, True),
        ("cross-entropy", nn.Softmax(1), 2, True),
        ("focal", nn.Identity(), 1, False),
        ("cross-entropy", nn.Identity(), 2, False),
        ("focal", nn.Tanh(), 1, False),
        ("focal", nn.Sigmoid(), 8, False),  # a head is put on top
        ("modern-nca", nn.Sigmoid(), 8, False),
    ],
)
def test_a_squashed_logit_is_said(loss: str, end: nn.Module, out: int, said: bool, tmp_path: Path) -> None:
    notes: list[str] = []
    model = Ends(end, out)
    losszoo.run(loss, "breast-cancer", model=model, epochs=1, out=tmp_path, on_note=notes.append)
    found = [note for note in notes if "gives numbers from 0 to 1" in note]
    assert len(found) == said
    assert all(f"Ends gives numbers from 0 to 1, as after sigmoid or softmax, and {loss} takes" in x for x in found)


def test_a_loss_that_is_made_larger_is_said(tmp_path: Path) -> None:
    for loss, labels in {
        "-1*focal": ["focal"],
        "bce - 0.1*focal": ["focal"],
        "bce - 0.1*l2": [],
        "bce + 0.1*focal": [],
    }.items():
        notes = losszoo.run(loss, "breast-cancer", epochs=1, out=tmp_path).notes
        said = [note for note in notes if note.startswith("the weight of") and "is negative" in note]
        assert [note.split()[3] for note in said] == labels, notes


def test_a_loss_is_divided() -> None:
    outputs, targets = torch.tensor([1.0, 2.0]), torch.tensor([0.0, 0.0])
    half = losszoo.create("mse") / 2
    assert half(outputs, targets).item() == 1.25  # (1 + 4) / 2 / 2
    assert str(half) == str(0.5 * losszoo.create("mse"))
    with pytest.raises(TypeError):
        losszoo.create("mse") / losszoo.create("mae")
    with pytest.raises(TypeError):
        1 / losszoo.create("mse")
    with pytest.raises(losszoo.UsageError, match="must be finite, got a division by 0"):
        losszoo.create("mse") / 0
