"""The guard by itself, in a training loop written by hand."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from guarded import ROWS, Guard, good, same
from guarding import make, state
from torch import Tensor, nn

from losszoo import Budget, NonFiniteError
from losszoo.training.guard.events import BudgetError, Event


class Poison(torch.autograd.Function):
    """The number itself, with a gradient of one's choice."""

    @staticmethod
    def forward(ctx: Any, number: Tensor, gradient: float) -> Tensor:
        ctx.gradient = gradient
        return number.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return torch.full_like(grad, ctx.gradient), None


BAD: dict[str, Callable[[nn.Module], Tensor]] = {
    "nan loss": lambda model: good(model) * math.nan,
    "inf loss": lambda model: good(model) * math.inf,
    "nan gradient": lambda model: Poison.apply(good(model), math.nan),
    "inf gradient": lambda model: Poison.apply(good(model), math.inf),
}


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
def test_good_steps_are_those_of_a_loop_by_hand(kind: str) -> None:
    (model, optimizer), (other, by_hand) = make(kind), make(kind)
    guard = Guard(model, optimizer)
    for step in range(1, 6):
        report = guard.step(good(model))
        loss = good(other)
        loss.backward()
        norm = math.sqrt(sum(p.grad.square().sum().item() for p in other.parameters() if p.grad is not None))
        by_hand.step()
        by_hand.zero_grad()
        assert (report.loss, report.applied, report.clipped, report.event) == (loss.item(), True, False, None)
        assert report.norm == pytest.approx(norm, rel=1e-6)
        assert guard.counts.steps == step
    assert same(state(model, optimizer), state(other, by_hand))
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
@pytest.mark.parametrize("bad", BAD)
def test_raise_leaves_everything_as_it_was(bad: str, kind: str) -> None:
    model, optimizer = make(kind)
    guard = Guard(model, optimizer, clip_norm=1.0, clip_value=0.1)
    guard.step(good(model))
    before = state(model, optimizer)
    where = bad.split()[1]
    with pytest.raises(NonFiniteError, match=f"non-finite {where} in step 2"):
        guard.step(BAD[bad](model))
    assert same(state(model, optimizer), before)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert guard.to_dict()["nonfinite"] == 1
    assert guard.to_dict()["first"] == {
        "step": 2,
        "epoch": None,
        "where": where,
        "op": None,
        "source": None,
        "bundle": None,
    }


@pytest.mark.parametrize("bad", BAD)
def test_skip_leaves_the_step_out(bad: str) -> None:
    (model, optimizer), (other, by_hand) = make(), make()
    guard, never_bad = Guard(model, optimizer, policy="skip"), Guard(other, by_hand)
    guard.step(good(model))
    before = state(model, optimizer)
    report = guard.step(BAD[bad](model))
    assert same(state(model, optimizer), before)
    assert not report.applied
    assert report.event is not None
    assert report.event.where == bad.split()[1]
    guard.step(good(model))
    for _ in range(2):
        never_bad.step(good(other))
    assert same(state(model, optimizer), state(other, by_hand))
    assert guard.to_dict() | {"first": None} == {
        "nonfinite": 1,
        "skipped": 1,
        "rollbacks": 0,
        "clipped": 0,
        "first": None,
    }


@pytest.mark.parametrize("bad", BAD)
def test_rollback_goes_to_the_last_good_snapshot_at_half_the_rate(bad: str) -> None:
    model, optimizer = make()
    guard = Guard(model, optimizer, policy="rollback", snapshot_every=2)
    kept = None
    for step in range(1, 6):
        if step == 4:  # the state that step 4 found finite is the one that is kept
            kept = state(model, optimizer)
        guard.step(good(model))
    guard.step(BAD[bad](model))
    assert kept is not None
    assert same(state(model, optimizer), kept)
    assert guard.lr_scale == 0.5
    guard.step(BAD[bad](model))
    assert guard.lr_scale == 0.25
    assert (guard.counts.rollbacks, guard.counts.nonfinite, guard.counts.skipped) == (2, 2, 0)
    assert guard.step(good(model)).applied


