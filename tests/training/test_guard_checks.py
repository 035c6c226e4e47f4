"""What a guard refuses, and bad steps that leave no trace."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from guarded import ROWS, Guard, good
from guarding import make
from torch import nn

import losszoo
from losszoo import MemoryBank, NonFiniteError, UsageError


@pytest.mark.parametrize(
    ("loss", "match"),
    [
        (lambda model: model(ROWS), r"must be one number in a tensor, got shape \(6, 3\); take its mean"),
        (lambda model: 0.5, "got a float; pass what the loss returned, without .item"),
        (lambda model: good(model).detach(), "must have a graph, got requires_grad=False; it was detached"),
        (lambda model: model(ROWS).argmax(1).float().mean(), "must have a graph"),
    ],
)
def test_what_cannot_be_stepped_on(loss: Callable[[nn.Module], Any], match: str) -> None:
    model, optimizer = make()
    guard = Guard(model, optimizer)
    with pytest.raises(UsageError, match=match):
        guard.step(loss(model))
    assert guard.counts.steps == 0


def test_one_number_may_have_a_shape() -> None:
    model, optimizer = make()
    assert Guard(model, optimizer).step(good(model).view(1, 1)).applied


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"policy": "ignore"}, "policy must be one of raise, skip, rollback, got 'ignore'"),
        ({"snapshot_every": 0}, "snapshot_every must be >= 1, got 0"),
        ({"clip_norm": 0.0}, "clip_norm must be a number > 0"),
    ],
)
def test_options_are_checked(options: dict[str, Any], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        Guard(*make(), **options)


def test_a_bad_step_leaves_no_trace_in_running_statistics() -> None:
    model = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 1))
    guard = Guard(model, torch.optim.SGD(model.parameters(), lr=0.1), policy="skip")
    guard.step(model(torch.randn(8, 2)).square().mean())
    kept = [buffer.clone() for buffer in model.buffers()]
    guard.step(model(torch.randn(8, 2) * 1e10).square().mean() * torch.nan)
    assert all(torch.equal(buffer, old) for buffer, old in zip(model.buffers(), kept, strict=True))


def test_sparse_gradients_are_measured_and_clipped() -> None:
    torch.manual_seed(0)
    sparse, dense = nn.Embedding(5, 3, sparse=True), nn.Embedding(5, 3)
    dense.load_state_dict(sparse.state_dict())
    rows, reports = torch.tensor([1, 1, 4]), []
    for table in (sparse, dense):
        guard = Guard(table, torch.optim.SGD(table.parameters(), lr=0.1), clip_norm=0.5, clip_value=0.2)
        reports.append(guard.step(table(rows).pow(2).sum()))
    assert reports[0].norm == pytest.approx(reports[1].norm)
    torch.testing.assert_close(sparse.weight, dense.weight)


def test_an_optimizer_of_another_model() -> None:
    model, other = nn.Linear(1, 1), nn.Linear(1, 1)
    guard = Guard(model, torch.optim.SGD(other.parameters(), lr=0.1))
    with pytest.raises(UsageError, match="the loss must reach a parameter of the optimizer"):
        guard.step(model(torch.ones(1, 1)).sum())


@pytest.mark.parametrize("policy", ["skip", "rollback"])
@pytest.mark.parametrize("good_before", [0, 1])
def test_a_memory_bank_forgets_a_bad_step(policy: str, good_before: int) -> None:
    """Its buffers grow with the first batch, and how many rows it holds stands in its extra state."""
    bank = MemoryBank("sup-con(temperature=0.5)", size=64)
    model = nn.Linear(3, 2)
    guard = Guard([model, bank], torch.optim.SGD(model.parameters(), lr=0.1), policy, bundles=None, snapshot_every=1)
    rows, labels = torch.randn(8, 3), torch.arange(8) % 2
    for _ in range(good_before):
        guard.step(bank(model(rows), labels))
    filled, state = bank.filled, {name: buffer.clone() for name, buffer in bank.named_buffers()}
    report = guard.step(bank(model(rows), labels) * math.nan)
    assert not report.applied
    # A rollback goes back to before the step, at which the last snapshot was taken.
    assert bank.filled == (filled if policy == "skip" else 8 * good_before)
    for name, buffer in bank.named_buffers():
        assert torch.equal(buffer, state[name])
    assert guard.step(bank(model(rows), labels)).applied


def test_the_error_holds_the_report() -> None:
    model, optimizer = make()
    guard = Guard(model, optimizer, bundles=None)
    with pytest.raises(NonFiniteError) as raised:
        guard.step(good(model) * math.nan)
    assert not raised.value.report.applied
    assert raised.value.report.event.where == "loss"


@pytest.mark.parametrize("options", [{"clip_norm": "a"}, {"clip_value": True}, {"clip": 5}])
def test_a_bound_of_another_type(options: dict[str, Any]) -> None:
    model, optimizer = make()
    with pytest.raises(UsageError, match=r"clip.* must be .*, got "):
        Guard(model, optimizer, **options)


def test_apply_without_backward() -> None:
    model, optimizer = make()
    with pytest.raises(UsageError, match="or backward not called before apply"):
        Guard(model, optimizer, bundles=None).apply(1.0)
    with pytest.raises(UsageError, match="the loss of a step must be one number in a tensor, got a float"):
        Guard(model, optimizer, bundles=None).backward(1.0)


def test_what_is_no_model_is_refused() -> None:
    model = nn.Linear(1, 1)
    optimizer = torch.optim.AdamW(model.parameters())
    for wrong, kind in ((optimizer, "AdamW"), ([model, optimizer], "Linear, AdamW"), (None, "NoneType")):
        with pytest.raises(UsageError, match=rf"model must be a torch.nn.Module or a list of them, got {kind}:"):
            losszoo.Guard(wrong, optimizer)  # type: ignore[arg-type]
