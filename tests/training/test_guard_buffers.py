"""Buffers that a bad step has changed, registered or spoilt."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from guarded import ROWS, Guard, good, same
from restoring import everything, linear
from torch import Tensor, nn

from losszoo import NonFiniteError


class Grows(nn.Module):
    """Registers a buffer, a mask with infinities, and a submodule when it is first asked to."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = linear()

    def forward(self, x: Tensor, *, learn: bool = False) -> Tensor:
        if learn and not hasattr(self, "mean"):
            self.register_buffer("mean", torch.zeros(3))
            self.register_buffer("mask", torch.full((2,), -math.inf), persistent=False)
            self.norm = nn.BatchNorm1d(3)
        found: Tensor = self.linear(x)
        if hasattr(self, "mean"):
            self.mean.mul_(0.5).add_(found.detach().mean(0))
            found = self.norm(found)
        return found


@pytest.mark.parametrize("policy", ["raise", "skip", "rollback"])
def test_what_was_registered_later_is_put_back(policy: str) -> None:
    model = Grows()
    guard = Guard(model, torch.optim.SGD(model.parameters(), lr=0.1), policy, snapshot_every=1)
    guard.step(model(ROWS).square().mean())
    assert guard.step(model(ROWS, learn=True).square().mean()).applied  # a mask may be infinite
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    try:
        guard.step(model(ROWS * math.nan).square().mean())
    except NonFiniteError:
        assert policy == "raise"
    assert same(dict(model.named_buffers()), before)
    assert guard.step(model(ROWS).square().mean()).applied


def test_a_buffer_that_a_bad_step_has_registered_or_removed() -> None:
    model = Grows()
    model.register_buffer("table", torch.arange(3.0), persistent=False)
    guard = Guard(model, torch.optim.SGD(model.parameters(), lr=0.1), "skip")

    def bad() -> Tensor:
        model.register_buffer("spoilt", torch.full((2,), math.nan))
        model.register_buffer("fine", torch.ones(2))
        del model.table
        return model(ROWS).mean() * math.nan

    guard.step(bad())
    assert not hasattr(model, "spoilt")
    assert torch.equal(model.table, torch.arange(3.0))
    assert "table" not in model.state_dict()
    assert torch.equal(model.fine, torch.ones(2))


@pytest.mark.parametrize("policy", ["raise", "skip", "rollback"])
def test_a_running_variance_that_overflows_is_a_bad_step(policy: str) -> None:
    """Rows of 1e19 and -1e19 have a variance of 1e38 * 12/11 or so; of 1e20 it is infinite, and the loss is not."""
    model = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    guard = Guard(model, optimizer, policy)
    guard.step(model(ROWS).square().mean())
    before = everything(model, optimizer)
    loss = model(ROWS * 1e20).square().mean()
    assert math.isfinite(loss.item())
    assert model[0].running_var.isinf().all()
    try:
        report = guard.step(loss)
        assert not report.applied
    except NonFiniteError as error:
        assert policy == "raise"
        report = error.report
    assert report.event is not None
    assert report.event.where == "loss"
    said = (
        "non-finite buffer (0.running_var) in step 2: the forward pass made it non-finite, while loss and gradient are"
    )
    assert str(report.event).startswith(said)
    if policy != "rollback":
        assert same(everything(model, optimizer), before)
    assert bool(model[0].running_var.isfinite().all())
    assert set(guard.to_dict()["first"]) == {"step", "epoch", "where", "op", "source", "bundle"}


def test_the_operation_that_spoilt_a_buffer_is_named() -> None:
    model = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 1))
    guard = Guard(model, torch.optim.SGD(model.parameters(), lr=0.1), "skip")
    event = guard.step(good_at(model, 1e20), again=lambda: good_at(model, 1e20)).event
    assert event is not None
    assert event.op == "batch_norm"
    assert event.source == f"test_guard_buffers.py:{good_at.__code__.co_firstlineno + 1}"


def good_at(model: nn.Module, scale: float) -> Tensor:
    return model(ROWS * scale).square().mean()


def test_a_buffer_that_is_infinite_from_the_start_is_none_of_the_guards_business() -> None:
    model = linear()
    model.register_buffer("mask", torch.tensor([0.0, -math.inf]))
    guard = Guard(model, torch.optim.SGD(model.parameters(), lr=0.1), snapshot_every=1)
    for _ in range(3):
        assert guard.step(good(model)).applied


def test_a_repeated_step_leaves_no_source_of_chance_moved() -> None:
    import random

    model = linear()
    guard = Guard(model, torch.optim.SGD(model.parameters(), lr=0.1), "skip")

    def drawn() -> Tensor:
        return good(model) * math.nan * random.random() * np.random.rand() * torch.rand(())

    loss = drawn()
    states = random.getstate(), np.random.get_state(legacy=False), torch.get_rng_state()
    guard.step(loss, again=drawn)
    assert random.getstate() == states[0]
    assert np.array_equal(np.random.get_state(legacy=False)["state"]["key"], states[1]["state"]["key"])  # type: ignore[call-overload]
    assert np.random.get_state(legacy=False)["state"]["pos"] == states[1]["state"]["pos"]  # type: ignore[call-overload]
    assert torch.equal(torch.get_rng_state(), states[2])
