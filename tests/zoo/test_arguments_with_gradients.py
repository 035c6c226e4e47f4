"""Every argument that requires a gradient gets the right one, or is refused in words: never None or 0 in silence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import grad, jacfwd, vmap
from torch.nn.functional import one_hot

import losszoo
from losszoo import LossSpec, UsageError
from losszoo.losses.signatures.example_inputs import example_inputs
from losszoo.losses.sums.data_sizes import set_sizes

SPECS = {spec.name: spec for spec in losszoo.list_losses(plugin="losszoo") if spec.signature != "penalty"}
# One value is made of all samples, which have no weights then.
OVER_BATCH = ("barlow-twins", "cosent", "mmd", "proxy-anchor", "sinkhorn", "soft-f1", "vicreg")
# They hold rows of each class, so labels are class indices, not multi-hot.
OF_CLASSES = (
    *("arcface", "center", "cosface", "linear-cross-entropy", "proxy-anchor", "proxy-nca"),
    *("soft-triple", "sphereface", "sub-center-arcface"),
)
by_name = pytest.mark.parametrize("name", [name for name in SPECS if name not in OVER_BATCH])
DIFFERENTIATED = [name for name, spec in SPECS.items() if "detached-weights" not in spec.tags]
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")
# Arguments that only say which pairs belong together, or which way: a gradient of theirs is refused.
DECIDES = {
    "pair": {2},
    "signed": {1},
    "distances": {1},
    "order": {2},
    "ranking": {1},
    "survival": {1, 2},
    "survival-hazards": {2},
    "survival-masses": {2},
}
# They see the predictions alone, so that targets have no gradient but 0; or a teacher is held still,
# or the largest of equal targets is taken.
BLIND = {"smoothness": 1, "knowledge-distillation": 1, "decoupled-kd": 1, "cldice": 1}


def made(spec: LossSpec, **options: Any) -> Any:
    torch.manual_seed(0)
    loss = losszoo.create(spec.name, validate=False, **options)
    loss.train("stateful" not in spec.tags)  # whose calls in training move its state
    set_sizes(loss, classes=3, dim=4)
    return loss.double()


def floating(spec: LossSpec) -> list[tuple[Any, ...]]:
    """Ordinary inputs, and others whose targets are floating too, where the signature knows such."""
    inputs = example_inputs(spec.signature, expects=spec.expects, dtype=torch.float64)
    generator = torch.Generator().manual_seed(1)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    if spec.signature == "multiclass":
        return [inputs, (inputs[0], draw(6, 3).softmax(1))]
    if spec.signature in ("binary", "segmentation"):
        return [inputs, (inputs[0], draw(*inputs[1].shape).sigmoid())]
    if spec.signature == "neighbors":
        return [inputs, (inputs[0], draw(6), inputs[2], draw(12), inputs[4])]
    return [inputs]


def central(function: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    steps = 1e-6 * torch.eye(at.numel(), dtype=at.dtype).view(-1, *at.shape)
    return torch.stack([(function(at + step) - function(at - step)) / 2e-6 for step in steps]).view(at.shape)


def check(function: Callable[[Tensor], Tensor], at: Tensor, *, over_classes: bool = False) -> None:
    """The gradient against finite differences, which for probabilities hold along the simplex only."""
    leaf = at.clone().requires_grad_()
    (found,) = torch.autograd.grad(function(leaf), leaf)
    expected = central(function, at)
    if over_classes:
        found, expected = (x - x.mean(1, keepdim=True) for x in (found, expected))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", DIFFERENTIATED)
def test_inputs_have_the_gradient_of_finite_differences(name: str) -> None:
    spec = SPECS[name]
    loss = made(spec)
    for inputs in floating(spec):
        for place, at in enumerate(inputs):
            if not at.is_floating_point() or BLIND.get(name) == place or place in DECIDES.get(spec.signature, ()):
                continue
            if spec.name == "linear-cross-entropy" and place == 1:
                continue

            def value(x: Tensor, place: int = place, inputs: tuple[Any, ...] = inputs) -> Tensor:
                return loss(*inputs[:place], x, *inputs[place + 1 :])

            check(value, at, over_classes=(spec.signature, place) == ("multiclass", 1))


@by_name
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_weights_and_denominators_have_the_gradient_of_finite_differences(name: str, reduction: str) -> None:
    """A weight of 0 too, whose slope is the value that it would multiply."""
    loss, inputs = made(SPECS[name], reduction=reduction), floating(SPECS[name])[0]
    weight = torch.linspace(0, 2, len(inputs[0]), dtype=torch.float64)
    check(lambda w: loss(*inputs, weight=w), weight)
    if reduction == "mean" and name != "rmse":
        check(lambda d: loss(*inputs, denominator=d), torch.tensor(3.0, dtype=torch.float64))


@by_name
def test_weights_that_are_all_zero_have_the_values_as_their_slopes(name: str) -> None:
    """As where a batch is weighed anew by what its weights would do (Ren et al. 2018): w = 0 in a sum of w * value."""
    if name == "rmse":
        pytest.skip("a root of a sum of nothing has no slope")
    loss, inputs = made(SPECS[name], reduction="sum"), floating(SPECS[name])[0]
    weight = torch.zeros(len(inputs[0]), dtype=torch.float64, requires_grad=True)
    expected = torch.stack([loss(*inputs, weight=one) for one in torch.eye(len(weight), dtype=torch.float64)])
    (found,) = torch.autograd.grad(loss(*inputs, weight=weight), weight)
    torch.testing.assert_close(found, expected)
    transformed = SPECS[name].signature not in ("embedding", "views")
    for way in (grad, jacfwd) if transformed else ():
        torch.testing.assert_close(way(lambda w: loss(*inputs, weight=w))(weight.detach()), expected)


@pytest.mark.parametrize("name", ["cross-entropy", "nll", "softmax-focal"])
@pytest.mark.parametrize("soft", [False, True])
def test_class_weights_have_the_gradient_of_finite_differences(name: str, soft: bool) -> None:
    """A weight of 0 too; and that of no class is touched by a label that is ignored."""
    inputs = floating(SPECS[name])[soft]
    labels = inputs[1] if soft else torch.where(torch.arange(6) == 2, -100, inputs[1])
    check(
        lambda w: losszoo.create(name, weight=w, validate=False)(inputs[0], labels),
        torch.tensor([0.5, 1.0, 2.0]).double(),
    )
    loss = losszoo.create(name, weight=(w := torch.tensor([0.0, 1.0, 2.0]).double().requires_grad_()), reduction="sum")
    expected = losszoo.create(name, weight=[1.0, 0.0, 0.0], reduction="sum")(inputs[0], labels)
    torch.testing.assert_close(torch.autograd.grad(loss(inputs[0], labels), w)[0][0], expected)


@by_name
def test_decisions_refuse_to_be_differentiated(name: str) -> None:
    """Who belongs to whom has no slope: multi-hot labels, pairs of one class."""
    spec = SPECS[name]
    if spec.signature not in ("embedding", "pair"):
        pytest.skip("its floating arguments are differentiated")
    first, *others, last = example_inputs(spec.signature, dtype=torch.float64)
    last = one_hot(last).double() if spec.signature == "embedding" else last
    loss = made(spec)
    with pytest.raises(
        UsageError, match=r"must not require a gradient, got requires_grad=True; pass (labels|same)\.detach\(\)"
    ):
        loss(first.requires_grad_(), *others, last.clone().requires_grad_())
    if name not in OF_CLASSES:
        with torch.no_grad():
            assert loss(first, *others, last.clone().requires_grad_()).isfinite()


# Losses whose value of one sample needs no other one.
SINGLE = [n for n, spec in SPECS.items() if spec.signature not in ("embedding", "views") and n not in OVER_BATCH]


@pytest.mark.parametrize("name", [*SINGLE, "linear-cross-entropy"])
@pytest.mark.parametrize("kind", [torch.bool, torch.int64, torch.uint8])
@pytest.mark.parametrize("validate", [None, True])
def test_gradients_of_each_sample_with_mask_and_weight(name: str, kind: torch.dtype, validate: bool | None) -> None:
    """``vmap(grad(loss))``, against one sample after the other: nothing looks at a number."""
    spec = SPECS[name]
    loss, inputs = made(spec), example_inputs(spec.signature, expects=spec.expects, dtype=torch.float64)
    loss.validate = validate
    dims = (0, 0, None, None, 0) if spec.signature == "neighbors" else (0,) * len(inputs)
    mask = torch.tensor([1, 0, 1, 1, 1, 0]).to(kind)
    weight = torch.tensor([0.5, 1.0, 2.0, 0.0, 1.5, 0.0], dtype=torch.float64)

    def alone(weight: Tensor, mask: Tensor, *x: Any) -> Tensor:
        batch = (y if dim is None else y.unsqueeze(0) for y, dim in zip(x, dims, strict=True))
        return loss(*batch, weight=weight.unsqueeze(0), mask=mask.unsqueeze(0), denominator=2.0)

    if name == "rmse":
        loss = losszoo.create("mse", validate=validate)
    found = vmap(grad(alone, argnums=(0, 2)), (0, 0, *dims))(weight, mask, *inputs)
    for place in range(len(mask)):
        one = [x if dim is None else x[place] for x, dim in zip(inputs, dims, strict=True)]
        leaves = [weight[place].clone().requires_grad_(), one[0].clone().requires_grad_()]
        expected = torch.autograd.grad(alone(leaves[0], mask[place], leaves[1], *one[1:]), leaves)
        for x, y in zip(found, expected, strict=True):
            torch.testing.assert_close(x[place], y, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "name", [n for n, s in SPECS.items() if s.signature in ("embedding", "views") and n not in OVER_BATCH]
)
@pytest.mark.parametrize("kind", [torch.bool, torch.int64])
def test_gradients_of_each_batch_with_mask_and_weight(name: str, kind: torch.dtype) -> None:
    """The same for losses whose rows see each other: one gradient for each of several batches."""
    spec = SPECS[name]
    loss = made(spec)
    loss.validate = None
    batches = [example_inputs(spec.signature, rows=8, dtype=torch.float64, seed=seed) for seed in range(3)]
    mask = (torch.arange(24).view(3, 8) % 5 != 0).to(kind)
    weight = torch.arange(24, dtype=torch.float64).view(3, 8) % 4

    def value(first: Tensor, other: Tensor, weight: Tensor, mask: Tensor) -> Tensor:
        return loss(first, other, weight=weight, mask=mask)

    stacked = [torch.stack(x) for x in zip(*batches, strict=True)]
    found = vmap(grad(value, argnums=(0, 2)))(*stacked, weight, mask)
    for place, (first, other) in enumerate(batches):
        leaves = first.clone().requires_grad_(), weight[place].clone().requires_grad_()
        expected = torch.autograd.grad(value(leaves[0], other, leaves[1], mask[place]), leaves)
        for x, y in zip(found, expected, strict=True):
            torch.testing.assert_close(x[place], y, rtol=1e-8, atol=1e-10)


def test_sums_of_losses_take_masks_and_weights_under_a_transform() -> None:
    loss = losszoo.create("mse + 0.5*mae")
    x, y = torch.linspace(-1, 1, 6), torch.zeros(6)
    mask, weight = torch.tensor([1, 0, 1, 1, 1, 0]), torch.linspace(0, 2, 6)
    found = vmap(grad(lambda a, b, w, m: loss(a[None], b[None], weight=w[None], mask=m[None])))(x, y, weight, mask)
    # By hand: 2 x + 0.5 sign(x) where the sample is there, as a mean over one sample has its weight in both parts.
    there = (mask == 1) & (weight > 0)
    torch.testing.assert_close(found, torch.where(there, 2 * x + 0.5 * x.sign(), 0.0))
