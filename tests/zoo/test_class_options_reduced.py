"""Options on losses that reduce by themselves: one number, values over images or over the batch."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from classes import close, draw, step
from torch import Tensor, nn

import losszoo
from losszoo import UsageError, create


class Reduced(nn.Module):
    def __init__(self) -> None:
        super().__init__()

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(logits, targets)


def test_a_loss_that_returns_one_number_takes_no_option_in_silence() -> None:
    logits, labels = draw(7, 4)
    close(create(Reduced, signature="multiclass")(logits, labels), F.cross_entropy(logits, labels))
    labels[0] = -100
    with pytest.raises(UsageError, match=r"ignore_index must leave nothing out, as this loss returns one number; re"):
        create(Reduced, signature="multiclass")(logits, labels)
    with pytest.raises(UsageError, match=r"Reduced: mask must be left out, as this loss returns one number"):
        create(Reduced, signature="multiclass")(*draw(7, 4), mask=labels != 0)
    with pytest.raises(UsageError, match="weights of an option must be left out"):
        create(Reduced, signature="multiclass", weight=[0.5, 2.0, 0.0, 1.0])(*draw(7, 4))


def over_batch(logits: Tensor, targets: Tensor) -> Any:
    """A value of each channel over the whole batch."""
    return losszoo.OverBatch((logits.sigmoid() * targets).mean((0, 2)))


def of_images(logits: Tensor, targets: Tensor) -> Tensor:
    """A value of each image."""
    return F.cross_entropy(logits, targets, reduction="none").mean(1)


def by_image(logits: Tensor, targets: Tensor) -> Tensor:
    return torch.stack([F.cross_entropy(z, t) for z, t in zip(logits.movedim(1, -1), targets, strict=True)])


def channels(logits: Tensor, targets: Tensor) -> Tensor:
    # The log odds of a class in a softmax are the inverse of its sigmoid.
    return (logits.softmax(1) * F.one_hot(targets, 4).movedim(-1, 1)).mean((0, 2)).mean()


MIXED = [
    (Reduced, "multiclass", F.cross_entropy),
    (of_images, "multiclass", lambda z, t: by_image(z, t).mean()),
    (over_batch, "segmentation", channels),
]


@pytest.mark.parametrize(("loss", "signature", "expected"), MIXED)
def test_a_loss_that_mixes_elements_goes_where_numbers_cannot_be_looked_at(
    loss: Any, signature: str, expected: Any
) -> None:
    logits, labels = draw(6, 4, 5)
    mixing = create(loss, signature=signature)
    slope, value = torch.func.grad_and_value(mixing)(logits, labels)
    wanted, by_hand = step(expected, logits, labels)
    close(value, wanted)
    close(slope, by_hand)
    close(torch.compile(mixing, backend="eager")(logits, labels), wanted)
    assert mixing(logits.to("meta"), labels.to("meta")).shape == ()


@pytest.mark.parametrize(("loss", "signature", "expected"), MIXED)
def test_what_is_ignored_there_is_seen_as_nan(loss: Any, signature: str, expected: Any) -> None:
    logits, labels = draw(6, 4, 5)
    labels[0, 0] = -100
    mixing = create(loss, signature=signature)
    with pytest.raises(UsageError, match=r"must (leave nothing out|select whole samples), as "):
        mixing(logits, labels)
    assert torch.func.grad_and_value(mixing)(logits, labels)[1].isnan()
    assert torch.compile(mixing, backend="eager")(logits, labels).isnan()


def test_an_image_that_is_ignored_in_part_is_not_left_out_in_silence() -> None:
    logits, labels = draw(4, 4, 5)
    labels[0], labels[1, 0] = -100, -100
    values = torch.func.vmap(create(of_images, signature="multiclass", reduction="none"))(logits[None], labels[None])
    expected = torch.cat((torch.tensor([0.0, math.nan]), by_image(logits[2:], labels[2:])))
    close(values[0], expected, equal_nan=True)
