"""Row functions run over a whole pair matrix, without the module that streams them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from losszoo import Unreduced, pairwise_logits


def dense_pairs(function: Callable[..., Any], first: Tensor, second: Tensor, **options: Any) -> Unreduced:
    """Values and counts of a row function on embeddings and their labels, or on queries and their keys."""
    contract = function.__losszoo_row__  # type: ignore[attr-defined]
    similarity = options.pop("similarity", contract.similarity)
    temperature = options.pop("temperature", contract.temperature) or 1.0
    same_place = torch.eye(len(first), dtype=torch.bool)
    if second.is_floating_point():
        logits, positive, negative = (
            pairwise_logits(first, second, similarity, temperature),
            same_place,
            ~same_place,
        )
    else:
        logits = pairwise_logits(first, first, similarity, temperature)
        same = second.unsqueeze(1) == second
        positive, negative = same & ~same_place, ~same
    lacking = torch.zeros(len(first), dtype=torch.bool)
    for name, mask in (("positive", positive), ("negative", negative)):
        if name in contract.needs:
            lacking = lacking | ~mask.any(1)
    everyone = lacking.unsqueeze(1)
    result = function(logits, positive | everyone, negative | everyone, **options)
    values, counts = result if isinstance(result, Unreduced) else (result, torch.ones_like(result))
    return Unreduced(torch.where(lacking, 0.0, values), torch.where(lacking, 0.0, counts))


@pytest.fixture(scope="session")
def dense() -> Callable[..., Unreduced]:
    """:func:`dense_pairs`: it builds the logits and masks of a row function and applies its ``needs``."""
    return dense_pairs
