"""Derivatives of derivatives, and torch.func: right or refused in words for every loss, and never 0 in silence."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, grad, hessian, jacrev, vmap

import losszoo
from losszoo import LossSpec, UsageError
from losszoo.losses.signatures.example_inputs import example_inputs
from losszoo.losses.sums.data_sizes import set_sizes

SPECS = {spec.name: spec for spec in losszoo.list_losses(plugin="losszoo")}
by_name = pytest.mark.parametrize("name", SPECS)
# Finite differences of a gradient that is no derivative say nothing of it.
twice_by_name = pytest.mark.parametrize("name", [n for n, spec in SPECS.items() if "detached-weights" not in spec.tags])
# torch's own, from its rules of forward differentiation.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")
Function = Callable[[Tensor], Tensor]


def made(spec: LossSpec, **options: Any) -> Any:
    torch.manual_seed(0)
    loss = losszoo.create(spec.name, **options)
    loss.train("stateful" not in spec.tags)  # whose calls in training move its state
    set_sizes(loss, classes=6, dim=4)
    return loss.double()


def of_first(spec: LossSpec, loss: Any) -> tuple[Function, Tensor]:
    """The loss as a function of its first input, and an ordinary one."""
    inputs = example_inputs(spec.signature, expects=spec.expects, dtype=torch.float64)
    if "combiner" in spec.tags:
        return (lambda x: loss(list(x.square()))), inputs[0][0].flatten()[:2]
    if spec.signature == "penalty":
        return (lambda x: loss([x])), inputs[0][0]
    return (lambda x: loss(x, *inputs[1:])), inputs[0]


def differences(function: Function, at: Tensor) -> Tensor:
    """The second derivative by central differences of the first."""

    def slope(x: Tensor) -> Tensor:
        x = x.detach().requires_grad_()
        return torch.autograd.grad(function(x), x)[0].flatten()

    steps = 1e-5 * torch.eye(at.numel(), dtype=torch.float64).unflatten(1, at.shape)
    return torch.stack([(slope(at + step) - slope(at - step)) / 2e-5 for step in steps])


def twice(function: Function, at: Tensor) -> Tensor:
    x = at.clone().requires_grad_()
    (slope,) = torch.autograd.grad(function(x), x, create_graph=True)
    if not slope.requires_grad:  # a linear loss
        return torch.zeros(x.numel(), x.numel(), dtype=torch.float64)
    rows = (torch.autograd.grad(s, x, retain_graph=True, allow_unused=True)[0] for s in slope.flatten())
    return torch.stack([torch.zeros_like(x) if row is None else row for row in rows])


SECOND: dict[str, Callable[[Function, Tensor], Tensor]] = {
    "hessian": torch.autograd.functional.hessian,
    "vectorized": lambda f, x: torch.autograd.functional.hessian(f, x, vectorize=True),
    "allow_unused": twice,
    "func.hessian": lambda f, x: hessian(f)(x),
    "jacrev twice": lambda f, x: jacrev(jacrev(f))(x),
}


def close(found: Tensor, expected: Tensor) -> None:
    shape = expected.shape
    torch.testing.assert_close(found.reshape(shape), expected, rtol=1e-5, atol=1e-6 * (1 + float(expected.abs().max())))


def weighted(loss: Function) -> Function:
    """Each value with a factor of its own, so that none can stand for another."""

    def total(x: Tensor) -> Tensor:
        values = loss(x)
        return (values * torch.arange(1, 1 + values.numel()).view_as(values)).sum()

    return total


def refuses(name: str, way: str = "hessian") -> bool:
    """The losses over pairs that are functions of a softmax are streamed, but under a transform."""
    row = getattr(losszoo.create(name).function, "__losszoo_row__", None)
    return row is not None and row.softmax is not None and way in ("hessian", "vectorized", "allow_unused")


@twice_by_name
@pytest.mark.parametrize("way", SECOND)
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_second_derivatives_are_right_or_refused(name: str, way: str, reduction: str) -> None:
    """Against finite differences of the gradient."""
    spec = SPECS[name]
    options: dict[str, Any] = {} if spec.signature == "penalty" else {"reduction": reduction}
    loss, at = of_first(spec, made(spec, **options))
    if refuses(name, way):
        with pytest.raises(UsageError, match="must form the whole matrix to be differentiated twice"):
            SECOND[way](weighted(loss), at)
        loss, _ = of_first(spec, made(spec, streaming=losszoo.Streaming(dense=True), **options))
    close(SECOND[way](weighted(loss), at), differences(weighted(loss), at))


@twice_by_name
def test_a_strict_second_derivative_is_right_or_refused(name: str) -> None:
    loss, at = of_first(SPECS[name], made(SPECS[name]))
    strict = partial(torch.autograd.functional.hessian, loss, at, strict=True)
    if refuses(name):
        with pytest.raises(UsageError, match="must form the whole matrix to be differentiated twice"):
            strict()
    elif name in ("nll", "kl-div"):  # torch's own refusal of what is linear in its inputs
        with pytest.raises(RuntimeError, match="independent of"):
            strict()
        assert differences(loss, at).abs().max() < 1e-9
    else:
        close(strict(), differences(loss, at))


@pytest.mark.parametrize("leaf", ["weight", "bias"])
def test_the_layer_of_linear_cross_entropy_has_a_second_derivative(leaf: str) -> None:
    loss = made(SPECS["linear-cross-entropy"])
    rows, labels = example_inputs("embedding", dtype=torch.float64)
    name = f"function.layer.{leaf}"
    parameters = dict(loss.named_parameters())

    def value(x: Tensor) -> Tensor:
        return functional_call(loss, {**parameters, name: x}, (rows, labels))

    at = parameters[name].detach()
    close(torch.autograd.functional.hessian(value, at), differences(value, at))
    close(hessian(value)(at), differences(value, at))


# Losses whose value of one sample needs no other one.
SINGLE = {
    name: spec
    for name, spec in SPECS.items()
    if spec.signature not in ("embedding", "views", "penalty") or name == "linear-cross-entropy"
}


def batch(spec: LossSpec) -> tuple[tuple[Any, ...], tuple[int | None, ...]]:
    """Inputs, and the dimension of each along which the samples lie."""
    inputs = example_inputs(spec.signature, expects=spec.expects, dtype=torch.float64)
    return inputs, (0, 0, None, None, 0) if spec.signature == "neighbors" else (0,) * len(inputs)


def alone(loss: Any, dims: tuple[int | None, ...]) -> Callable[..., Tensor]:
    """The loss of one sample, as a batch of one."""
    return lambda *x: loss(*(x if dim is None else x.unsqueeze(0) for x, dim in zip(x, dims, strict=True)))


@pytest.mark.parametrize("name", SINGLE)
def test_gradients_of_each_sample(name: str) -> None:
    """``vmap(grad(loss))``, against one sample after the other."""
    loss, (inputs, dims) = made(SINGLE[name]), batch(SINGLE[name])
    found = vmap(grad(alone(loss, dims)), dims)(*inputs)
    for place in range(len(inputs[0])):
        one = [x if dim is None else x[place : place + 1] for x, dim in zip(inputs, dims, strict=True)]
        leaf = one[0].clone().requires_grad_()
        (expected,) = torch.autograd.grad(loss(leaf, *one[1:]), leaf)
        torch.testing.assert_close(found[place : place + 1], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", [name for name, spec in SPECS.items() if spec.signature in ("embedding", "views")])
def test_gradients_of_each_batch(name: str) -> None:
    """A loss over pairs has no value of one sample; one of each of several batches it has."""
    loss = made(SPECS[name])
    batches = [
        example_inputs(SPECS[name].signature, rows=8, classes=classes, dtype=torch.float64, seed=seed)
        for seed, classes in enumerate((2, 3, 4))
    ]
    found = vmap(grad(loss))(*(torch.stack(x) for x in zip(*batches, strict=True)))
    for slopes, (first, *others) in zip(found, batches, strict=True):
        leaf = first.clone().requires_grad_()
        (expected,) = torch.autograd.grad(loss(leaf, *others), leaf)
        torch.testing.assert_close(slopes, expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("name", [name for name, spec in SPECS.items() if spec.signature == "penalty"])
def test_gradients_of_each_of_several_models(name: str) -> None:
    loss, at = of_first(SPECS[name], made(SPECS[name]))
    stacked = torch.stack([at, 2 * at, 3 * at])
    expected = torch.stack([grad(loss)(x) for x in stacked])
    torch.testing.assert_close(vmap(grad(loss))(stacked), expected)


@pytest.mark.parametrize("signature", ["binary", "multiclass", "regression"])
def test_gradients_of_the_parameters_of_a_network_by_sample(signature: str) -> None:
    """The recipe of torch's tutorial on per-sample gradients, and the sum of them is that of the whole batch."""
    torch.manual_seed(0)
    network = torch.nn.Linear(5, 3 if signature == "multiclass" else 1, dtype=torch.float64)
    parameters = {name: x.detach() for name, x in network.named_parameters()}
    rows, (_, targets) = torch.randn(6, 5, dtype=torch.float64), example_inputs(signature, dtype=torch.float64)
    for name in (name for name, spec in SPECS.items() if spec.signature == signature and spec.expects == "logits"):
        loss = losszoo.create(name, reduction="sum") if name != "rmse" else losszoo.create("mse", reduction="sum")

        def value(given: dict[str, Tensor], row: Tensor, target: Tensor, loss: Any = loss) -> Tensor:
            outputs = functional_call(network, given, (row.unsqueeze(0),))
            return loss(outputs if signature == "multiclass" else outputs.squeeze(1), target.unsqueeze(0))

        each = vmap(grad(value), (None, 0, 0))(parameters, rows, targets)
        network.zero_grad()
        outputs = network(rows)
        loss(outputs if signature == "multiclass" else outputs.squeeze(1), targets).backward()
        for key, parameter in network.named_parameters():
            torch.testing.assert_close(each[key].sum(0), parameter.grad)


