"""Numbers that torch, or float32, does not hold: refused in words wherever a number is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import losszoo
from losszoo import MemoryBank, Param, Streaming, UsageError
from losszoo.registry.registry import installed

LONG = (10**400, -(10**400), 10**5000, 2**63, -(2**63) - 1)
NUMBERS = [
    (spec.name, param.name, param.type)
    for spec in installed().losses.values()
    for param in spec.params
    if param.type in ("int", "float", "floats")
]


@pytest.mark.parametrize(("loss", "name", "kind"), NUMBERS)
def test_a_parameter_is_a_number_that_can_be_computed_with(loss: str, name: str, kind: str) -> None:
    for value in LONG if kind != "floats" else (10**400, 10**5000, [1.0, 10**5000], [1e39], 1e308, 1e-320, [1e-46]):
        with pytest.raises(UsageError, match=f"{loss}: {name} must be "):
            losszoo.create(loss, **{name: value})
    for text in ("1" * 30, "1" * 400, "1" * 5000) if kind != "floats" else ():
        with pytest.raises(UsageError):
            losszoo.create(f"{loss}({name}={text})")
    if kind == "float":
        for value in (1e39, 1e308, -1e308):
            with pytest.raises(UsageError, match=f"{loss}: {name} must be a number of at most 3.4e"):
                losszoo.create(loss, **{name: value})


@pytest.mark.parametrize(("loss", "name"), [("sup-con", "temperature"), ("huber", "delta"), ("contrastive", "margin")])
@pytest.mark.parametrize("value", [1e-320, 1e-45, 1e-40])
def test_what_float32_hardly_tells_from_an_open_end_at_0(loss: str, name: str, value: float) -> None:
    with pytest.raises(UsageError, match=rf"{name} must be in \(0, inf\), and not below 1\.2e-38, float32's smallest"):
        losszoo.create(loss, **{name: value})


def test_the_rule_of_a_parameter_at_its_ends() -> None:
    assert Param(name="k", type="int", default=1).complaint(2**63 - 1) is None
    assert Param(name="k", type="int", default=1).complaint(2**63) == "must be a whole number that fits 64 bits"
    largest = torch.finfo(torch.float32).max
    assert Param(name="x", default=1.0).complaint(-largest) is None
    assert Param(name="x", default=0.5, range=(0, 1), bounds="()").complaint(torch.finfo(torch.float32).tiny) is None
    assert Param(name="x", default=1.0, range=(0, 1)).complaint(1e-320) is None  # 0 is legal too


def test_a_row_function_of_ones_own_has_the_same_temperature() -> None:
    @losszoo.pairwise()
    def closest(logits: Any, positive: Any, negative: Any) -> Any:
        return -logits.where(positive, -torch.inf).amax(1)

    for value in (1e-320, 1e-40, 1e39, 10**400):
        with pytest.raises(UsageError, match=r"temperature must be a number from 1\.2e-38 to 3\.4e"):
            losszoo.create(closest, temperature=value)


@pytest.mark.parametrize(
    "value", [1e-320, 1e-46, 1e-40, 1e39, 10**400, 10**4000, torch.tensor(1e-320, dtype=torch.float64)]
)
def test_a_denominator_is_one_that_the_values_hold(value: Any) -> None:
    x, y = torch.ones(3), torch.zeros(3)
    with pytest.raises(UsageError, match=r"denominator must be (0 or from 1\.2e-38|one number that torch can hold)"):
        losszoo.create("mse")(x, y, denominator=value)


def test_a_small_denominator_is_divided_by() -> None:
    x, y = torch.full((3,), 1e-19), torch.zeros(3)
    assert losszoo.create("mse")(x, y, denominator=1.5e-38).item() == pytest.approx(3 * 1e-38 / 1.5e-38, rel=1e-5)
    wide = losszoo.create("mse")(x.double(), y.double(), denominator=1e-300)
    assert wide.item() == pytest.approx(3e-38 / 1e-300)


@pytest.mark.parametrize("size", [1e-38, 1e-39])
def test_only_the_ratio_of_tiny_weights_matters(size: float) -> None:
    x = torch.tensor([1.0, 3.0], requires_grad=True)
    weight = torch.tensor([size, 3 * size])
    loss = losszoo.create("mse")(x, torch.zeros(2), weight=weight)
    loss.backward()
    # (1 * 1 + 3 * 9) / 4, and its gradient (2 * 1 / 4, 3 * 2 * 3 / 4).
    assert loss.item() == pytest.approx(7.0, rel=1e-4)
    assert x.grad is not None
    assert x.grad.tolist() == pytest.approx([0.5, 4.5], rel=1e-4)


def test_entmax_with_a_huge_whole_alpha() -> None:
    logits, labels = torch.randn(4, 3), torch.tensor([0, 1, 2, 0])
    whole, real = (losszoo.create("entmax", alpha=alpha)(logits, labels) for alpha in (2**62, 2.0**62))
    assert whole == real


MODEL = torch.nn.Linear(1, 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: 10**400 * losszoo.create("mse"),
            "the weight of a loss must be finite, got a whole number of 1329 bits",
        ),
        (lambda: Streaming(memory=10**400), "memory must be a finite number of MiB > 0"),
        (lambda: MemoryBank("nca", size=10**400), "size must be"),
        (lambda: losszoo.run("mse", "diabetes", accumulate=10**5000), "accumulate must be a whole number that fits"),
        (lambda: losszoo.run("mse", "diabetes", seed=10**5000), "seed must be a whole number in"),
        (lambda: losszoo.run("mse", "diabetes", set={"recipe.lr": 10**5000}), "recipe.lr must be a number of at most"),
        (
            lambda: losszoo.run("mse", "diabetes", set={"model.dim": 10**5000}),
            "dim of trunk mlp must be a whole number",
        ),
        (lambda: losszoo.run("mse", "diabetes", clip_norm=1e-320), "clip_norm must be a number from 1.2e-38"),
        (
            lambda: losszoo.Guard(MODEL, torch.optim.SGD(MODEL.parameters(), 0.1), clip_value=10**400),
            "clip_value must be a number from 1.2e-38",
        ),
        (
            lambda: losszoo.create("uncertainty", tasks=2**62),
            r"uncertainty\(tasks=4611686018427387904\) cannot be made",
        ),
        (lambda: losszoo.create(f"linear(0, 1, epochs={10**30})*mse"), "epochs must be a whole number >= 1 and <= 2"),
    ],
)
def test_elsewhere(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


def test_any_memory_is_enough_memory() -> None:
    rows, labels = torch.randn(600, 3), torch.arange(600) % 3
    expected = losszoo.create("nca")(rows, labels)
    assert losszoo.create("nca", streaming=Streaming(memory=1e308))(rows, labels) == expected
