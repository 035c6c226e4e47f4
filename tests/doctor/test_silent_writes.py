"""Writes into the caller's tensors, and into what the derivative needs, are found with their line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from collection.case import binary, classes, normal, put, uniform
from silently import line_of, told
from torch import Tensor, nn

X, Y, BITS = normal(8, 5), normal(8, 5, seed=1), binary(8, 5)
LABELS = put(classes(8, 3), slice(0, 3), 255)


def eats_ignored(logits: Tensor, labels: Tensor) -> Tensor:
    keep = (labels != 255).float()
    labels[labels == 255] = 0  # here
    hot = F.one_hot(labels, 3).float()
    return (keep[:, None] * (logits.softmax(1) - hot).square()).mean()


def doubles_targets(predictions: Tensor, targets: Tensor) -> Tensor:
    targets.mul_(2)  # here
    return (predictions - targets).square().mean()


def cools_logits(logits: Tensor, targets: Tensor) -> Tensor:
    logits /= 0.5  # here
    return F.binary_cross_entropy_with_logits(logits, targets)


def through_a_view(predictions: Tensor, targets: Tensor) -> Tensor:
    first = targets[:, 0]
    first.add_(1.0)  # here
    return (predictions - targets).abs().mean()


def with_out(predictions: Tensor, targets: Tensor) -> Tensor:
    torch.sub(predictions.detach(), targets, out=targets)  # here
    return (predictions - targets).square().mean()


def flips_mask(predictions: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    mask.neg_().add_(1)  # here
    return ((predictions - targets).square() * mask).sum() / mask.sum()


@pytest.mark.parametrize(
    ("loss", "inputs", "name"),
    [
        (eats_ignored, (normal(8, 3), LABELS), "labels"),
        (doubles_targets, (X, Y), "targets"),
        (cools_logits, (X, BITS), "logits"),
        (through_a_view, (X, Y), "targets"),
        (with_out, (X, Y), "targets"),
        (flips_mask, (X, Y, put(BITS, slice(0, 2), 1.0)), "mask"),
    ],
)
def test_a_write_into_what_the_caller_keeps(loss: Callable[..., Any], inputs: tuple[Any, ...], name: str) -> None:
    before = [x.clone() for x in inputs]
    (finding,) = told(loss, *inputs, symptom="misuse")
    assert finding.source == line_of(loss, "# here")
    assert f"writes into {name}, which is the caller's" in finding.cause
    assert finding.remedy == f"write into a copy: {name} = {name}.clone() before this line"
    assert finding.verified
    assert all(map(torch.equal, before, inputs))


def product_is_overwritten(logits: Tensor, targets: Tensor) -> Tensor:
    p = torch.sigmoid(logits)
    value = targets * torch.log(p.clamp(min=1e-6))
    p.mul_(targets)  # here
    return -(value * (1 - p)).sum()


def exp_is_overwritten(logits: Tensor, targets: Tensor) -> Tensor:
    e = logits.exp()
    e /= e.sum(1, keepdim=True)  # here
    return (e - targets).square().mean()


def entry_is_overwritten(logits: Tensor, targets: Tensor) -> Tensor:
    p = logits.softmax(1)
    p[:, 0] = 0.5  # here
    return (p * targets).square().mean()


@pytest.mark.parametrize("loss", [product_is_overwritten, exp_is_overwritten, entry_is_overwritten])
def test_a_write_into_what_backward_needs(loss: Callable[..., Any]) -> None:
    (finding,) = told(loss, X, BITS, symptom="raises")
    assert finding.source == line_of(loss, "# here")
    assert "the derivative of an earlier operation needs" in finding.cause
    assert finding.remedy.startswith("write ")


def test_the_write_is_made_out_of_place_as_tried() -> None:
    (product,) = told(product_is_overwritten, X, BITS, symptom="raises")
    assert product.verified


def test_a_derivative_that_raises_for_another_reason_is_told_too() -> None:
    class Refuses(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x * 2

        @staticmethod
        def backward(ctx: Any, *gradients: Tensor) -> Tensor:
            raise RuntimeError("not written yet")

    def loss(x: Tensor) -> Tensor:
        value: Tensor = Refuses.apply(x).sum()  # type: ignore[no-untyped-call]
        return value

    (finding,) = told(loss, X, symptom="raises")
    assert "not written yet" in finding.cause


def test_a_write_does_not_hide_an_inaccuracy_before_it() -> None:
    def overwritten(x: Tensor) -> Tensor:
        rest = 1 - torch.sigmoid(x)
        value = -torch.log(rest * 1.0).mean()
        rest.fill_(1.0)
        return value

    (finding,) = told(overwritten, X, symptom="inf-loss", effort=3000)
    assert finding.source == line_of(overwritten, "rest = 1")


# Healthy.
def on_a_copy(logits: Tensor, labels: Tensor) -> Tensor:
    labels = labels.clone()
    labels[labels == 255] = 0
    return F.cross_entropy(logits, labels)


def idempotent(predictions: Tensor, targets: Tensor) -> Tensor:
    targets.clamp_(min=0)
    return (predictions - targets).square().mean()


def centred(predictions: Tensor, targets: Tensor) -> Tensor:
    targets.sub_(targets.mean())
    return (predictions - targets).square().mean()


def accumulated(predictions: Tensor, targets: Tensor) -> Tensor:
    total = torch.zeros(())
    for row, wanted in zip(predictions, targets, strict=True):
        total += (row - wanted).square().mean()
    return total


def scattered(logits: Tensor, labels: Tensor) -> Tensor:
    hot = torch.zeros_like(logits).scatter_(1, labels.clamp(max=2)[:, None], 1.0)
    return -(hot * logits.log_softmax(1)).sum(1).mean()


def filled(logits: Tensor, targets: Tensor) -> Tensor:
    scores = logits @ targets.T
    scores.fill_diagonal_(-1e4)
    return scores.logsumexp(1).mean()


def rectified(logits: Tensor, targets: Tensor) -> Tensor:
    return F.relu_(1 - logits * targets).mean()


def masked(logits: Tensor, targets: Tensor) -> Tensor:
    scores = logits * 2
    scores.masked_fill_(targets > 0.5, 0.0)
    return scores.square().mean()


def weighted(predictions: Tensor, targets: Tensor) -> Tensor:
    weights = torch.ones_like(targets)
    weights[targets > 0] = 2.0
    return (weights * (predictions - targets).square()).mean()


def normalised(predictions: Tensor, targets: Tensor) -> Tensor:
    weights = targets.abs()
    weights /= weights.sum()
    return (weights * (predictions - targets).abs()).sum()


def shifted(predictions: Tensor, targets: Tensor) -> Tensor:
    error = predictions - targets
    error -= 0.1
    return error.square().mean()


def sorted_out(predictions: Tensor, targets: Tensor) -> Tensor:
    out = torch.empty_like(targets)
    torch.mul(targets, 2, out=out)
    return (predictions - out).square().mean()


class Centre(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(5))

    def forward(self, predictions: Tensor, targets: Tensor) -> Tensor:
        with torch.no_grad():
            self.centre.mul_(0.9).add_(0.1 * targets.mean(0))
        return (predictions - targets - self.centre).square().mean()


def noisy(predictions: Tensor, targets: Tensor) -> Tensor:
    noise = torch.empty_like(targets).normal_()
    return (predictions + 0.1 * noise - targets).square().mean()


def detached_state(predictions: Tensor, targets: Tensor) -> Tensor:
    kept = predictions.detach().clone()
    kept += 1
    return (predictions - targets).square().mean() + kept.mean() * 0


def gradient_safe(logits: Tensor, targets: Tensor) -> Tensor:
    scores = logits + 0.5
    scores += targets
    scores *= 2
    return scores.square().mean()


CONTROLS: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
    (on_a_copy, (normal(8, 3), LABELS)),
    (idempotent, (X, Y)),
    (centred, (X, Y)),
    (accumulated, (X, Y)),
    (scattered, (normal(8, 3), LABELS)),
    (filled, (X, Y)),
    (rectified, (X, 2 * BITS - 1)),
    (masked, (X, BITS)),
    (weighted, (X, Y)),
    (normalised, (X, Y)),
    (shifted, (X, Y)),
    (sorted_out, (X, Y)),
    (Centre(), (X, Y)),
    (noisy, (X, Y)),
    (detached_state, (X, Y)),
    (gradient_safe, (X, uniform(8, 5))),
]


@pytest.mark.parametrize(("loss", "inputs"), CONTROLS)
def test_a_write_that_harms_nothing_is_no_fault(loss: Callable[..., Any], inputs: tuple[Any, ...]) -> None:
    assert not told(loss, *inputs, symptom="misuse")
    assert not told(loss, *inputs, symptom="raises")