@pytest.mark.parametrize("name", [name for name, spec in SINGLE.items() if spec.signature in ("binary", "multiclass")])
def test_jacobians_weights_and_masks_under_a_transform(name: str) -> None:
    spec = SINGLE[name]
    inputs, _ = batch(spec)
    loss = losszoo.create(name, reduction="none").train("stateful" not in spec.tags)
    weight = torch.linspace(0.5, 2.0, 6, dtype=torch.float64)
    mask = torch.tensor([True, False, True, True, True, True])
    found = jacrev(lambda x: loss(x, *inputs[1:], weight=weight, mask=mask))(inputs[0])
    leaf = inputs[0].clone().requires_grad_()
    values = loss(leaf, *inputs[1:], weight=weight, mask=mask)
    expected = torch.stack([torch.autograd.grad(v, leaf, retain_graph=True)[0] for v in values])
    torch.testing.assert_close(found, expected)
    each = vmap(lambda x, y, w, m: loss(x.unsqueeze(0), y.unsqueeze(0), weight=w.unsqueeze(0), mask=m.unsqueeze(0)))
    torch.testing.assert_close(each(*inputs, weight, mask).flatten(), values.detach())


def test_nothing_left_is_nan_where_it_could_not_raise() -> None:
    """``empty="raise"`` cannot look under a transform: NaN is seen, a 0 would not be."""
    raising = losszoo.create("mse", empty="raise")
    nothing = torch.zeros(2, 3, dtype=torch.bool)
    assert vmap(lambda x, m: raising(x, x, mask=m))(torch.ones(2, 3), nothing).isnan().all()


