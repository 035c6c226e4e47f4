"""Distances of two samples, by numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from torch import Tensor

from losszoo import UsageError, create
from losszoo.testing import check_signature


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


FIRST, SECOND = draw(7, 3), draw(5, 3, seed=1) + 0.5


def test_the_signature() -> None:
    assert check_signature("samples").failed == {}


@pytest.mark.parametrize("unbiased", [False, True])
@pytest.mark.parametrize(("kernel", "bandwidths"), [("gaussian", [1.0]), ("gaussian", [0.5, 2.0]), ("laplace", [1.5])])
def test_mmd_is_the_mean_of_kernels_of_numpy(kernel: str, bandwidths: list[float], unbiased: bool) -> None:
    def mean(x: Tensor, y: Tensor, within: bool) -> float:
        d = cdist(x.numpy(), y.numpy())
        k = sum(np.exp(-(d**2) / (2 * b**2)) if kernel == "gaussian" else np.exp(-d / b) for b in bandwidths)
        if within and unbiased:
            return (k.sum() - np.trace(k)) / (len(d) * (len(d) - 1))
        return k.mean()

    expected = mean(FIRST, FIRST, True) + mean(SECOND, SECOND, True) - 2 * mean(FIRST, SECOND, False)
    loss = create("mmd", kernel=kernel, bandwidths=bandwidths, unbiased=unbiased)
    assert loss(FIRST, SECOND).item() == pytest.approx(expected, rel=1e-9)
    assert loss(FIRST.float(), SECOND.float()).item() == pytest.approx(expected, rel=1e-5, abs=1e-6)
    torch.autograd.gradcheck(loss, (FIRST.clone().requires_grad_(), SECOND.clone().requires_grad_()))


def test_the_energy_kernel_is_the_energy_distance() -> None:
    between, first, second = (
        cdist(x.numpy(), y.numpy()).mean() for x, y in ((FIRST, SECOND), (FIRST, FIRST), (SECOND, SECOND))
    )
    assert create("mmd", kernel="energy")(FIRST, SECOND).item() == pytest.approx(2 * between - first - second, rel=1e-9)


@pytest.mark.parametrize("kernel", ["gaussian", "laplace", "energy"])
def test_equal_samples_are_at_no_distance_with_a_finite_gradient(kernel: str) -> None:
    rows = FIRST.clone().requires_grad_()
    value = create("mmd", kernel=kernel)(rows, FIRST.flip(0))
    value.backward()
    assert abs(value.item()) < 1e-14
    assert rows.grad.abs().max() < 1e-12


def test_samples_that_nearly_agree_keep_their_digits() -> None:
    """Two points that are d apart: 2 (1 - exp(-d^2 / 2)), which is d^2; a kernel of 1 has no digits of it."""
    value = create("mmd")(torch.zeros(1, 2), torch.tensor([[1e-5, 0.0]]))
    assert value.item() == pytest.approx(1e-10, rel=1e-5)


@pytest.mark.parametrize("size", [1e4, 1e20, 1e30])
def test_samples_far_apart_are_at_the_largest_distance(size: float) -> None:
    first, second = torch.zeros(1, 2, requires_grad=True), torch.full((1, 2), size)
    value = create("mmd")(first, second)
    value.backward()
    assert value.item() == 2
    assert not first.grad.isnan().any()


def test_one_row_has_no_unbiased_value_and_masked_rows_take_no_part() -> None:
    assert create("mmd", unbiased=True)(FIRST[:1], SECOND).item() == 0
    there = torch.arange(7) % 2 == 0
    rows = torch.where(there[:, None], FIRST, torch.nan)
    for options in ({}, {"unbiased": True}, {"kernel": "energy"}):
        loss = create("mmd", **options)
        torch.testing.assert_close(loss(rows, SECOND, mask=there), loss(FIRST[there], SECOND))
    assert create("mmd")(FIRST, SECOND, mask=torch.zeros(7, dtype=torch.bool)).item() == 0
    assert math.isfinite(create("mmd")(FIRST[:0], SECOND).item())


def test_samples_of_another_width_are_refused() -> None:
    with pytest.raises(UsageError, match=r"second must have shape \(M, 3\), M >= 1, got shape \(5, 2\)"):
        create("mmd")(FIRST, SECOND[:, :2])
    with pytest.raises(UsageError, match="second must have shape"):
        create("mmd")(FIRST, SECOND[:0])


SINES = torch.arange(18, dtype=torch.float64).mul(1.7).sin().view(6, 3)
COSINES = torch.arange(12, dtype=torch.float64).mul(0.9).cos().view(4, 3) + 0.5


@pytest.mark.parametrize(
    ("blur", "iterations", "expected", "tolerance"),
    # POT 0.9.7: the plans of ot.sinkhorn(method="sinkhorn_log", reg=blur**2, stopThr=1e-14), cost plus entropy.
    [
        (2.0, 50, 0.42766572929723246, 1e-9),
        (0.5, 500, 0.8862757574532742, 1e-9),
        (0.5, 50, 0.8862757574532742, 1e-6),
        (0.2, 500, 0.9689059206722235, 1e-6),
    ],
)
def test_sinkhorn_is_that_of_pot(blur: float, iterations: int, expected: float, tolerance: float) -> None:
    loss = create("sinkhorn", blur=blur, iterations=iterations)
    assert loss(SINES, COSINES).item() == pytest.approx(expected, rel=tolerance)
    assert loss(SINES.float(), COSINES.float()).item() == pytest.approx(expected, rel=1e-5)


def test_the_gradient_of_sinkhorn_is_that_of_finite_differences() -> None:
    loss = create("sinkhorn", blur=0.5, iterations=300)
    torch.autograd.gradcheck(loss, (SINES.clone().requires_grad_(), COSINES.clone().requires_grad_()), atol=1e-7)


def test_sinkhorn_of_points_is_half_the_squared_distance_whatever_the_blur() -> None:
    for blur in (0.01, 1.0, 100.0):
        for size in (1e-4, 1.0, 1e4, 1e18):
            first, second = torch.zeros(1, 2, requires_grad=True), torch.tensor([[3.0, 4.0]]) * size
            value = create("sinkhorn", blur=blur)(first, second)
            value.backward()
            assert value.item() == pytest.approx(12.5 * size**2, rel=1e-5)
            torch.testing.assert_close(first.grad, -second, rtol=1e-5, atol=0)


def test_sinkhorn_of_equal_samples_is_zero_and_single_equal_points_do_not_fail() -> None:
    """geomloss fails on two single equal points (its issue 74), as their diameter is 0."""
    for rows in (SINES, SINES[:1], torch.ones(5, 3, dtype=torch.float64)):
        first = rows.clone().requires_grad_()
        value = create("sinkhorn")(first, rows.flip(0))
        value.backward()
        assert abs(value.item()) < 1e-12
        assert first.grad.abs().max() < 1e-9


def test_sinkhorn_beyond_float32_is_infinite_not_nan() -> None:
    first = (SINES * 1e25).float().requires_grad_()
    value = create("sinkhorn")(first, COSINES.float())
    value.backward()
    assert value.isposinf()
    assert not first.grad.isnan().any()


def test_masked_rows_take_no_part_in_sinkhorn() -> None:
    there = torch.arange(6) % 2 == 0
    rows = torch.where(there[:, None], SINES, torch.nan).requires_grad_()
    loss = create("sinkhorn", blur=0.5)
    value = loss(rows, COSINES, mask=there)
    torch.testing.assert_close(value, loss(SINES[there], COSINES))
    value.backward()
    assert not rows.grad[~there].any()
    assert loss(SINES, COSINES, mask=torch.zeros(6, dtype=torch.bool)).item() == 0
