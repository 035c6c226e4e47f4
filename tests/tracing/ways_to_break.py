"""Ways to break a loss, each with the operation and the line that a person would name.

That line ends in the comment ``# culprit``, so that tests find its number in this file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

Loss = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Way:
    """A loss, the input on which it breaks, and the operation to name."""

    loss: Loss
    op: str
    input: tuple[float, ...]

    @property
    def name(self) -> str:
        """Of the loss."""
        return getattr(self.loss, "__name__", type(self.loss).__name__)


WAYS: list[Way] = []


def way(op: str, *numbers: float) -> Callable[[Any], Any]:
    """Enter a loss that breaks on these numbers."""

    def enter(loss: Any) -> Any:
        WAYS.append(Way(loss() if isinstance(loss, type) else loss, op, numbers))
        return loss

    return enter


@way("log", 0.0, 1.0)
def log_of_zero(x: Tensor) -> Tensor:
    return -torch.log(x).mean()  # culprit


@way("div", 0.0, 0.0)
def quotient_of_zeros(x: Tensor) -> Tensor:
    total = x.sum()
    return (x / total).mean()  # culprit


@way("div", 0.0, 1.0)
def reversed_quotient(x: Tensor) -> Tensor:
    return (1 / x).mean()  # culprit


@way("sqrt", 0.0, 1.0)
def slope_of_a_root(x: Tensor) -> Tensor:
    return torch.sqrt(x).mean()  # culprit


@way("sqrt", -1.0, 1.0)
def root_of_a_negative(x: Tensor) -> Tensor:
    return torch.sqrt(x).mean()  # culprit


@way("exp", 100.0, 1.0)
def log_of_sum_of_exp(x: Tensor) -> Tensor:
    total = torch.exp(x).sum()  # culprit
    return torch.log(total)


@way("pow", 0.0, 1.0)
def slope_of_a_power(x: Tensor) -> Tensor:
    return (x**0.5).mean()  # culprit


@way("square", 1e20, 1.0)
def root_of_squares(x: Tensor) -> Tensor:
    squares = x.square()  # culprit
    return squares.sum().sqrt()


@way("norm", 1e30, 1.0)
def overflow_of_a_norm(x: Tensor) -> Tensor:
    return torch.linalg.vector_norm(x)  # culprit


@way("acos", 1.0, 0.5)
def slope_of_an_angle(x: Tensor) -> Tensor:
    return torch.arccos(x).mean()  # culprit


@way("softmax", 200.0, -200.0)
def log_of_a_softmax(x: Tensor) -> Tensor:
    p = torch.softmax(x, 0)  # culprit
    return -torch.log(p)[1]


@way("softmax", 1.0, 2.0)
def softmax_of_nobody(x: Tensor) -> Tensor:
    nobody = x.masked_fill(torch.ones(2, dtype=torch.bool), -torch.inf)
    return (torch.softmax(nobody, 0) * x).sum()  # culprit


@way("exp", 100.0, 1.0)
def logsumexp_after_exp(x: Tensor) -> Tensor:
    large = torch.exp(x)  # culprit
    return torch.logsumexp(torch.stack([large.log(), x]), 0).sum()


@way("div", 0.0, 1.0)
def division_in_place(x: Tensor) -> Tensor:
    y = torch.ones_like(x)
    y.div_(x)  # culprit
    return y.mean()


@way("log", 0.0, 1.0)
def logarithm_in_place(x: Tensor) -> Tensor:
    y = x + 0
    y.log_()  # culprit
    y.mul_(2)
    return y.mean()


@way("pow", 0.0, 1.0)
def slope_in_place(x: Tensor) -> Tensor:
    y = x + 0
    y.pow_(0.5)  # culprit
    y.mul_(2).add_(1)
    return y.mean()


@way("div", 0.0, 1.0)
def augmented_division(x: Tensor) -> Tensor:
    y = torch.ones_like(x)
    y /= x  # culprit
    y += 1
    return y.mean()


@way("sub", 1.0, 2.0)
def infinities_by_masked_fill_in_place(x: Tensor) -> Tensor:
    y = x * 1
    y.masked_fill_(torch.tensor([True, False]), torch.inf)
    return (y - y.max()).mean()  # culprit


@way("log", 0.0, 1.0)
def written_into_a_part(x: Tensor) -> Tensor:
    y = torch.zeros(3)
    y[:2] = torch.log(x)  # culprit
    return y.sum()


@way("log", 0.0, 1.0)
def view_written_in_place(x: Tensor) -> Tensor:
    y = x * 1
    y[:1].log_()  # culprit
    return (y * 2).sum()


@way("sqrt", 0.0, 1.0)
def slope_of_a_view_in_place(x: Tensor) -> Tensor:
    y = x * 1
    part = y[:1]
    part.sqrt_()  # culprit
    return (y * 2).sum()


@way("log", 0.0, 1.0)
def into_what_is_given(x: Tensor) -> Tensor:
    y = torch.empty(2)
    torch.log(x.detach(), out=y)  # culprit
    return (y * x).sum()


@way("log", 0.0, 1.0)
def gathered_infinity(x: Tensor) -> Tensor:
    logs = x.log()  # culprit
    return logs.gather(0, torch.tensor([0, 0])).sum()


@way("bmm", 1e20, 1e20)
def product_of_matrices(x: Tensor) -> Tensor:
    product = torch.bmm(x.reshape(1, 1, 2), x.reshape(1, 2, 1))  # culprit
    return product.sqrt().sum()


@way("mul", 300.0, 1.0)
def overflow_of_half(x: Tensor) -> Tensor:
    y = x.half() * 300  # culprit
    return y.float().sqrt().sum()


class SquareRoot(torch.autograd.Function):
    """With its derivative by hand, which is right, and infinite at 0."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        root = torch.sqrt(x)
        ctx.save_for_backward(root)
        return root

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (root,) = ctx.saved_tensors
        return grad / (2 * root)


@way("SquareRoot", 0.0, 1.0)
def derivative_by_hand(x: Tensor) -> Tensor:
    y = x * 1
    return SquareRoot.apply(y).sum()  # type: ignore[no-any-return]  # culprit


class Entropy(torch.autograd.Function):
    """Breaks in its forward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x * x.log()  # culprit

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad


@way("log", 0.0, 1.0)
def forward_by_hand(x: Tensor) -> Tensor:
    return (Entropy.apply(x) * 2).sum()  # type: ignore[no-any-return]


@way("log", 0.0, 1.0)
class InAModule(nn.Module):
    """Of a module inside a module."""

    class Inner(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.log()  # culprit

    def __init__(self) -> None:
        super().__init__()
        self.inner = self.Inner()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x * 1).sum()  # type: ignore[no-any-return]


@way("cumsum", 3e38, 3e38)
def running_sum(x: Tensor) -> Tensor:
    running = x.cumsum(0)  # culprit
    return running.sqrt().sum()


@way("std", 1.0)
def spread_of_one(x: Tensor) -> Tensor:
    return x.std()  # culprit


@way("div", 1.0, 1.0)
def inverse_distance(x: Tensor) -> Tensor:
    points = x[:, None]
    return (1 / torch.cdist(points, points)).sum()  # culprit


@way("log", 0.0, 1.0)
def masked_logarithm(x: Tensor) -> Tensor:
    logs = torch.log(x)  # culprit
    return torch.where(x > 0, logs, 0.0).sum()


@way("sub", 1000.1, 1000.0, 1000.0)
def cancelled_variance(x: Tensor) -> Tensor:
    variance = x.square().mean() - x.mean() ** 2  # culprit
    return variance.sqrt()