def test_rollback_before_anything_was_good() -> None:
    model, optimizer = make()
    guard = Guard(model, optimizer, policy="rollback")
    before = state(model, optimizer)[0]
    guard.step(good(model) * math.nan)
    assert same(model.state_dict(), before)
    assert optimizer.state_dict()["state"] == {}
    assert guard.lr_scale == 0.5


def test_rollback_forgets_weights_that_a_finite_step_has_ruined() -> None:
    model, optimizer = make("sgd", lr=1e38)
    guard = Guard(model, optimizer, policy="rollback", snapshot_every=1)
    start = copy.deepcopy(model.state_dict())
    assert guard.step(good(model)).applied
    assert not guard.step(good(model)).applied
    assert same(model.state_dict(), start)


def test_ten_in_a_row_are_too_many() -> None:
    model, optimizer = make()
    guard = Guard(model, optimizer, policy="skip", budget=Budget(steps=10_000))
    for _ in range(9):
        guard.step(good(model) * math.nan)
    guard.step(good(model))
    for _ in range(9):
        guard.step(good(model) * math.nan)
    with pytest.raises(BudgetError, match="10 bad steps in a row; the last: non-finite loss in step 20"):
        guard.step(good(model) * math.nan)
    assert (guard.counts.nonfinite, guard.counts.skipped, guard.counts.in_a_row) == (19, 19, 10)


@pytest.mark.parametrize(("planned", "most"), [(200, 10), (40, 2), (5, 1), (None, 5)])
def test_one_in_twenty_is_the_most(planned: int | None, most: int) -> None:
    model, optimizer = make()
    guard = Guard(model, optimizer, policy="rollback", budget=Budget(steps=planned))
    for _ in range(most):
        guard.step(good(model) * math.nan)
        guard.step(good(model))
    with pytest.raises(BudgetError, match=rf"{most + 1} bad steps, more than 5 % of {planned or 100}; the last"):
        guard.step(good(model) * math.nan)


def test_without_a_plan_the_share_is_of_the_steps_so_far() -> None:
    model, optimizer = make()
    guard = Guard(model, optimizer, policy="skip")
    for step in range(1, 301):
        guard.step(good(model) * (math.nan if step % 20 == 0 else 1.0))
    assert guard.counts.nonfinite == 15


def test_a_gradient_whose_norm_overflows_is_not_a_bad_one() -> None:
    model, optimizer = make("sgd", lr=1.0)
    before = copy.deepcopy(model.state_dict())
    # The gradient of each of the nine parameters is 1e30, whose square overflows float32.
    report = Guard(model, optimizer, clip_norm=2.0).step((model(torch.ones(1, 2)) * 1e30).sum())
    assert report.applied
    assert report.clipped
    assert report.norm == pytest.approx(3e30, rel=1e-6)  # sqrt(9) times 1e30
    moved = [before[name] - now for name, now in model.state_dict().items()]
    assert math.sqrt(sum(x.square().sum().item() for x in moved)) == pytest.approx(2.0, rel=1e-5)


def test_clipping_is_counted_and_reported_before_it() -> None:
    model, optimizer = make("sgd")
    guard = Guard(model, optimizer, clip_norm=1e-3)
    first = guard.step(good(model))
    assert first.clipped
    assert first.norm > 1e-3
    guard.clip = Guard(model, optimizer, clip_value=1e9).clip
    assert not guard.step(good(model)).clipped
    assert guard.to_dict()["clipped"] == 1


def test_half_precision_gradients() -> None:
    torch.manual_seed(0)
    model = nn.Linear(2, 3).half()
    guard = Guard(model, torch.optim.SGD(model.parameters(), lr=0.1), policy="skip", clip_norm=1.0)
    report = guard.step((model(torch.ones(1, 2).half()).float() * 60000.0).sum())
    assert report.applied
    assert report.norm == pytest.approx(180000.0, rel=1e-2)  # beyond the largest float16, 65504
    assert not guard.step((model(torch.ones(4, 2).half()).float() * 60000.0).sum()).applied  # sums to infinity
    assert all(bool(parameter.isfinite().all()) for parameter in model.parameters())


