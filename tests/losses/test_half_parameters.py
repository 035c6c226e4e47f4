"""A loss that learns, in half precision: computed in float32, with gradients in the dtype of its parameters."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import losszoo
from losszoo import MemoryBank
from losszoo.losses.signatures.example_inputs import example_inputs


class Head(nn.Module):
    """A layer, running statistics, and two counters: one counted up in place, one replaced."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.norm = nn.Linear(4, 3), nn.BatchNorm1d(3)
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("rows", torch.zeros(()))

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        self.calls += 1
        self.rows = self.rows + len(labels)
        return nn.functional.cross_entropy(self.norm(self.layer(embeddings)), labels, reduction="none")


MAKERS: dict[str, Callable[[], Any]] = {
    "a module of one's own": lambda: losszoo.create(Head),
    "linear-cross-entropy": lambda: losszoo.create("linear-cross-entropy", classes=3, dim=4),
    "uncertainty": lambda: losszoo.create("uncertainty(sup-con, 0.5*nca)"),
    "a sum": lambda: losszoo.create("linear-cross-entropy(classes=3, dim=4) + sup-con"),
    "a bank": lambda: MemoryBank("linear-cross-entropy(classes=3, dim=4)", size=8),
    "a bank of one's own": lambda: MemoryBank(Head, size=8),
    "a bank without parameters": lambda: MemoryBank("sup-con", size=8),
}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", MAKERS)
def test_it_is_the_loss_of_the_same_numbers_in_float32(name: str, dtype: torch.dtype) -> None:
    narrow = MAKERS[name]().to(dtype)
    wide = copy.deepcopy(narrow).float()
    inputs = example_inputs("embedding", dtype=dtype)
    for _ in range(2):  # a bank has rows to look at the second time
        value, expected = narrow(*inputs), wide(inputs[0].float(), inputs[1])
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, expected)
    if not list(narrow.parameters()):
        return
    value.backward()
    expected.backward()
    for one, other in zip(narrow.parameters(), wide.parameters(), strict=True):
        assert one.dtype == dtype
        torch.testing.assert_close(one.grad, other.grad.to(dtype))


def test_buffers_count_on_in_half_precision() -> None:
    loss = losszoo.create(Head).bfloat16()
    buffers = dict(loss.named_buffers())
    for _ in range(3):
        loss(*example_inputs("embedding"))
    assert (loss.function.calls, loss.function.rows) == (3, 18)
    assert loss.function.norm.running_mean.abs().sum() > 0
    assert all(x is buffers[name] and x.dtype == buffers[name].dtype for name, x in loss.named_buffers())


def test_a_model_that_holds_its_loss_is_halved_with_it() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.trunk, self.loss = nn.Linear(4, 4), losszoo.create("linear-cross-entropy", classes=3, dim=4)

        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return self.loss(self.trunk(x), y)

    model = Model().half()
    model(*example_inputs("embedding", dtype=torch.float16)).backward()
    assert all(p.grad is not None and p.grad.dtype == torch.float16 for p in model.parameters())


def test_a_compiled_one() -> None:
    torch._dynamo.reset()
    loss = losszoo.create(Head).bfloat16()
    inputs = example_inputs("embedding", dtype=torch.bfloat16)
    compiled = torch.compile(copy.deepcopy(loss), backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(*inputs), loss(*inputs))
