"""What a guard restores, it restores whole: whoever trains what, and whatever was registered when."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from guarded import Guard, good, same
from restoring import everything, linear
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, CyclicLR, LambdaLR, LRScheduler, OneCycleLR, StepLR

from losszoo import NonFiniteError, UsageError


@pytest.mark.parametrize("policy", ["raise", "skip", "rollback"])
def test_a_parameter_of_no_module_is_restored(policy: str) -> None:
    """As the scale that a loss learns, where only the model was given."""
    model, scale = linear(), nn.Parameter(torch.ones(()))
    optimizer = torch.optim.Adam([*model.parameters(), scale], lr=0.1)
    guard = Guard(model, optimizer, policy, snapshot_every=2)
    kept = []
    for _ in range(3):
        kept.append(scale.item())
        guard.step(scale * good(model))
    try:
        guard.step(scale * good(model) * math.nan)
    except NonFiniteError:
        assert policy == "raise"
    assert scale.item() == (kept[1] if policy == "rollback" else scale.item())
    assert scale.item() != kept[2] or policy == "rollback"


def test_a_parameter_that_is_not_in_the_optimizer_is_restored() -> None:
    model = linear()
    optimizer = torch.optim.SGD([model.weight], lr=0.1)
    guard = Guard(model, optimizer, "rollback")
    before = model.bias.detach().clone()
    with torch.no_grad():
        model.bias.mul_(3.0)  # by hand, as an average of weights is
    guard.step(good(model) * math.nan)
    assert torch.equal(model.bias, before)


def test_parameters_that_join_later_do_not_stop_a_rollback() -> None:
    model, later = linear(), nn.Parameter(torch.ones(3))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    guard = Guard(model, optimizer, "rollback")
    guard.step(good(model))
    optimizer.add_param_group({"params": [later], "lr": 0.01})
    model.register_parameter("later", later)
    guard.step((model.weight * later[:, None]).square().sum())
    moved = later.detach().clone()
    guard.step((model.weight * later[:, None]).sum() * math.nan)
    assert later not in optimizer.state  # as before its first step
    assert torch.equal(later, moved)  # no snapshot has it, and it is finite
    assert guard.step((model.weight * later[:, None]).square().sum()).applied


class Counting(torch.optim.SGD):
    """An optimizer with state of its own, outside of ``state``: numbers, tensors, and what appears with use."""

    def __init__(self, parameters: Any, lr: float) -> None:
        super().__init__(parameters, lr=lr, momentum=0.9)
        self.steps, self.history = 0, [0.0]
        self.mean = torch.zeros(2)

    def step(self, closure: Any = None) -> Any:  # type: ignore[override]
        self.steps += 1
        self.history.append(float(self.steps))
        self.mean.add_(1.0)
        self.seen = torch.full((), float(self.steps))
        for group in self.param_groups:
            group["k"] = self.steps
        return super().step(closure)


class Lookahead(Optimizer):
    """An optimizer around another one, whose groups it shares."""

    def __init__(self, inner: Optimizer) -> None:
        self.inner = inner
        super().__init__(inner.param_groups, {})
        self.param_groups = inner.param_groups
        self.slow = [p.detach().clone() for group in inner.param_groups for p in group["params"]]

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        self.inner.step()
        for slow, fast in zip(self.slow, (p for g in self.param_groups for p in g["params"]), strict=True):
            slow.lerp_(fast.detach(), 0.5)


Make = Callable[[Iterator[nn.Parameter]], Optimizer]


OPTIMIZERS: dict[str, Make] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.05),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.05, momentum=0.9, centered=True),
    "amsgrad": lambda p: torch.optim.Adam(p, lr=0.05, amsgrad=True),
    "fused": lambda p: torch.optim.AdamW(p, lr=0.05, fused=True),
    "foreach": lambda p: torch.optim.NAdam(p, lr=0.05, foreach=True),
    "adafactor": lambda p: torch.optim.Adafactor(p, lr=0.05),
    "adadelta": lambda p: torch.optim.Adadelta(p, lr=0.5),
    "adamax": lambda p: torch.optim.Adamax(p, lr=0.05),
    "rprop": lambda p: torch.optim.Rprop(p, lr=0.05),
    "asgd": lambda p: torch.optim.ASGD(p, lr=0.05),
    "rate in a tensor": lambda p: torch.optim.Adam(p, lr=torch.tensor(0.05)),
    "own attributes": lambda p: Counting(p, lr=0.05),
    "around another": lambda p: Lookahead(torch.optim.Adam(p, lr=0.05)),
}


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_every_optimizer_is_rolled_back_whole(make: Make) -> None:
    model = linear()
    optimizer = make(model.parameters())
    guard = Guard(model, optimizer, "rollback", snapshot_every=3)
    for step in range(1, 6):
        if step == 3:
            before = everything(model, optimizer)
        guard.step(good(model))
    assert not same(everything(model, optimizer), before)
    guard.step(good(model) * math.nan)
    assert same(everything(model, optimizer), before)
    if isinstance(optimizer, Lookahead):
        assert optimizer.inner.state[model.weight]["step"] == 2
    # At half the rate it goes on as an optimizer of half the rate would.
    assert guard.step(good(model)).applied


def test_sparse_gradients_are_rolled_back() -> None:
    torch.manual_seed(0)
    table = nn.Embedding(5, 3, sparse=True)
    optimizer = torch.optim.SparseAdam(table.parameters(), lr=0.1)
    guard = Guard(table, optimizer, "rollback", snapshot_every=2)
    rows = torch.tensor([1, 1, 4])
    guard.step(table(rows).pow(2).sum())
    before = everything(table, optimizer)
    guard.step(table(rows).pow(2).sum())
    guard.step(table(rows).pow(2).sum() * math.inf)
    assert same(everything(table, optimizer), before)


@pytest.mark.parametrize("name", ["sgd", "amsgrad", "fused", "adafactor", "own attributes"])
def test_a_checkpoint_holds_the_snapshot_whole(name: str, tmp_path: Path) -> None:
    """Rolled back in another process, everything is as it would have been in the first one."""

    def made() -> Any:
        model, scale = nn.Sequential(linear(), nn.BatchNorm1d(3)), nn.Parameter(torch.ones(()))
        optimizer = OPTIMIZERS[name](iter([*model.parameters(), scale]))
        return model, scale, optimizer, Guard(model, optimizer, "rollback", snapshot_every=2)

    model, scale, optimizer, guard = made()
    for _ in range(3):
        guard.step(scale * good(model))
    guard.step(scale * good(model) * math.nan)
    for _ in range(3):
        guard.step(scale * good(model))
    states = {"model": model.state_dict(), "scale": scale, "optimizer": optimizer.state_dict()}
    torch.save({**states, "guard": guard.state_dict()}, tmp_path / "checkpoint.pt")
    read = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    other, other_scale, other_optimizer, again = made()
    other.load_state_dict(read["model"])
    other_scale.data.copy_(read["scale"])
    other_optimizer.load_state_dict(read["optimizer"])
    again.load_state_dict(read["guard"])
    assert again.lr_scale == guard.lr_scale == 0.5
    for one, by in ((guard, (model, scale)), (again, (other, other_scale))):
        one.step(by[1] * good(by[0]) * math.nan)
        one.step(by[1] * good(by[0]))
    assert torch.equal(scale, other_scale)
    assert same(model.state_dict(), other.state_dict())
    assert same([*optimizer.state.values()], [*other_optimizer.state.values()])
    assert same(again.state_dict()["snapshot"], guard.state_dict()["snapshot"])


def test_a_loaded_guard_leaves_the_optimizer_as_it_was_loaded() -> None:
    """Without a bad step the rest of training is that of the first process."""

    def made() -> Any:
        model = linear()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
        return model, optimizer, Guard(model, optimizer, "rollback")

    (model, optimizer, guard), (other, other_optimizer, again) = made(), made()
    for _ in range(3):
        guard.step(good(model))
    for one, by in ((other, model), (other_optimizer, optimizer), (again, guard)):
        one.load_state_dict(copy.deepcopy(by.state_dict()))
    assert same([*other_optimizer.state.values()], [*optimizer.state.values()])
    for one, by in ((model, guard), (other, again)):
        by.step(good(one))
    assert same(other.state_dict(), model.state_dict())


def test_a_state_of_another_policy_is_a_state_to_go_back_to() -> None:
    """A guard that skipped has no snapshot: what was loaded is the first one, and not how the guard was made."""
    model, other = linear(), linear()
    skips = Guard(model, torch.optim.SGD(model.parameters(), lr=0.1), "skip")
    rolls = Guard(other, torch.optim.SGD(other.parameters(), lr=0.1), "rollback")
    skips.step(good(model))
    other.load_state_dict(model.state_dict())
    rolls.load_state_dict(skips.state_dict())
    rolls.step(good(other))
    rolls.step(good(other) * math.nan)
    assert same(other.state_dict(), model.state_dict())


def test_a_checkpoint_of_another_model_is_refused() -> None:
    deep, flat = nn.Sequential(nn.Sequential(nn.BatchNorm1d(2))), nn.Sequential(nn.BatchNorm1d(2))
    one, other = (Guard(model, torch.optim.SGD(model.parameters(), lr=0.1)) for model in (deep, flat))
    with pytest.raises(UsageError, match=r"must be of the same model, got a buffer 0\.0\.running_mean"):
        other.load_state_dict(one.state_dict())


def test_an_optimizer_that_needs_a_closure() -> None:
    model = linear()
    with pytest.raises(UsageError, match="must step without a closure, got LBFGS, whose step computes the loss"):
        Guard(model, torch.optim.LBFGS(model.parameters()))


SCHEDULES: dict[str, Callable[[Optimizer], LRScheduler]] = {
    "lambda": lambda o: LambdaLR(o, lambda step: 1 / (1 + step)),
    "one cycle": lambda o: OneCycleLR(o, max_lr=0.2, total_steps=20, cycle_momentum=False),
    "cyclic": lambda o: CyclicLR(o, base_lr=0.01, max_lr=0.2, step_size_up=3, cycle_momentum=False),
    "step": lambda o: StepLR(o, 2, gamma=0.5),
    "cosine": lambda o: CosineAnnealingLR(o, T_max=20),
}


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("in_a_tensor", [False, True])
def test_no_schedule_undoes_the_halved_rate(schedule: Callable[[Optimizer], LRScheduler], in_a_tensor: bool) -> None:
    """SGD without momentum moves by rate times gradient, and the gradient is 1: the distance is the rate."""
    weight = nn.Parameter(torch.zeros((), dtype=torch.float64))
    rate = torch.tensor(0.1, dtype=torch.float64) if in_a_tensor else 0.1
    optimizer = torch.optim.SGD([weight], lr=rate)
    scheduler = schedule(optimizer)
    guard = Guard(nn.Module(), optimizer, "rollback", snapshot_every=100)
    for halvings in range(3):
        for _ in range(3):
            before, planned = weight.item(), float(optimizer.param_groups[0]["lr"])
            assert guard.step(weight * 1.0).applied
            assert before - weight.item() == pytest.approx(planned / 2**halvings, rel=1e-12)
            assert float(optimizer.param_groups[0]["lr"]) == planned  # the schedule's, untouched
            scheduler.step()
        assert not guard.step(weight * math.nan).applied
        scheduler.step()
    assert guard.lr_scale == 1 / 8


def test_an_optimizer_without_a_rate_is_not_rolled_back() -> None:
    class Plain(Optimizer):
        def __init__(self, parameters: Any) -> None:
            super().__init__(parameters, {})

        def step(self, closure: Any = None) -> None:  # type: ignore[override]
            pass

    model = linear()
    assert Guard(model, Plain(model.parameters()), "skip").step(good(model)).applied
    with pytest.raises(UsageError, match="must have a learning rate that can be halved, got Plain without lr"):
        Guard(model, Plain(model.parameters()), "rollback")
