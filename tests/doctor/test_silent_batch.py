"""Means too early or over too much, softmax over the batch, and batches of one size only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from collection.case import Inputs, binary, classes, normal
from examining import FEW, examine
from healthy_batches import BATCHES, lengths
from healthy_silent import HEALTHY
from silent_check import failures_of
from torch import Tensor, nn

from losszoo.doctor.silent.batches.batch_softmax import look_for_softmax_over_batch
from losszoo.doctor.silent.batches.diluted_mean import look_for_diluted_means
from losszoo.doctor.silent.batches.early_mean import look_for_early_means
from losszoo.doctor.silent.batches.fixed_batch import look_for_fixed_batch

Loss = Callable[..., Tensor]
CHECKS = (look_for_softmax_over_batch, look_for_early_means, look_for_diluted_means, look_for_fixed_batch)


def misuse(loss: Any, inputs: Inputs) -> tuple[str, str | None, bool | None]:
    found = next(f for f in examine(loss, *inputs(), effort=FEW).findings if f.symptom == "misuse")
    return found.symptom, found.op, found.verified


def log_softmax_first(logits: Tensor, targets: Tensor) -> Tensor:
    return F.nll_loss(F.log_softmax(logits, dim=0), targets)


def softmax_then_log(scores: Tensor, labels: Tensor) -> Tensor:
    p = torch.softmax(scores / 0.7, 0)
    return -torch.log(p[torch.arange(len(labels)), labels]).mean()


def summed(scores: Tensor, labels: Tensor) -> Tensor:
    return -scores.log_softmax(dim=-2).gather(1, labels[:, None]).sum()


def of_pixels(logits: Tensor, targets: Tensor) -> Tensor:
    return F.nll_loss(F.log_softmax(logits, 0), targets)


_PICK: Inputs = lambda: (normal(8, 5), classes(8, 5))  # noqa: E731


@pytest.mark.parametrize(
    ("loss", "inputs", "op"),
    [
        (log_softmax_first, _PICK, "log_softmax"),
        (softmax_then_log, _PICK, "softmax"),
        (summed, _PICK, "log_softmax"),
        (of_pixels, lambda: (normal(3, 4, 2, 2), classes(12, 4).reshape(3, 2, 2)), "log_softmax"),
    ],
)
def test_a_softmax_over_the_batch(loss: Loss, inputs: Inputs, op: str) -> None:
    assert misuse(loss, inputs) == ("misuse", op, True)


def test_over_the_classes_it_is_cross_entropy() -> None:
    found = examine(log_softmax_first, *_PICK(), effort=FEW).findings[0]
    assert "log_softmax(logits, dim=1)" in found.remedy
    logits, targets = _PICK()
    mended = F.nll_loss(torch.log_softmax(logits, dim=1), targets)
    assert float(mended) == pytest.approx(float(F.cross_entropy(logits, targets)))


def early_focal(logits: Tensor, targets: Tensor) -> Tensor:
    entropy = F.cross_entropy(logits, targets)
    return (1 - torch.exp(-entropy)) ** 2 * entropy


def early_binary_focal(outputs: Tensor, targets: Tensor, alpha: float = 0.8) -> Tensor:
    entropy = F.binary_cross_entropy_with_logits(outputs.flatten(), targets.flatten(), reduction="mean")
    return alpha * (1 - torch.exp(-entropy)) ** 2 * entropy


def mean_by_hand(logits: Tensor, targets: Tensor) -> Tensor:
    entropy = F.cross_entropy(logits, targets, reduction="none").mean()
    sure = (-entropy).exp()
    return 0.25 * entropy * (1 - sure).pow(1.5)


@pytest.mark.parametrize(
    ("loss", "inputs", "op"),
    [
        (early_focal, _PICK, "cross_entropy"),
        (early_binary_focal, lambda: (normal(8), binary(8)), "binary_cross_entropy_with_logits"),
        (mean_by_hand, _PICK, "mean"),
    ],
)
def test_a_weight_made_of_a_mean(loss: Loss, inputs: Inputs, op: str) -> None:
    assert misuse(loss, inputs) == ("misuse", op, True)


def diluted(predictions: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    return ((predictions - targets).abs() * mask).mean()


def diluted_vectors(predictions: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    return ((predictions - targets).square() * mask[:, :, None]).mean()


def masked_inputs(predictions: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    return F.mse_loss(predictions * mask, targets * mask)


def from_the_left(predictions: Tensor, targets: Tensor, valid: Tensor) -> Tensor:
    return (F.smooth_l1_loss(predictions, targets, reduction="none") * valid).mean()


_MASK = lengths(10, 6, 3, 8)


@pytest.mark.parametrize(
    ("loss", "mask", "op", "verified"),
    [
        (diluted, _MASK, "mean", True),
        (from_the_left, _MASK.flip(1), "mean", True),
        (masked_inputs, _MASK, "mse_loss", None),
    ],
)
def test_a_mean_over_padding(loss: Loss, mask: Tensor, op: str, verified: bool | None) -> None:
    assert misuse(loss, lambda: (normal(4, 10), normal(4, 10, seed=1), mask)) == ("misuse", op, verified)


def test_a_mean_over_padding_of_vectors() -> None:
    found = failures_of(
        look_for_diluted_means, diluted_vectors, lambda: (normal(4, 10, 3), normal(4, 10, 3, seed=1), _MASK)
    )[0]
    assert [failure.symptom for failure in found] == ["misuse"]


def test_a_mask_that_says_no_lengths_is_a_note() -> None:
    loss, inputs = next(item[1:] for item in BATCHES if item[0] == "weighted")
    found, notes = failures_of(look_for_diluted_means, loss, inputs)
    assert found == []
    assert any("divides by all 40 positions" in note for note in notes)


class Pairs(nn.Module):
    def __init__(self, batch_size: int) -> None:
        super().__init__()
        self.batch_size = batch_size

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        logits = F.normalize(queries, dim=1) @ F.normalize(keys, dim=1).T
        return F.cross_entropy(logits, torch.arange(self.batch_size))


def test_a_batch_of_one_size_only_is_a_note() -> None:
    found, notes = failures_of(look_for_fixed_batch, Pairs(8), lambda: (normal(8, 5), normal(8, 5, seed=1)))
    assert found == []
    assert len(notes) == 1
    assert "batches of 8 rows only: 2, 4, 7 and 16 rows raise at test_silent_batch.py" in notes[0]


@pytest.mark.parametrize("check", CHECKS, ids=[check.__name__ for check in CHECKS])
def test_what_mixes_rows_on_purpose_is_left_alone(check: Any) -> None:
    accused = {name for name, loss, inputs in (*BATCHES, *HEALTHY) if failures_of(check, loss, inputs)[0]}
    assert accused == set()


def test_only_a_fixed_size_is_called_one() -> None:
    noted = {name for name, loss, inputs in BATCHES if failures_of(look_for_fixed_batch, loss, inputs)[1]}
    assert noted == set()
