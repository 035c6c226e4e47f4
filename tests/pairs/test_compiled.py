"""Row functions through the real compiler, which takes seconds."""

from __future__ import annotations

import shutil

import pytest
import torch
from torch import Tensor
from torch._dynamo.utils import counters

import losszoo
from losszoo import Streaming


# torch's compiler, as it is loaded, uses what torch itself calls deprecated.
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")
@pytest.mark.sweep
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on the CPU")
def test_a_compiled_row_function_gives_the_same() -> None:
    @losszoo.pairwise(needs=("positive", "negative"))
    def odds(logits: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        far, near = (torch.where(mask, logits, -torch.inf).logsumexp(1) for mask in (negative, positive))
        return far - near

    rows, labels = (
        torch.randn(600, 8, generator=torch.Generator().manual_seed(0)).requires_grad_(),
        torch.arange(600) % 5,
    )
    before, found = counters["stats"]["unique_graphs"], []
    for way in (Streaming(), Streaming(compile=True)):
        value = losszoo.create(odds, streaming=way)(rows, labels)
        found.append((value, *torch.autograd.grad(value, rows)))
    torch.testing.assert_close(found[1], found[0])
    assert counters["stats"]["unique_graphs"] > before
