"""What every loss over pairs must stand, of whatever family: duplicates, single rows, embeddings far apart."""

from __future__ import annotations

import pytest
import torch
from hard import HARD

import losszoo
from losszoo.registry.import_target import resolve

EMBEDDING = [
    spec
    for spec in losszoo.list_losses("embedding", plugin="losszoo")
    if spec.status == "stable" and hasattr(resolve(spec.target), "__losszoo_row__")
]


@pytest.mark.parametrize("spec", EMBEDDING, ids=lambda spec: spec.name)
@pytest.mark.parametrize("case", HARD)
def test_stays_finite(case: str, spec: losszoo.LossSpec, way: losszoo.Streaming) -> None:
    points, labels = HARD[case]
    points = points.clone().requires_grad_()
    values = losszoo.create(spec.name, reduction="none", streaming=way)(points, torch.tensor(labels, dtype=torch.int64))
    (gradient,) = torch.autograd.grad(values.sum(), points)
    assert bool(values.isfinite().all())
    assert bool(gradient.isfinite().all())
