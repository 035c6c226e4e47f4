"""The same computation in a wider dtype, and memory that holds nothing yet."""

from __future__ import annotations

import torch
from torch import nn

from losszoo.tracing.first_nonfinite import first_non_finite
from losszoo.tracing.widen import Widened

# Widening.


def test_what_is_widened() -> None:
    with Widened(torch.float64):
        model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)).half()
        out = model(torch.ones(4, 2))
        out.square().sum().backward()
        total = torch.zeros(3)
        total += torch.full((3,), 1e200)
        counts = torch.zeros(2, dtype=torch.int64)
    assert {p.dtype for p in model.parameters()} == {torch.float64}
    assert model[0].weight.grad is not None
    assert (out.dtype, model[0].weight.grad.dtype) == (torch.float64, torch.float64)
    assert total.tolist() == [1e200] * 3
    assert counts.dtype == torch.int64


def test_a_narrow_tensor_from_outside_stays_as_it_is() -> None:
    outside, half = torch.zeros(2), torch.ones(2, dtype=torch.float16)
    with Widened(torch.float64):
        outside.add_(torch.ones(2))
        assert (half * 2).dtype == torch.float64
    assert outside.tolist() == [1.0, 1.0]
    assert (outside.dtype, half.dtype) == (torch.float32, torch.float16)


def test_a_wide_step_draws_as_the_narrow_one() -> None:
    torch.manual_seed(0)
    narrow = nn.functional.dropout(torch.ones(500))
    torch.manual_seed(0)
    with Widened(torch.float64):
        wide = nn.functional.dropout(torch.ones(500))
    assert torch.equal(narrow.double(), wide)


def test_a_number_beyond_the_default_dtype() -> None:
    with Widened(torch.float64):
        assert torch.full((2,), 1e200).tolist() == [1e200] * 2
        assert torch.full((2,), 3).dtype == torch.int64
        assert torch.scalar_tensor(1e200).item() == 1e200


def test_memory_that_is_not_yet_written_is_not_to_blame() -> None:
    weight = torch.zeros(2, requires_grad=True)
    torch.use_deterministic_algorithms(True)  # fills such memory with NaN
    try:
        origin = first_non_finite(lambda: (torch.empty_like(weight).copy_(weight) + weight).log().sum())
    finally:
        torch.use_deterministic_algorithms(False)
    assert origin is not None
    assert origin.op == "log"