@pytest.mark.parametrize("similarity", ["euclidean", "squared-euclidean", "cosine", "dot"])
@pytest.mark.parametrize("count", [4, 600])  # from 2^20 numbers on by one matrix product
@pytest.mark.parametrize("way", ["hessian", "func.hessian"])
def test_pairwise_logits_have_a_second_derivative(similarity: str, count: int, way: str) -> None:
    generator = torch.Generator().manual_seed(0)
    rows, columns = (torch.randn(count, 3, generator=generator, dtype=torch.float64) for _ in range(2))

    def value(x: Tensor) -> Tensor:
        """Of few numbers, which move rows and columns."""
        left, right = (torch.cat([y[:-1], y[-1:] + x]) for y in (rows, columns))
        return losszoo.pairwise_logits(left, right, similarity, 0.5).sin().sum()

    at = torch.tensor([0.1, -0.2, 0.3], dtype=torch.float64)
    close(SECOND[way](value, at), differences(value, at))


@pytest.mark.parametrize("name", ["entmax", "sparsemax", "softmax-focal", "linear-cross-entropy", "focal", "dice"])
def test_closed_forms_take_several_gradients_at_once(name: str) -> None:
    """A Jacobian by one batched backward pass, against one row after the other."""
    spec = SPECS[name]
    loss, at = of_first(spec, made(spec, reduction="none"))
    found = torch.autograd.functional.jacobian(loss, at, vectorize=True)
    torch.testing.assert_close(found, torch.autograd.functional.jacobian(loss, at))