def test_parameters_that_a_loss_learns_are_guarded_too() -> None:
    class Learned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, outputs: Tensor) -> Tensor:
            return (self.scale * outputs).square().mean()

    torch.manual_seed(0)
    model, loss = nn.Linear(2, 3), Learned()
    optimizer = torch.optim.AdamW([*model.parameters(), *loss.parameters()], lr=0.1)
    guard = Guard([model, loss], optimizer, policy="rollback", snapshot_every=1)
    guard.step(loss(model(ROWS)))
    changed = loss.scale.item()
    assert changed != 1.0
    guard.step(loss(model(ROWS)))
    assert loss.scale.item() != changed
    guard.step(loss(model(ROWS)) * math.nan)
    assert loss.scale.item() == changed


@pytest.mark.parametrize("policy", ["raise", "skip", "rollback"])
def test_a_bad_batch_does_not_stay_in_the_statistics_of_batch_norm(policy: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 1))
    guard = Guard(model, torch.optim.SGD(model.parameters(), lr=0.1), policy=policy, snapshot_every=1)
    guard.step(model(ROWS).mean())
    guard.step(model(ROWS).mean())
    kept = model[0].running_mean.clone()
    try:
        guard.step(model(ROWS * math.nan).mean())
    except NonFiniteError:
        assert policy == "raise"
    assert bool(model[0].running_mean.isfinite().all())
    if policy != "rollback":
        assert torch.equal(model[0].running_mean, kept)
    assert math.isfinite(model.eval()(ROWS).mean().item())


def test_state_goes_round() -> None:
    model, optimizer = make()
    guard = Guard(model, optimizer, policy="rollback", clip_norm=1e-3)
    for factor in (1.0, math.nan, 1.0):
        guard.step(good(model) * factor)
    kept = copy.deepcopy(guard.state_dict())
    other = Guard(*make(), policy="rollback", clip_norm=1e-3)
    other.load_state_dict(kept)
    assert (other.counts, other.first, other.to_dict()) == (guard.counts, guard.first, guard.to_dict())
    assert other.counts.steps == 3


def test_a_state_that_is_loaded_holds_the_snapshot() -> None:
    """A run that goes on rolls back to where the one that was killed would have."""
    model, optimizer = make()
    guard = Guard(model, optimizer, policy="rollback")
    kept = model.weight.detach().clone()
    guard.step(good(model))
    state = guard.state_dict()
    other, other_optimizer = make()
    other.load_state_dict(model.state_dict())
    again = Guard(other, other_optimizer, policy="rollback")
    again.load_state_dict(state)
    again.step(good(other) * math.nan)
    assert torch.equal(other.weight, kept)
    assert not torch.equal(other.weight, model.weight)


def test_what_is_found_out_stands_in_the_error() -> None:
    model, optimizer = make()
    guard = Guard(model, optimizer)
    guard.epoch = 3

    def investigate(event: Event) -> Event:
        assert (event.step, event.epoch, event.where) == (1, 3, "loss")
        return Event(1, 3, "loss", op="log", source="mine.py:12", bundle="step-1.pt", detail="in the term bce")

    with pytest.raises(NonFiniteError, match=r"loss in step 1, epoch 3: in the term bce; first in log at mine.py:12"):
        guard.step(good(model) * math.nan, investigate=investigate)
    assert guard.to_dict()["first"] == {
        "step": 1,
        "epoch": 3,
        "where": "loss",
        "op": "log",
        "source": "mine.py:12",
        "bundle": "step-1.pt",
    }


def test_the_first_event_is_kept() -> None:
    model, optimizer = make()
    guard = Guard(model, optimizer, policy="skip")
    guard.step(BAD["nan gradient"](model))
    guard.step(BAD["nan loss"](model))
    assert guard.first == Event(1, None, "gradient")
