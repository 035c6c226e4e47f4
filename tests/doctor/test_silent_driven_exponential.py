"""Learned numbers of a loss that descent takes to where their exponential overflows."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from collection.case import Inputs, classes, normal, uniform
from examining import examine
from healthy_modules import LEARNED
from silent_check import failures_of
from torch import Tensor, nn

from losszoo.doctor.silent.driven_exponential import look_for_driven_exponentials

_PAIR: Inputs = lambda: (normal(8, 4), normal(8, 4, seed=1))  # noqa: E731
_PICK: Inputs = lambda: (normal(8, 5), classes(8, 5))  # noqa: E731


class Learned(nn.Module):
    """A loss with learned numbers, and how they are used."""

    def __init__(self, formula: Callable[[Tensor, Tensor, Tensor], Tensor], count: int = 4, start: float = 0.5) -> None:
        super().__init__()
        self.raw = nn.Parameter(torch.full((count,), start))
        self.formula = formula

    def forward(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return self.formula(self.raw, predictions, targets)


def variance(raw: Tensor, predictions: Tensor, targets: Tensor) -> Tensor:
    spread = torch.log(1.0 + torch.exp(raw)) + 1e-5
    return ((predictions - targets).square() / spread + spread.log()).mean()


def width(raw: Tensor, predictions: Tensor, targets: Tensor) -> Tensor:
    width = (raw.exp() + 1).log()
    return ((predictions - targets).square() / width + 0.01 * width).mean()


def rate(raw: Tensor, predictions: Tensor, targets: Tensor) -> Tensor:
    scale = torch.log1p(torch.exp(raw)) + 1e-3
    return ((predictions - targets).square() / scale + 0.01 * scale).mean()


@pytest.mark.parametrize("formula", [variance, width, rate])
def test_a_softplus_that_is_written_out_overflows_where_descent_leads(formula: Callable[..., Tensor]) -> None:
    ((failure,), _) = failures_of(look_for_driven_exponentials, Learned(formula), _PAIR)
    assert failure.site is not None
    assert failure.site.op == "exp"
    assert failure.symptom in ("inf-loss", "nan-loss", "nan-gradient", "inf-gradient")
    assert "above 88.7" in failure.said[0]


def test_its_remedy_is_tried() -> None:
    found = examine(Learned(variance), *_PAIR(), effort=6000).findings
    assert [(f.op, f.verified) for f in found] == [("exp", True)]
    assert "softplus(raw)" in found[0].remedy


def test_the_numbers_of_the_caller_stay() -> None:
    loss = Learned(variance)
    failures_of(look_for_driven_exponentials, loss, _PAIR)
    assert loss.raw.tolist() == [0.5] * 4


def by_softplus(raw: Tensor, predictions: Tensor, targets: Tensor) -> Tensor:
    spread = F.softplus(raw) + 1e-5
    return ((predictions - targets).square() / spread + spread.log()).mean()


def log_variance(raw: Tensor, predictions: Tensor, targets: Tensor) -> Tensor:
    return (torch.exp(-raw) * (predictions - targets).square() + raw).mean()


def variance_of_log(raw: Tensor, predictions: Tensor, targets: Tensor) -> Tensor:
    spread = raw.exp()
    return ((predictions - targets).square() / spread + spread.log()).mean()


def precision(raw: Tensor, predictions: Tensor, targets: Tensor) -> Tensor:
    return (raw.exp() * (predictions - targets).square() - raw).mean()


def logit_scale(raw: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(raw.exp().mean() * F.normalize(logits, dim=1), labels)


def temperature(raw: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(logits / raw.exp().mean(), labels)


def clip(raw: Tensor, first: Tensor, second: Tensor) -> Tensor:
    similar = raw.exp().mean() * F.normalize(first, dim=1) @ F.normalize(second, dim=1).T
    rows = torch.arange(len(first))
    return (F.cross_entropy(similar, rows) + F.cross_entropy(similar.T, rows)) / 2


def clip_of_the_same(raw: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Every pair is right: a larger scale is better, and ever less so."""
    return clip(raw, first, first + 0 * second)


def laplace(raw: Tensor, predictions: Tensor, targets: Tensor) -> Tensor:
    return ((predictions - targets).abs() / raw.exp() + raw).mean()


def student(raw: Tensor, predictions: Tensor, targets: Tensor) -> Tensor:
    scale = raw.exp()
    return (torch.log1p(((predictions - targets) / scale).square()) + raw).mean()


def kernel(raw: Tensor, predictions: Tensor, targets: Tensor) -> Tensor:
    apart = torch.cdist(predictions, targets).square() / raw.exp().mean()
    return 1 - torch.exp(-apart).mean()


def weights(raw: Tensor, predictions: Tensor, targets: Tensor) -> Tensor:
    return (torch.softmax(raw, 0) * (predictions - targets).square().mean(0)).sum()


def own_softmax(raw: Tensor, predictions: Tensor, targets: Tensor) -> Tensor:
    shares = raw.exp() / raw.exp().sum()
    return (shares * (predictions - targets).square().mean(0)).sum()


def bounded(raw: Tensor, predictions: Tensor, targets: Tensor) -> Tensor:
    spread = torch.log(1 + torch.exp(raw.clamp(max=20))) + 1e-5
    return ((predictions - targets).square() / spread + spread.log()).mean()


def gate(raw: Tensor, predictions: Tensor, targets: Tensor) -> Tensor:
    return ((raw.sigmoid() * predictions - targets).square()).mean()


def decayed(raw: Tensor, predictions: Tensor, targets: Tensor) -> Tensor:
    spread = torch.log(1 + torch.exp(raw)) + 1e-5
    return ((predictions - targets).square() / spread + spread.log()).mean() + raw.square().mean()


def gamma(raw: Tensor, rates: Tensor, targets: Tensor) -> Tensor:
    shape = raw.exp().mean()
    return (torch.lgamma(shape) - shape * torch.log(shape) + shape * (rates.abs() + targets)).mean()


HEALTHY: list[tuple[Callable[..., Tensor], Inputs]] = [
    *((formula, _PAIR) for formula in (by_softplus, log_variance, variance_of_log, precision, clip, clip_of_the_same)),
    *((formula, _PAIR) for formula in (laplace, student, kernel, weights, own_softmax, bounded, gate, decayed)),
    *((formula, _PICK) for formula in (logit_scale, temperature)),
    (gamma, lambda: (uniform(8, 4), uniform(8, 4, seed=1))),
]


@pytest.mark.parametrize(("formula", "inputs"), HEALTHY)
def test_a_number_that_descent_keeps_small_is_left_alone(formula: Callable[..., Tensor], inputs: Inputs) -> None:
    assert failures_of(look_for_driven_exponentials, Learned(formula), inputs)[0] == []


@pytest.mark.parametrize(("loss", "inputs"), [item[1:] for item in LEARNED], ids=[item[0] for item in LEARNED])
def test_a_loss_that_learns_is_left_alone(loss: nn.Module, inputs: Inputs) -> None:
    assert failures_of(look_for_driven_exponentials, loss, inputs)[0] == []
