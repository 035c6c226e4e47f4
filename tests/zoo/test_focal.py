"""Focal losses: one closed form for value and slope, against the plain formula in operations of torch."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from losszoo import create
from losszoo_plugins.classification.focal import focal, softmax_focal
from losszoo_plugins.segmentation.overlap import dice

close = partial(torch.testing.assert_close, rtol=1e-11, atol=1e-13)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return 3 * torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


HARD = draw(40, seed=1).gt(0).double()
SOFT = draw(40, seed=1).sigmoid()
LABELS = torch.arange(8) % 5
MAPS = draw(2, 3, 4, 4, seed=1).gt(0).double()
WEIGHED = create("softmax-focal", weight=[1.0, 2.0, 0.0, 1.0, 0.5], ignore_index=3, reduction="none")
LOSSES = {
    "hard": (lambda x: focal(x, HARD, gamma=2.0, alpha=0.25), draw(40)),
    "hard, alike": (lambda x: focal(x, HARD, gamma=0.5), draw(40)),
    "hard, by half": (lambda x: focal(x, HARD, gamma=1.0, alpha=0.5), draw(40)),
    "soft": (lambda x: focal(x, SOFT, gamma=1.3, alpha=0.25), draw(40)),
    "soft, no discount": (lambda x: focal(x, SOFT, gamma=0.0), draw(40)),
    "softmax": (
        lambda x: WEIGHED(x, LABELS),
        draw(8, 5),
    ),
    "softmax, gentle": (lambda x: softmax_focal(x, LABELS, gamma=0.7), draw(8, 5)),
    "dice": (lambda x: dice(x, MAPS).values, draw(2, 3, 4, 4)),
    "dice, masked": (lambda x: dice(x, MAPS, smooth=0.0, mask=MAPS.flip(0) > 0).values, draw(2, 3, 4, 4)),
}
each = pytest.mark.parametrize("name", LOSSES)


def total(values: Tensor) -> Tensor:
    """A sum in which every value counts differently."""
    return (values * torch.arange(1.0, 1 + values.numel()).view_as(values)).sum()


@each
def test_the_closed_form_is_the_plain_formula(name):
    loss, x = LOSSES[name]
    leaf = x.clone().requires_grad_()
    value = total(loss(leaf))
    (gradient,) = torch.autograd.grad(value, leaf)
    # A function transform takes the plain formula.
    expected, plain = torch.func.grad_and_value(lambda x: total(loss(x)))(x)
    close(value.detach(), plain)
    close(gradient, expected)


@each
def test_gradients_of_both_orders_are_those_of_finite_differences(name):
    loss, x = LOSSES[name]
    torch.autograd.gradcheck(loss, (x.requires_grad_(),))
    torch.autograd.gradgradcheck(loss, (x,))


@each
def test_a_graph_that_is_kept_gives_the_same_gradient_twice(name):
    loss, x = LOSSES[name]
    leaf = x.clone().requires_grad_()
    value = loss(leaf).sum()
    first, second = (torch.autograd.grad(value, leaf, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(first, second)


@each
def test_vmap_takes_the_plain_formula(name):
    loss, x = LOSSES[name]
    both = torch.func.vmap(lambda x: loss(x).sum())(torch.stack((x, -x)))
    close(both, torch.stack((loss(x).sum(), loss(-x).sum())))


def test_targets_that_ask_for_a_gradient_get_it():
    x, targets = draw(40), SOFT.clone().requires_grad_()
    torch.autograd.gradcheck(lambda t: focal(x, t, alpha=0.25), (targets,))
    maps = draw(1, 1, 3, 3).sigmoid().requires_grad_()
    torch.autograd.gradcheck(lambda t: dice(draw(1, 1, 3, 3, seed=2), t).values, (maps,))


def saved_bytes(loss: Any, *inputs: Tensor) -> int:
    """Memory kept for the gradient, each storage once."""
    kept: dict[int, int] = {}

    def keep(x: Tensor) -> Tensor:
        kept[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    with saved_tensors_hooks(keep, lambda x: x):
        values = loss(*inputs)  # held: what is freed may leave its address to another
    del values
    return sum(kept.values())


def test_little_is_kept_for_the_gradient():
    x, t = draw(1000).requires_grad_(), draw(1000, seed=1).gt(0).double()
    assert saved_bytes(partial(focal, alpha=0.25), x, t) == 2 * 8000  # the logits and the slope
    assert saved_bytes(partial(focal, alpha=0.25), x, t.clamp(0.1, 0.9)) == 3 * 8000
    logits, labels = draw(100, 50).requires_grad_(), torch.arange(100) % 50
    # The logits, which were there before; of each row a label, a slope, and weight and count beside them.
    assert saved_bytes(lambda z: softmax_focal(z, labels), logits) <= 8 * 100 * (50 + 5)
    maps = draw(2, 3, 16, 16).requires_grad_()
    assert saved_bytes(lambda z: dice(z, (z.detach() > 0).double()).values, maps) <= 8 * (2 * maps.numel() + 5 * 6)


@pytest.mark.parametrize("alone", [[2.0, -torch.inf, -torch.inf], [3.0]])
def test_a_target_without_rivals_costs_nothing(alone):
    logits = torch.tensor([alone], dtype=torch.float64, requires_grad=True)
    values = softmax_focal(logits, torch.tensor([0]))
    (gradient,) = torch.autograd.grad(values.sum(), logits)
    assert values.item() == 0
    assert gradient.tolist() == [[0.0] * len(alone)]


def test_a_target_that_is_ruled_out_costs_infinity():
    assert softmax_focal(torch.tensor([[-torch.inf, 0.0, -torch.inf]]), torch.tensor([0])).item() == torch.inf


def test_logits_far_from_zero_lose_no_digit():
    x = torch.tensor([[0.5, -0.25, 1.0]])
    far = softmax_focal(x + 4096, torch.tensor([0]))  # 4096 + x is exact in float32
    torch.testing.assert_close(far, softmax_focal(x, torch.tensor([0])), rtol=1e-6, atol=0)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_gradient_with_a_graph_is_the_gradient(dtype: torch.dtype, gamma: float) -> None:
    """Also where it has underflowed to 0, and only the sign of the zero tells the label."""
    x = torch.tensor([-1e4, -40.0, -1.0, 0.0, 1.0, 17.0, 40.0, 60.0, 1e4], dtype=dtype).repeat(2).requires_grad_()
    labels = torch.tensor([0.0, 1.0], dtype=dtype).repeat_interleave(9)
    plain, graphed = (
        torch.autograd.grad(focal(x, labels, gamma=gamma).sum(), x, create_graph=graph)[0] for graph in (False, True)
    )
    torch.testing.assert_close(plain, graphed, rtol=1e-5, atol=1e-30)
