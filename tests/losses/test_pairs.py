"""What every loss over pairs must stand, of whatever family: duplicates, single rows, embeddings far apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hard import HARD

import losszoo
from losszoo.registry.targets import resolve

EMBEDDING = [s for s in losszoo.list_losses("embedding", plugin="losszoo") if s.status == "stable"]


@pytest.mark.parametrize("spec", EMBEDDING, ids=lambda spec: spec.name)
@pytest.mark.parametrize("case", HARD)
def test_stays_finite(case: str, spec: losszoo.LossSpec, dense: Callable[..., Any]) -> None:
    points, labels = HARD[case]
    points = points.clone().requires_grad_()
    values, counts = dense(resolve(spec.target), points, torch.tensor(labels, dtype=torch.int64))
    (gradient,) = torch.autograd.grad(values.sum(), points)
    assert bool(values.isfinite().all())
    assert bool(gradient.isfinite().all())
    assert bool((values[counts == 0] == 0).all())
