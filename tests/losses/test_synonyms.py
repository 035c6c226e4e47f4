"""The signature of a function of one's own, told from the names of its arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import losszoo


@pytest.mark.parametrize(
    ("function", "signature"),
    [
        (lambda logits, targets, extra=1: 0, None),  # the names of multiclass and of segmentation
        (lambda embeddings, labels: 0, "embedding"),
        (lambda feats, label: 0, "embedding"),
        (lambda anchor, pos, neg: 0, "triplet"),
        (lambda x1, x2, is_same: 0, "pair"),
        (lambda z1, z2: 0, "views"),
        (lambda maps, masks: 0, "segmentation"),
        (lambda params: 0, "penalty"),
        (lambda y_pred, y_true: 0, None),  # numbers, yes or no, or classes
        (lambda foo, bar: 0, None),
        (lambda feats: 0, None),  # one argument too few
    ],
)
def test_names_of_the_field_tell_the_signature(function: Callable[..., Any], signature: str | None) -> None:
    if signature is not None:
        loss = losszoo.create(function)
        assert isinstance(loss, losszoo.Loss)
        assert loss.signature == signature
        return
    with pytest.raises(losszoo.UsageError, match=r"the signature of .* must be given, got the arguments"):
        losszoo.create(function)


def test_ambiguous_names_are_refused_with_the_candidates() -> None:
    with pytest.raises(losszoo.UsageError, match="those of binary and of multiclass and of regression: say which"):
        losszoo.create(lambda y_pred, y_true: 0)


def test_own_names_come_before_synonyms() -> None:
    """``predictions`` is also what some call logits, and binary and regression have it for themselves."""
    with pytest.raises(losszoo.UsageError, match="those of binary and of regression: say which"):
        losszoo.create(lambda predictions, targets: 0)


def test_a_function_with_other_names_is_called_by_place() -> None:
    loss = losszoo.create(lambda anchor, pos, neg: (anchor - pos).square().sum(1) + 0 * neg.sum(1))
    ones = torch.ones(2, 3)
    # Three differences of 1 in each row.
    assert loss(ones, 0 * ones, ones).item() == 3.0
