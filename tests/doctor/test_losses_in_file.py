"""A target that names no loss of its file is answered with those that are there, and what to type next."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from examining import FEW, examine
from torch import Tensor

import losszoo
from losszoo.errors import UsageError

_TEXT = """
import torch
from torch import nn
from torch.nn import MSELoss

RATE = 0.1

def make_inputs():
    return torch.zeros(2), torch.ones(2)

def one_sided(predictions, targets):
    return (predictions - targets).relu().mean()

def _helper(x):
    return x

class Margin(nn.Module):
    def forward(self, a, b):
        return (a - b).abs().mean()

ready = nn.L1Loss()
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "mine.py"
    path.write_text(_TEXT)
    return str(path)


def test_a_file_alone_is_answered_with_its_losses(file: str) -> None:
    said = f"{file} must be followed by the name of a loss: it has one_sided, Margin, ready; next: losszoo doctor "
    with pytest.raises(UsageError, match=re.escape(said + f"{file}:one_sided")):
        losszoo.examine(file)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nosuch", "it has one_sided, Margin, ready; next: losszoo doctor {}:one_sided"),
        ("Margn", "did you mean Margin? it has one_sided, Margin, ready; next: losszoo doctor {}:Margin"),
        ("nosuch(margin=1)", "it has one_sided, Margin, ready"),
    ],
)
def test_an_unknown_name_is_answered_with_those_that_are_there(file: str, name: str, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said.format(file))):
        losszoo.examine(f"{file}:{name}")


def test_a_file_without_losses_says_so(tmp_path: Path) -> None:
    path = tmp_path / "empty.py"
    path.write_text("NUMBER = 1\n")
    with pytest.raises(UsageError, match="it holds no loss"):
        losszoo.examine(f"{path}:loss")
    with pytest.raises(UsageError, match="holds no function with an argument"):
        losszoo.examine(str(path))


def test_what_is_next_can_be_typed(file: str) -> None:
    with pytest.raises(UsageError) as caught:
        losszoo.examine(file)
    assert losszoo.examine(str(caught.value).rpartition("losszoo doctor ")[2], effort=FEW).probes > 1


def test_a_strip_names_the_arguments_that_are_scaled_together() -> None:
    def loss(first: Tensor, second: Tensor) -> Tensor:
        return (first * second).mean()

    x = torch.randn(6, generator=torch.Generator().manual_seed(0))
    assert {strip.what for strip in examine(loss, x, x.flip(0), effort=4000).strips} == {"|first, second|"}
