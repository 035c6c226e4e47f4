"""The way of one call: few frames in few files, so that a reader can follow it, and time goes into the numbers."""

from __future__ import annotations

import sys
from collections import Counter
from types import FrameType
from typing import Any

import pytest
import torch

import losszoo

LOGITS = torch.randn(32, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(32) % 4
INPUTS = {
    "mse": (LOGITS, LOGITS + 1),
    "cross-entropy": (LOGITS, LABELS),
    "focal": (LOGITS, (LOGITS > 0).float()),
    "nca": (LOGITS, LABELS),
}


def frames_of(loss: Any, *inputs: Any) -> Counter[str]:
    """How many calls of Python functions of the zoo, its plugins included, one call of a loss makes in each file."""
    files: Counter[str] = Counter()

    def see(frame: FrameType, event: str, _: object) -> None:
        name, file = str(frame.f_globals.get("__name__")), frame.f_code.co_filename
        if event == "call" and name.split(".")[0] in ("losszoo", "losszoo_plugins") and file.endswith(".py"):
            files[file] += 1

    before = sys.getprofile()
    sys.setprofile(see)
    try:
        loss(*inputs)
    finally:
        sys.setprofile(before)
    return files


@pytest.mark.parametrize(
    ("name", "most_frames", "most_files"),
    [("mse", 12, 3), ("cross-entropy", 16, 4), ("focal", 16, 4), ("nca", 60, 10)],
)
def test_a_call_can_be_followed(name: str, most_frames: int, most_files: int) -> None:
    loss = losszoo.create(name)
    loss(*INPUTS[name])
    files = frames_of(loss, *INPUTS[name])
    assert sum(files.values()) <= most_frames
    assert len(files) <= most_files
