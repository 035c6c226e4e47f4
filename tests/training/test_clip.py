"""Norm and clipping, against torch's own clip_grad_norm_ and against numbers at the ends of each type."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from losszoo import UsageError
from losszoo.training.guard.clip import Clip, gradient_norm

NOTHING = torch.zeros(0)


def gradients(scale: float = 1.0, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [scale * torch.randn(shape, generator=generator) for shape in ((3, 4), (4,), (2, 1, 5))]


def parameters(of: list[Tensor]) -> list[nn.Parameter]:
    made = [nn.Parameter(torch.zeros_like(gradient)) for gradient in of]
    for parameter, gradient in zip(made, of, strict=True):
        parameter.grad = gradient.clone()
    return made


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("bound", [0.5, 3.0, 1e9])
def test_by_norm_as_torch_does(scale: float, bound: float) -> None:
    ours, theirs = gradients(scale), parameters(gradients(scale))
    expected = torch.nn.utils.clip_grad_norm_(theirs, bound)
    norm = gradient_norm(ours)
    assert norm == pytest.approx(expected.item(), rel=1e-6)
    assert Clip(norm=bound).apply(ours, norm) is (norm > bound)
    # Torch adds 1e-6 to the norm it divides by.
    for mine, parameter in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, parameter.grad, rtol=1e-5, atol=0)


@pytest.mark.parametrize("bound", [0.1, 1.0, 100.0])
def test_by_value_as_torch_does(bound: float) -> None:
    ours, theirs = [*gradients(), NOTHING], parameters([*gradients(), NOTHING])
    largest = max(gradient.abs().max().item() for gradient in gradients())
    torch.nn.utils.clip_grad_value_(theirs, bound)
    assert Clip(value=bound).apply(ours, gradient_norm(ours)) is (largest > bound)
    for mine, parameter in zip(ours, theirs, strict=True):
        assert parameter.grad is not None
        assert torch.equal(mine, parameter.grad)


def test_norm_first_then_value() -> None:
    given = [torch.tensor([3.0, 4.0])]
    assert Clip(norm=1.0, value=0.7).apply(given, gradient_norm(given))
    torch.testing.assert_close(given[0], torch.tensor([0.6, 0.7]))  # (0.6, 0.8), then 0.8 is cut


def test_nothing_to_measure() -> None:
    assert gradient_norm([]) == 0.0
    assert gradient_norm([NOTHING]) == 0.0
    assert not Clip(norm=1.0, value=1.0).apply([NOTHING], 0.0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_entries_whose_squares_overflow(dtype: torch.dtype) -> None:
    largest = torch.finfo(dtype).max / 4
    given = [torch.full((9,), largest, dtype=dtype), torch.zeros(2, dtype=dtype)]
    norm = gradient_norm(given)
    assert norm == pytest.approx(3 * largest, rel=1e-2 if dtype.itemsize == 2 else 1e-6)  # sqrt(9) times
    assert Clip(norm=1.0).apply(given, norm)
    # A ninth of the square each, whatever the digits of the type.
    assert given[0].double().tolist() == pytest.approx([1 / 3] * 9, rel=1e-2 if dtype.itemsize == 2 else 1e-6)


def test_a_norm_beyond_all_numbers_is_the_largest_number() -> None:
    assert gradient_norm([torch.full((4,), 1.7e308, dtype=torch.float64)]) == torch.finfo(torch.float64).max


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_one_bad_entry_makes_the_norm_bad(bad: float, dtype: torch.dtype) -> None:
    given = [torch.ones(3, dtype=dtype), torch.tensor([1.0, bad], dtype=dtype)]
    assert not math.isfinite(gradient_norm(given))


def test_gradients_of_several_types() -> None:
    assert gradient_norm([torch.tensor([3.0]).half(), torch.tensor([4.0]).double()]) == 5.0


@pytest.mark.parametrize("bound", [0.0, -1.0, math.inf, math.nan])
def test_bounds_are_checked(bound: float) -> None:
    with pytest.raises(UsageError, match="clip_norm must be a number > 0, got "):
        Clip(norm=bound)
    with pytest.raises(UsageError, match="clip_value must be a number > 0, got "):
        Clip(value=bound)
