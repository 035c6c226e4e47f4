"""Losses that were called healthy without an example, and are not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from examining import LONG
from torch import Tensor

import losszoo

Loss = Callable[..., Tensor]


def against_reference(output: Tensor, reference: Tensor) -> Tensor:
    return -(output - reference).pow(2).mean()


def reconstruction(recon_x: Tensor, x: Tensor) -> Tensor:
    return -((recon_x - x) ** 2).mean()


def beside_a_batch(outputs: Tensor, batch: Tensor) -> Tensor:
    return -((outputs - batch) ** 2).sum(1).mean()


def weighted(pred: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    return -(weight * (pred - target) ** 2).mean()


@pytest.mark.parametrize(
    "loss", [against_reference, reconstruction, beside_a_batch, weighted], ids=lambda f: f.__name__
)
def test_a_square_with_the_wrong_sign_is_unbounded_below(loss: Loss) -> None:
    found = losszoo.examine(loss, budget=LONG)
    assert any("unbounded below" in finding.cause for finding in found.findings)


def test_of_two_tensors_that_no_name_tells_apart_it_is_a_note() -> None:
    """Of two unit vectors the square of the difference is 4 at most."""
    found = losszoo.examine(lambda a, b: -((a - b) ** 2).mean(), budget=LONG)
    assert not any("unbounded below" in finding.cause for finding in found.findings)
    assert any("unbounded below" in note for note in found.notes)


def test_the_right_sign_is_healthy() -> None:
    for loss in (lambda recon_x, x: ((recon_x - x) ** 2).mean(), lambda a, b: ((a - b) ** 2).mean()):
        assert losszoo.examine(loss, budget=LONG).verdict == "healthy"


def dice_of_maps(probs: Tensor, mask: Tensor) -> Tensor:
    overlap = (probs * mask).sum(dim=(1, 2, 3))
    return (1 - 2 * overlap / (probs.sum(dim=(1, 2, 3)) + mask.sum(dim=(1, 2, 3)))).mean()


def dice_of_squares(p: Tensor, m: Tensor) -> Tensor:
    return 1 - 2 * (p * m).sum() / ((p**2).sum() + (m**2).sum())


def dice_of_rows(outputs: Tensor, masks: Tensor) -> Tensor:
    a, b = outputs.flatten(1), masks.flatten(1)
    return (1 - 2 * (a * b).sum(1) / (a.sum(1) + b.sum(1))).mean()


@pytest.mark.parametrize("loss", [dice_of_maps, dice_of_squares, dice_of_rows], ids=lambda f: f.__name__)
def test_an_empty_mask_without_an_epsilon_is_nan(loss: Loss) -> None:
    found = losszoo.examine(loss, budget=LONG)
    assert ("nan-loss", "div") in {(finding.symptom, finding.op) for finding in found.findings}
    assert torch.isnan(loss(torch.zeros(2, 4, 6, 6), torch.zeros(2, 4, 6, 6)))


def test_with_an_epsilon_an_empty_mask_is_healthy() -> None:
    def smooth(probs: Tensor, mask: Tensor) -> Tensor:
        return 1 - (2 * (probs * mask).sum() + 1) / (probs.sum() + mask.sum() + 1)

    assert losszoo.examine(smooth, budget=LONG).verdict == "healthy"
