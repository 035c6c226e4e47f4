"""A true value that the dtype cannot hold is no fault of the loss, whatever its gradient is there."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from examining import FEW, examine
from torch import Tensor

from losszoo.doctor.diagnosis.judge import judge
from losszoo.doctor.subject.subject import make_subject


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def contrastive(first: Tensor, second: Tensor, same: Tensor) -> Tensor:
    distance = F.pairwise_distance(first, second)
    return (same * (1 - distance).clamp(min=0) ** 2 + (1 - same) * distance**2).mean()


@pytest.mark.parametrize("size", [2e19, 1e20, 1e25])
def test_a_sum_of_squares_beyond_float32_is_judged_by_its_value(size: float) -> None:
    """The square of 2e19 is 4e38; its gradient is 4e19 in float64, and NaN where 0 meets the infinity."""

    def squares(x: Tensor, weight: Tensor) -> Tensor:
        square = x**2
        return (weight * square.sum() + (0.0 * square.sum()).clamp(max=1.0)).sum()

    subject = make_subject(squares, (normal(4), torch.ones(1)), ("x", "weight"))
    answer = judge(subject, [torch.full((4,), size), torch.ones(1)], torch.float32)
    assert answer.symptom is not None
    assert not answer.sick


def test_a_moderate_input_whose_value_is_beyond_float32_is_no_fault() -> None:
    """exp(exp(6)) is 1e175: float64 holds it, and no form of it fits float32."""
    subject = make_subject(lambda x: torch.exp(torch.exp(x)).mean(), (normal(4),), ("x",))
    answer = judge(subject, [torch.full((4,), 6.0)], torch.float32)
    assert answer.beyond
    assert not answer.sick


def test_an_outlier_that_no_form_cures_is_no_finding() -> None:
    same = torch.tensor([1.0, 0.0, 1.0, 0.0, 1.0, 0.0])
    found = examine(contrastive, normal(6, 4), normal(6, 4, seed=1), same, effort=4000)
    assert not any("outlier" in finding.probe for finding in found.findings)


def test_a_structural_infinity_stays_a_finding() -> None:
    found = examine(lambda x: (1 / (x - 1)).mean(), normal(6).abs() + 0.5, effort=FEW)
    assert found.verdict == "sick"
