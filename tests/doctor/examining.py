"""The whole examination of a loss by one ordinary input."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

import losszoo
from losszoo.doctor.report.examination import Examination

LABELS = torch.tensor([0, 1, 2, 0, 1, 2])
# More than any of them needs, also on a machine that is busy.
LONG = 600.0
# Enough for what the first few inputs show.
FEW = 400


def examine(loss: Any, *inputs: Any, **options: Any) -> Examination:
    """By one ordinary input."""
    return losszoo.examine(loss, example=lambda: inputs, **{"budget": LONG, **options})


def blamed(examination: Examination) -> set[tuple[str | None, str | None]]:
    return {(finding.op, finding.source) for finding in examination.findings}


def mse(predictions: Tensor, target: Tensor) -> Tensor:
    return (predictions - target).square().mean()
