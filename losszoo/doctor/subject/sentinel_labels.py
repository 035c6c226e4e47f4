"""Whole numbers among labels that stand for "no label"."""

from __future__ import annotations

from torch import Tensor

# What libraries write where there is no label, and the largest label beside which it is that for certain.
_SENTINELS = {-100: 1_000_000, 255: 200}


def sentinel_of(labels: Tensor) -> int | None:
    """The number among labels that stands for "no label"; None where there is none.

    Example:
        >>> import torch
        >>> sentinel_of(torch.tensor([0, 3, -100])), sentinel_of(torch.tensor([0, 3, 254, 255]))
        (-100, None)
    """
    for sentinel, largest in _SENTINELS.items():
        others = labels[labels != sentinel]
        if len(others) < labels.numel() and bool(((others >= 0) & (others < largest)).all()):
            return sentinel
    return None
