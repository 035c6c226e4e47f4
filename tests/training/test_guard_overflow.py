"""A finite gradient that an optimizer cannot take: its state or the weights overflow, and the step is undone."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from guarded import Guard
from torch import Tensor, nn

from losszoo import NonFiniteError, UsageError

Make = Callable[[list[nn.Parameter]], torch.optim.Optimizer]


def weight(dtype: torch.dtype = torch.float32, size: tuple[int, ...] = (4,)) -> nn.Parameter:
    return nn.Parameter(torch.ones(size, dtype=dtype))


def pulled(parameter: Tensor, gradient: float) -> Tensor:
    """A loss near 0 whose gradient is ``gradient`` in each entry."""
    return ((parameter - parameter.detach()).double() * gradient).sum()


def whole(parameter: Tensor, optimizer: torch.optim.Optimizer) -> Any:
    return copy.deepcopy([parameter.detach(), [dict(held) for held in optimizer.state.values()]])


def same(one: Any, two: Any) -> bool:
    if isinstance(one, Tensor):
        return torch.equal(one, two)
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(two) and all(map(same, one, two))
    return bool(one == two)


# The gradient whose square, or whose part in the state, is beyond the largest number of the dtype: 3.4e38 in float32
# and bfloat16, 65504 in float16, 1.8e308 in float64. Adam's second moment gets a thousandth of the square.
TOO_LARGE: dict[str, tuple[Make, torch.dtype, float, str]] = {
    "adam": (lambda p: torch.optim.Adam(p, foreach=False), torch.float32, 1e21, "exp_avg_sq"),
    "adamw foreach": (lambda p: torch.optim.AdamW(p, foreach=True), torch.float32, 1e21, "exp_avg_sq"),
    "adamw fused": (lambda p: torch.optim.AdamW(p, fused=True), torch.float32, 1e21, "exp_avg_sq"),
    "amsgrad": (lambda p: torch.optim.Adam(p, amsgrad=True), torch.float32, 1e21, "exp_avg_sq"),
    "nadam": (lambda p: torch.optim.NAdam(p), torch.float32, 1e21, "exp_avg_sq"),
    "radam": (lambda p: torch.optim.RAdam(p), torch.float32, 1e21, "exp_avg_sq"),
    "rmsprop": (lambda p: torch.optim.RMSprop(p), torch.float32, 2e20, "square_avg"),
    "adadelta": (lambda p: torch.optim.Adadelta(p), torch.float32, 1e20, "square_avg"),
    "adagrad": (lambda p: torch.optim.Adagrad(p), torch.float32, 1.9e19, "sum"),
    "adafactor": (lambda p: torch.optim.Adafactor(p), torch.float32, 1e20, ""),
    "sgd": (lambda p: torch.optim.SGD(p, lr=1e3), torch.float32, 1e36, ""),
    "adam bfloat16": (lambda p: torch.optim.Adam(p, lr=0.1), torch.bfloat16, 1e21, "exp_avg_sq"),
    "adam float16": (lambda p: torch.optim.Adam(p, eps=1e-4), torch.float16, 3e4, "exp_avg_sq"),
    "adagrad float16": (lambda p: torch.optim.Adagrad(p, eps=1e-4), torch.float16, 300.0, "sum"),
    "adam float64": (lambda p: torch.optim.Adam(p), torch.float64, 1e156, "exp_avg_sq"),
}


@pytest.mark.parametrize("policy", ["raise", "skip", "rollback"])
@pytest.mark.parametrize(("make", "dtype", "gradient", "name"), TOO_LARGE.values(), ids=TOO_LARGE)
def test_a_step_that_overflows_is_undone(
    make: Make, dtype: torch.dtype, gradient: float, name: str, policy: str
) -> None:
    parameter = weight(dtype)
    optimizer = make([parameter])
    guard = Guard(nn.Module(), optimizer, policy, snapshot_every=1)
    assert guard.step(pulled(parameter, 0.5)).applied
    before = whole(parameter, optimizer)
    try:
        report = guard.step(pulled(parameter, gradient))
    except NonFiniteError as error:
        assert policy == "raise"
        report = error.report
    assert not report.applied
    assert report.event is not None
    assert math.isfinite(report.norm)
    assert report.event.where == "gradient"  # the words say what it is
    assert str(report.event).startswith("non-finite weights or optimizer (")
    assert name in str(report.event)
    assert "clip_norm bounds it" in str(report.event)
    if policy != "rollback":
        assert same(whole(parameter, optimizer), before)
        assert parameter.grad is None
    moved = parameter.detach().clone()
    assert guard.step(pulled(parameter, 0.5)).applied
    assert not torch.equal(parameter, moved)


@pytest.mark.parametrize("bound", [{"clip_norm": 1.0}, {"clip_value": 1.0}])
def test_what_is_clipped_is_judged_by_what_the_optimizer_uses(bound: dict[str, float]) -> None:
    parameter = weight()
    guard = Guard(nn.Module(), torch.optim.Adam([parameter]), **bound)
    for _ in range(3):
        report = guard.step(pulled(parameter, 1e30))
        assert report.applied
        assert report.clipped


def test_a_large_gradient_that_overflows_nothing_is_taken() -> None:
    """SGD squares nothing."""
    parameter = weight()
    guard = Guard(nn.Module(), torch.optim.SGD([parameter], lr=1e-30))
    assert guard.step(pulled(parameter, 1e30)).applied
    assert torch.allclose(parameter, torch.zeros(4), atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_sum_of_squares_is_judged_as_it_grows(dtype: torch.dtype) -> None:
    """Adagrad adds up: 3.4e38 / 1e37 is 34 steps of float32, 65504 / 2500 is 26 of float16."""
    parameter = weight(dtype)
    gradient, most = {torch.float32: (10**18.5, 34), torch.float16: (50.0, 26)}[dtype]
    optimizer = torch.optim.Adagrad([parameter], eps=1e-4)
    guard = Guard(nn.Module(), optimizer, "skip", snapshot_every=1000)
    taken = 0
    while taken < 100 and guard.step(pulled(parameter, gradient)).applied:
        taken += 1
    assert abs(taken - most) <= 1  # rounding
    assert bool(optimizer.state[parameter]["sum"].isfinite().all())
    assert guard.step(pulled(parameter, 0.5)).applied


def test_the_moving_bound_forgets_a_step_that_was_undone() -> None:
    parameter = weight()
    guard = Guard(nn.Module(), torch.optim.Adam([parameter]), "skip", clip="zscore(threshold=2.5)")
    guard.step(pulled(parameter, 0.5))
    seen = copy.deepcopy(guard.clip.state_dict())
    assert not guard.step(pulled(parameter, 1e21)).applied
    assert same(guard.clip.state_dict(), seen)


def test_a_hook_sees_the_gradient_once() -> None:
    parameter, seen = weight(), []
    guard = Guard(nn.Module(), torch.optim.Adam([parameter]), "skip")
    guard.step(pulled(parameter, 1e21), before_step=lambda: seen.append(parameter.grad.max().item()))  # type: ignore[union-attr]
    assert seen == [pytest.approx(1e21)]


# A state that is not finite already.


@pytest.mark.parametrize("policy", ["raise", "skip", "rollback"])
def test_an_optimizer_that_is_poisoned_is_refused(policy: str) -> None:
    parameter = weight()
    optimizer = torch.optim.Adam([parameter])
    pulled(parameter, 1e21).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    assert optimizer.state[parameter]["exp_avg_sq"].isinf().all()
    with pytest.raises(UsageError, match=r"be finite, got an Adam whose exp_avg_sq of group 0, parameter 0 is not"):
        Guard(nn.Module(), optimizer, policy)


@pytest.mark.parametrize("policy", ["raise", "skip", "rollback"])
def test_a_state_that_was_poisoned_is_found_and_never_kept(policy: str) -> None:
    """By somebody else: between two steps, an entry of the second moment becomes infinite."""
    layer = nn.Linear(2, 1)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.1)
    guard = Guard(layer, optimizer, policy, snapshot_every=4)
    rows = torch.ones(3, 2)
    for _ in range(5):
        guard.step(layer(rows).square().mean())
    optimizer.state[layer.weight]["exp_avg_sq"][0, 1] = math.inf
    reports = [guard.step(layer(rows).square().mean()) for _ in range(2)]
    assert all(report.applied for report in reports)
    said = r"non-finite weights or optimizer \(exp_avg_sq of weight\) in step 8: an earlier step made it non-finite"
    if policy == "rollback":
        report = guard.step(layer(rows).square().mean())
        assert not report.applied
        assert optimizer.state[layer.weight]["step"] == 3
        assert bool(optimizer.state[layer.weight]["exp_avg_sq"].isfinite().all())
        assert guard.step(layer(rows).square().mean()).applied
        return
    with pytest.raises(NonFiniteError, match=said) as raised:
        guard.step(layer(rows).square().mean())
    # To leave out steps would cure nothing.
    assert ("policy='rollback' keeps a good state to go back to" in str(raised.value)) == (policy == "skip")


def test_weights_that_were_lost_before_are_named() -> None:
    layer = nn.Linear(2, 1)
    guard = Guard(layer, torch.optim.SGD(layer.parameters(), lr=0.1), "skip")
    with torch.no_grad():
        layer.weight[0, 0] = math.nan
    event = guard.step(layer(torch.ones(3, 2)).mean()).event
    assert str(event) == "non-finite loss in step 1: weight was not finite before"


@pytest.mark.parametrize("policy", ["skip", "rollback"])
def test_nan_from_the_start_is_named(policy: str) -> None:
    """As in weights from the checkpoint of a run that was lost; what is not trained may hold anything."""
    layer = nn.Linear(2, 1)
    layer.register_parameter("unused", nn.Parameter(torch.full((2,), math.nan), requires_grad=False))
    with torch.no_grad():
        layer.weight[0, 0] = math.nan
    guard = Guard(layer, torch.optim.SGD([layer.weight, layer.bias], lr=0.1), policy, bundles=None)
    event = guard.step(layer(torch.ones(3, 2)).mean()).event
    assert str(event) == "non-finite loss in step 1: weight was not finite before"


def test_an_infinity_from_the_start_is_meant() -> None:
    """A transition that is ruled out, and a bound that an optimizer begins with."""

    class Bounded(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:  # type: ignore[override]
            self.state[self.param_groups[0]["params"][0]]["least"] = torch.tensor(math.inf)
            return super().step(closure)

    transitions = nn.Parameter(torch.tensor([0.0, -math.inf]))
    guard = Guard(nn.Module(), Bounded([transitions], lr=0.1), snapshot_every=1)
    for _ in range(3):
        assert guard.step(transitions.exp().sum()).applied


def test_an_ordinary_step_copies_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor looks at weights or optimizer: the norm that was measured says that nothing can overflow."""
    from losszoo.training.guard import guard as module

    parameter = weight()
    guard = Guard(nn.Module(), torch.optim.Adam([parameter]), snapshot_every=10**6)

    def fail(*_: Any) -> Any:
        raise AssertionError

    monkeypatch.setattr(module, "Weights", fail)
    monkeypatch.setattr(guard._sound, "spoilt", fail)
    for gradient in (0.5, 1e3, 1e9, 1e17):
        assert guard.step(pulled(parameter, gradient)).applied
