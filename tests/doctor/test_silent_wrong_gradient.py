"""A backward that is not the derivative of its forward is found; one that is meant to be another is a note."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from collection.case import normal
from silently import line_of, noted, told
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

X, Y = normal(8), normal(8, seed=1)


class Squared(Function):
    """A right one; the others change its backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return 2 * x * gradients[0]


class Doubled(Squared):
    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Any:  # type: ignore[override]
        (x,) = ctx.saved_tensors
        return 4 * x * grad_output


class Flipped(Squared):
    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Any:  # type: ignore[override]
        (x,) = ctx.saved_tensors
        return -2 * x * grad_output


class WithoutIncoming(Squared):
    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Any:  # type: ignore[override]
        (x,) = ctx.saved_tensors
        return 2 * x


class Misremembered(Squared):
    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Any:  # type: ignore[override]
        (x,) = ctx.saved_tensors
        return 2 * x**3 * grad_output


class Exchanged(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        ctx.save_for_backward(x, y)
        return x * y

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Any:  # type: ignore[override]
        x, y = ctx.saved_tensors
        return x * grad_output, y * grad_output


class InNewStyle(Function):
    @staticmethod
    def forward(x: Tensor, power: int) -> Tensor:
        return x**power

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(inputs[0])
        ctx.power = inputs[1]

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Any:  # type: ignore[override]
        (x,) = ctx.saved_tensors
        return ctx.power * x ** (ctx.power + 1) * grad_output, None


def of_error(function: Any, *more: Any) -> Callable[[Tensor, Tensor], Tensor]:
    apply = function.apply

    def loss(predictions: Tensor, targets: Tensor) -> Tensor:
        value: Tensor = apply(predictions - targets, *more).mean()
        return value

    return loss


@pytest.mark.parametrize(
    ("function", "more", "said"),
    [
        (Doubled, (), "gives 2 times the derivative of forward"),
        (Flipped, (), "gives minus the derivative of forward"),
        (WithoutIncoming, (), "leaves out the gradient that comes in"),
        (Misremembered, (), "where differences of forward give"),
        (InNewStyle, (4,), "where differences of forward give"),
    ],
)
def test_a_wrong_backward(function: Any, more: tuple[Any, ...], said: str) -> None:
    (finding,) = told(of_error(function, *more), X, Y, symptom="wrong-gradient")
    assert (finding.op, finding.source) == (function.__name__, line_of(function.backward, "return"))
    assert said in finding.cause


def test_the_gradients_of_two_inputs_are_exchanged() -> None:
    def loss(first: Tensor, second: Tensor) -> Tensor:
        value: Tensor = Exchanged.apply(first, second).sum()  # type: ignore[no-untyped-call]
        return value

    (finding,) = told(loss, X, Y, symptom="wrong-gradient")
    assert finding.op == "Exchanged"


@pytest.mark.parametrize(
    ("function", "remedy"),
    [
        (Doubled, "return (4 * x * grad_output) / 2 instead of"),
        (Flipped, "return -(-2 * x * grad_output) instead of"),
        (WithoutIncoming, "return grad_output * (2 * x) instead of return 2 * x"),
    ],
)
def test_the_remedy_is_run(function: Any, remedy: str) -> None:
    (finding,) = told(of_error(function), X, Y, symptom="wrong-gradient")
    assert remedy in finding.remedy
    assert finding.verified


def test_the_class_is_as_it_was() -> None:
    forward, backward = Doubled.forward, Doubled.backward
    told(of_error(Doubled), X, Y, symptom="wrong-gradient")
    assert (Doubled.forward, Doubled.backward) == (forward, backward)
    assert "forward" not in vars(Doubled)


def written(forward: Callable[..., Any], backward: Callable[..., Any]) -> Any:
    """A Function of two plain functions: of the input, and of the input and the incoming gradient."""

    class Written(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Any:
            ctx.save_for_backward(x)
            return forward(x)

        @staticmethod
        @once_differentiable
        def backward(ctx: Any, *gradients: Tensor) -> Any:
            return backward(*ctx.saved_tensors, *gradients)

    return Written


same = lambda x: x.clone()  # noqa: E731
RIGHT = [
    written(lambda x: x.exp(), lambda x, g: g * x.exp()),
    written(lambda x: x.abs(), lambda x, g: g * x.sign()),
    written(lambda x: x.relu(), lambda x, g: g * (x > 0)),
    written(lambda x: x * x.sigmoid(), lambda x, g: g * x.sigmoid() * (1 + x * (1 - x.sigmoid()))),
    written(lambda x: x.square().sum(), lambda x, g: 2 * g * x),
    written(lambda x: (x.sin(), x.cos()), lambda x, g, h: g * x.cos() - h * x.sin()),
    written(lambda x: (x.float().exp()).to(x.dtype), lambda x, g: g * x.exp()),
]
MEANT = [
    written(torch.round, lambda x, g: g),
    written(lambda x: (x > 0).to(x.dtype), lambda x, g: g / (1 + x.abs()) ** 2),
    written(torch.sign, lambda x, g: g * (x.abs() < 1)),
    written(same, lambda x, g: -g),
    written(same, lambda x, g: 0.1 * g),
    written(same, lambda x, g: g.clamp(-0.01, 0.01)),
    written(same, lambda x, g: g / (g.norm() + 1e-6)),
    written(lambda x: x.clamp(-0.5, 0.5), lambda x, g: g),
    written(lambda x: 2 * x, lambda x, g: (2 * g).clamp(-0.5, 0.5)),
    written(lambda x: x.exp(), lambda x, g: g * x.exp() * (x < 0.3)),
    written(lambda x: x.tanh(), lambda x, g: g * (1 - x.tanh() ** 2) * 1.01),
]


@pytest.mark.parametrize("function", [Squared, *RIGHT])
def test_a_right_backward_is_not_spoken_of(function: Any) -> None:
    def loss(predictions: Tensor, targets: Tensor) -> Tensor:
        made = function.apply(predictions - targets)
        return sum(x.mean() for x in (made if isinstance(made, tuple) else (made,)))  # type: ignore[return-value]

    assert not told(loss, X, Y, symptom="wrong-gradient")
    assert "backward" not in noted(loss, X, Y)


@pytest.mark.parametrize("function", MEANT[:-1])
def test_what_may_be_meant_is_a_note(function: Any) -> None:
    assert not told(of_error(function), X, Y, symptom="wrong-gradient")


def test_a_straight_through_estimate_is_noted() -> None:
    assert "which may be meant (straight-through)" in noted(of_error(MEANT[0]), X, Y)
    assert "which may be meant (reversal)" in noted(of_error(MEANT[3]), X, Y)
