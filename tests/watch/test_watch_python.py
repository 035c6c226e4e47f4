"""``losszoo.watch`` in a process of one's own: a notebook, a script."""

from __future__ import annotations

import copy
import pickle
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import losszoo

optimizer_module = sys.modules[torch.optim.Optimizer.__module__]


def train(steps: int, scale: float = 1.0) -> list[torch.Tensor]:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.2), nn.Linear(4, 2))
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    for _ in range(steps):
        loss = nn.functional.cross_entropy(net(torch.randn(8, 3) * scale), torch.randint(0, 2, (8,)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return [parameter.detach() for parameter in net.parameters()]


def backward_of(x: torch.Tensor) -> None:
    loss = torch.log(x).sum()
    loss.backward()


def test_a_watched_training_is_the_same_to_the_bit() -> None:
    with losszoo.watch(tell=lambda text: None) as watch:
        there = train(30)
    assert all(torch.equal(a, b) for a, b in zip(train(30), there, strict=True))
    assert watch.faults == []


def test_everything_of_torch_is_put_back() -> None:
    seams = lambda: (  # noqa: E731
        torch.Tensor.backward,
        torch.autograd.backward,
        torch.autograd.grad,
        torch.optim.Optimizer.zero_grad,
        nn.Module.zero_grad,
        nn.functional.cross_entropy,
        torch.amp.GradScaler.update,
        torch.compile,
        torch.jit.script,
        len(torch.overrides._get_current_function_mode_stack()),
        len(optimizer_module._global_optimizer_pre_hooks),
        len(nn.modules.module._global_forward_pre_hooks),
    )
    before = seams()
    watch = losszoo.watch(tell=lambda text: None)
    train(2)
    assert seams() != before
    watch.stop()
    watch.stop()
    assert seams() == before


def test_a_non_finite_loss_is_explained_and_raised(tmp_path: Path) -> None:
    said: list[str] = []
    with (
        pytest.raises(losszoo.NonFiniteError, match=r"inf-loss at test_watch_python\.py"),
        losszoo.watch(tell=said.append, out=tmp_path),
    ):
        backward_of(torch.zeros(4, requires_grad=True))
    assert "log at test_watch_python.py" in said[0]
    assert "the logarithm of 0" in said[0]
    assert max(len(line) for line in said[0].splitlines()[:6]) <= 100


def test_functions_of_torch_can_be_pickled_and_copied_while_it_is_on() -> None:
    with losszoo.watch(tell=lambda text: None):
        criterion = nn.CrossEntropyLoss()
        assert copy.deepcopy(criterion)(torch.zeros(1, 2), torch.zeros(1, dtype=torch.long)) > 0
        name = pickle.dumps(nn.functional.mse_loss)
    assert pickle.loads(name) is nn.functional.mse_loss


@pytest.mark.parametrize("wrong", ["stop", "", None])
def test_what_to_do_must_be_known(wrong: str) -> None:
    with pytest.raises(losszoo.UsageError, match="on_nonfinite must be one of"):
        losszoo.watch(on_nonfinite=wrong)


def test_one_watch_at_a_time() -> None:
    with losszoo.watch(tell=lambda text: None), pytest.raises(losszoo.UsageError, match="on already"):
        losszoo.watch()


def test_the_gradient_of_a_large_finite_loss_is_no_fault() -> None:
    with losszoo.watch(tell=lambda text: None) as watch:
        train(3, 1e18)
    assert watch.faults == []


def test_masks_of_infinity_and_a_second_backward_are_no_fault() -> None:
    with losszoo.watch(tell=lambda text: None) as watch:
        attention = nn.MultiheadAttention(8, 2, batch_first=True)
        optimizer = torch.optim.SGD(attention.parameters(), 0.1)
        mask = torch.full((4, 4), -float("inf")).triu(1)
        for _ in range(4):
            x = torch.randn(2, 4, 8)
            out, _ = attention(x, x, x, attn_mask=mask)
            optimizer.zero_grad()
            out.pow(2).mean().backward()
            optimizer.step()
    assert watch.faults == []
