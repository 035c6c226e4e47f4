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


TRIPLET = normal(8, 4), normal(8, 4, seed=1), normal(8, 4, seed=2)


@pytest.mark.parametrize(
    ("loss", "inputs"),
    [
        (squared_triplet, TRIPLET),
        (F.triplet_margin_loss, TRIPLET),
        (crammer_singer, (normal(8, 4), LABELS)),
        (made_by_new, TRIPLET[:2]),
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
