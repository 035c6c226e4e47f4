"""A lost pairing that comes of a shape that the doctor chose is told as a note, and not as the author's fault."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from examining import LONG, examine
from torch import Tensor, nn

import losszoo


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def contrastive(a: Tensor, b: Tensor, same: Tensor, margin: float = 1.0) -> Tensor:
    distance = (a - b).norm(dim=1)
    return (same * distance**2 + (1 - same) * torch.relu(margin - distance) ** 2).mean()


class Siamese(nn.Module):
    """Keeps the column of the distances, and is right beside a column of labels."""

    def forward(self, output1: Tensor, output2: Tensor, label: Tensor) -> Tensor:
        d = F.pairwise_distance(output1, output2, keepdim=True)
        return torch.mean((1 - label) * d**2 + label * torch.clamp(2.0 - d, min=0.0) ** 2)


def weighted(u: Tensor, v: Tensor, w: Tensor) -> Tensor:
    return (w * (u - v).square().sum(1)).mean()


@pytest.mark.parametrize("loss", [contrastive, Siamese(), weighted], ids=["contrastive", "siamese", "weighted"])
def test_a_guessed_column_accuses_nobody(loss: object) -> None:
    found = losszoo.examine(loss, budget=LONG)  # type: ignore[arg-type]
    assert "broadcast" not in {finding.symptom for finding in found.findings}


def test_the_other_reading_is_told() -> None:
    found = losszoo.examine(Siamese(), budget=LONG)
    (note,) = [note for note in found.notes if "pairing lost by broadcasting" in note]
    assert "(6, 1)" in note
    assert "which the loss accepts too: --example tells which it is" in note


def test_a_pair_is_tried_with_one_number_for_each_row() -> None:
    found = losszoo.examine(contrastive, budget=LONG)
    assert any("a (8, 4), b (8, 4), same (8,) of 0 and 1" in note for note in found.notes)


def test_a_shape_that_somebody_gave_still_accuses() -> None:
    found = examine(Siamese(), normal(6, 4), normal(6, 4, seed=1), torch.tensor([1.0, 0.0, 1.0, 0.0, 1.0, 0.0]))
    assert "broadcast" in {finding.symptom for finding in found.findings}


def test_a_column_that_the_loss_makes_of_every_reading_still_accuses() -> None:
    """Whatever shape the targets have, the flat rows meet the column of the predictions."""

    def loss(predictions: Tensor, targets: Tensor) -> Tensor:
        return (predictions.reshape(-1).sigmoid().reshape(-1, 1) * (targets.reshape(-1) > 0).float()).mean()

    found = losszoo.examine(loss, budget=LONG)
    assert "broadcast" in {finding.symptom for finding in found.findings}
