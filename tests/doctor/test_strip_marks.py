"""A strip shows a mark only where a finding or a note explains it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from examining import LABELS, examine
from sick_losses import normal
from torch import Tensor
from torch.nn import functional as F


def charbonnier(predictions: Tensor, targets: Tensor) -> Tensor:
    return ((predictions - targets).square() + 1e-6).sqrt().mean()


def mean_square(predictions: Tensor, targets: Tensor) -> Tensor:
    return (predictions - targets).square().mean()


def over_likelihood(logits: Tensor, targets: Tensor) -> Tensor:
    return -torch.log(logits.softmax(1)).gather(1, targets[:, None]).mean()


def margin(anchors: Tensor, others: Tensor) -> Tensor:
    return F.relu(1 - (anchors - others + 1e-6).norm(dim=1)).mean()


def wide_margin(anchors: Tensor, others: Tensor) -> Tensor:
    return F.relu((anchors - others).pow(2).sum(1) - 0.5).mean()


@pytest.mark.parametrize(
    ("loss", "inputs"),
    [
        (charbonnier, (normal(6), normal(6, seed=1))),
        (mean_square, (normal(6), normal(6, seed=1))),
        (over_likelihood, (normal(6, 3), LABELS)),
        (margin, (normal(6, 3), normal(6, 3, seed=1))),
        (wide_margin, (normal(6, 3), normal(6, 3, seed=1))),
    ],
)
def test_every_mark_has_a_finding_or_a_note(loss: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> None:
    found = examine(loss, *inputs, effort=2000)
    for strip in found.strips:
        if set(strip.states) - {"finite", "beyond"}:
            told = any(finding.dtype == strip.dtype for finding in found.findings)
            said = f"the strip of {strip.dtype} shows"
            assert told or any(note.startswith(said) or _is_of_others(note, strip.dtype) for note in found.notes)
        else:
            assert not any(note.startswith(f"the strip of {strip.dtype} shows") for note in found.notes)


def _is_of_others(note: str, dtype: str) -> bool:
    """Whether it says that a dtype was not asked for."""
    return note.startswith("marks of ") and dtype in note and note.endswith("looked for in float32 only")


def test_the_note_says_where_and_why() -> None:
    notes = examine(charbonnier, normal(6), normal(6, seed=1), effort=2000).notes
    said = [
        note
        for note in notes
        if note.startswith("the strip of float32 shows 'NaN or infinite' at |predictions| = 1e20")
    ]
    assert len(said) == 1
    assert said[0].endswith("which is no finding: training meets no such sizes")
