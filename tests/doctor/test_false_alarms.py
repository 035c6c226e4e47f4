"""Losses that people use, and that were accused once of what no training meets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from examining import examine
from torch import Tensor
from torch.nn import functional as F

LABELS = torch.tensor([0, 1, 2, 3, 0, 1, 2, 3])


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def squared_triplet(anchors: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
    near, far = ((anchors - others).square().sum(1) for others in (positives, negatives))
    return F.relu(near - far + 1).mean()


def crammer_singer(logits: Tensor, labels: Tensor) -> Tensor:
    """An excluded class is never the label."""
    right = logits.gather(1, labels[:, None])
    return (1 + logits - right).clamp(min=0).sum(1).mean() - 1


def made_by_new(anchors: Tensor, others: Tensor) -> Tensor:
    """A tensor that is resized in place, as in code of the first years of torch."""
    far = (anchors - others).square().sum(1)
    wanted = far.new().resize_as_(far.detach()).fill_(1)
    return F.relu(wanted - far).mean()


def distillation(out_s: Tensor, out_t: Tensor) -> Tensor:
    """No gradient belongs to the teacher."""
    return F.kl_div(F.log_softmax(out_s / 3, 1), F.softmax(out_t / 3, 1), reduction="batchmean")


def distillation_of_any_names(ours: Tensor, theirs: Tensor) -> Tensor:
    return F.kl_div(F.log_softmax(ours / 3, 1), F.softmax(theirs / 3, 1), reduction="batchmean")


def soft_cross_entropy(ours: Tensor, theirs: Tensor) -> Tensor:
    return -(F.softmax(theirs, 1) * F.log_softmax(ours, 1)).sum(1).mean()


def scaled_by_history(history: Tensor, forecast: Tensor, future: Tensor) -> Tensor:
    """The gradient of the forecast is right where the history is constant."""
    scale = 1 / history.diff(dim=1).abs().mean(1, keepdim=True)
    scale = torch.where(scale.isinf(), 0.0, scale)
    return ((forecast - future.detach()).abs() * scale).mean()


def exponential_deviance(eta: Tensor, duration: Tensor) -> Tensor:
    """Overflows only where durations are tiny and predictions far too small at once."""
    return (eta + duration * torch.exp(-eta)).mean()


def one_against_all(logits: Tensor, labels: Tensor) -> Tensor:
    """A sigmoid of each class: no class is excluded by -inf."""
    hot = F.one_hot(labels, 4).float()
    return F.binary_cross_entropy_with_logits(logits, hot) + 0.01 * logits.square().clamp(max=100).mean()


TRIPLET = normal(8, 4), normal(8, 4, seed=1), normal(8, 4, seed=2)


@pytest.mark.parametrize(
    ("loss", "inputs"),
    [
        (squared_triplet, TRIPLET),
        (F.triplet_margin_loss, TRIPLET),
        (crammer_singer, (normal(8, 4), LABELS)),
        (made_by_new, TRIPLET[:2]),
        (one_against_all, (normal(8, 4), LABELS)),
        (distillation, TRIPLET[:2]),
        (distillation_of_any_names, TRIPLET[:2]),
        (soft_cross_entropy, TRIPLET[:2]),
        (scaled_by_history, TRIPLET),
        (exponential_deviance, (normal(8), normal(8, seed=1).abs() + 0.5)),
    ],
)
def test_a_loss_that_is_used_everywhere_is_healthy(loss: Callable[..., Any], inputs: tuple[Tensor, ...]) -> None:
    found = examine(loss, *inputs)
    assert (found.verdict, found.findings) == ("healthy", ())


def test_logits_that_exclude_classes_are_scaled_without_them() -> None:
    """The mean and the largest size of logits that hold -inf are those of the others."""
    logits = normal(8, 4).index_put((torch.arange(4), torch.tensor([1, 2, 3, 0])), torch.tensor(-torch.inf))
    found = examine(F.cross_entropy, logits, LABELS)
    assert (found.verdict, found.findings) == ("healthy", ())
    assert found.range["float32"] > 1e4
