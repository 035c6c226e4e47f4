"""soft-f1 against scikit-learn's F1 of certain predictions, its gradient, and labels that no row has."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score
from torch import Tensor

import losszoo
from losszoo import UsageError

RANDOM = np.random.default_rng(0)
TRUTH = (RANDOM.random((60, 4)) < [0.5, 0.2, 0.1, 0.0]).astype(float)
GUESS = np.where(RANDOM.random((60, 4)) < 0.8, TRUTH, 1 - TRUTH)


def value(logits: Any, targets: Any, dtype: torch.dtype = torch.float64, **params: Any) -> Tensor:
    loss = losszoo.create("soft-f1", **params)
    found: Tensor = loss(torch.as_tensor(logits, dtype=dtype), torch.as_tensor(targets, dtype=dtype))
    return found


@pytest.mark.parametrize("average", ["macro", "micro"])
def test_of_certain_predictions_it_is_scikit_learns(average: str) -> None:
    found = value(800 * (2 * GUESS - 1), TRUTH, average=average).item()
    assert found == pytest.approx(1 - f1_score(TRUTH, GUESS, average=average, zero_division=0), rel=1e-12)


def test_by_hand() -> None:
    """p = 1/4 and 3/4 for a row that has the label and one that has not: tp 1/4, fp 3/4, fn 3/4."""
    logits = torch.tensor([[1 / 3], [3.0]]).log()
    assert value(logits, [[1.0], [0.0]]).item() == pytest.approx(1.5 / 2)
    assert value(logits, [[1.0], [0.0]], smooth=1.0).item() == pytest.approx(1.5 / 3)


def test_it_is_dice_over_the_batch() -> None:
    logits = RANDOM.normal(size=(60, 4))
    maps = [torch.tensor(x).reshape(60, 4, 1) for x in (logits, TRUTH)]
    dice = losszoo.create("dice", over="batch", smooth=0.3, reduction="none")(*maps)
    torch.testing.assert_close(value(logits, TRUTH, smooth=0.3, reduction="none"), dice)


def test_a_score_near_one_keeps_its_digits() -> None:
    """fp + fn of 60 rows that are right by 30: 60 e^-30 over twice the positives."""
    targets = np.zeros((60, 1))
    targets[:20] = 1
    found = value(30 * (2 * targets - 1), targets, dtype=torch.float32).item()
    assert found == pytest.approx(60 * np.exp(-30) / 40, rel=1e-5)


@pytest.mark.parametrize("size", [3.0, 104.0, 1e4, 1e20])
def test_a_label_that_no_row_has(size: float) -> None:
    """Its limit is 1 at any logit; with smooth it falls to 0 with the probabilities."""
    logits = torch.full((5, 1), -size, requires_grad=True)
    plain = losszoo.create("soft-f1")(logits, torch.zeros(5, 1))
    plain.backward()
    assert plain.item() == 1.0
    assert logits.grad is not None
    assert not logits.grad.any()
    assert value(logits.detach(), torch.zeros(5, 1), smooth=1.0).item() == pytest.approx(
        5 * np.exp(-size) / (1 + np.exp(-size)) / (1 + 5 * np.exp(-size) / (1 + np.exp(-size)))
    )


def test_masked_rows_take_no_part() -> None:
    logits, kept = RANDOM.normal(size=(60, 4)), RANDOM.random(60) < 0.5
    loss = losszoo.create("soft-f1")
    part = loss(torch.tensor(logits), torch.tensor(TRUTH), mask=torch.tensor(kept))
    torch.testing.assert_close(part, value(logits[kept], TRUTH[kept]))
    assert loss(torch.tensor(logits), torch.tensor(TRUTH), mask=torch.zeros(60, dtype=torch.bool)).item() == 0


@pytest.mark.parametrize("average", ["macro", "micro"])
def test_gradcheck(average: str) -> None:
    logits = torch.tensor(RANDOM.normal(size=(6, 4)), requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: value(x, TRUTH[:6], average=average, smooth=0.5), logits)


def test_a_batch_is_not_split() -> None:
    with pytest.raises(UsageError, match="denominator"):
        losszoo.create("soft-f1")(torch.zeros(2, 1), torch.ones(2, 1), denominator=4.0)
