"""Losses on ratios and directions against scikit-learn, SciPy and numbers by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cosine
from sklearn.metrics import mean_absolute_percentage_error, mean_squared_log_error

import losszoo

RANDOM = np.random.default_rng(0)
PREDICTIONS, TARGETS = RANDOM.gamma(1.0, 3.0, 200), RANDOM.gamma(1.0, 3.0, 200)


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_means_are_scikit_learns(dtype, rtol):
    given = torch.tensor(PREDICTIONS, dtype=dtype), torch.tensor(TARGETS, dtype=dtype)
    assert losszoo.create("msle")(*given).item() == pytest.approx(
        mean_squared_log_error(TARGETS, PREDICTIONS), rel=rtol
    )
    expected = mean_absolute_percentage_error(TARGETS, PREDICTIONS)
    assert losszoo.create("mape")(*given).item() == pytest.approx(expected, rel=rtol)
    # No scikit-learn: 2 |p - t| / (|p| + |t|) by NumPy, all of them positive.
    expected = np.mean(2 * np.abs(PREDICTIONS - TARGETS) / (PREDICTIONS + TARGETS))
    assert losszoo.create("smape")(*given).item() == pytest.approx(expected, rel=rtol)


def test_msle_leads_a_prediction_below_minus_1_back():
    """By hand: from -0.99 on the logarithm has the slope 100, so at -2 it is log 0.01 - 101."""
    prediction = torch.tensor([-2.0], requires_grad=True)
    value = losszoo.create("msle")(prediction, torch.zeros(1))
    value.backward()
    logarithm = np.log(0.01) - 101
    assert value.item() == pytest.approx(logarithm**2, rel=1e-5)
    assert prediction.grad.item() == pytest.approx(200 * logarithm, rel=1e-5)


def test_a_target_of_0_is_divided_by_the_floor():
    loss = losszoo.create("mape", floor=0.5, reduction="none")
    assert loss(torch.tensor([1.0, 1.0]), torch.tensor([0.0, 0.25])).tolist() == [2.0, 1.5]


def test_smape_where_both_are_0_and_where_the_sum_would_overflow():
    predictions = torch.tensor([0.0, 3e38, 1e-45], requires_grad=True)
    values = losszoo.create("smape", reduction="none")(predictions, torch.tensor([0.0, 1e38, 0.0]))
    values.sum().backward()
    assert values.tolist() == pytest.approx([0.0, 1.0, 2.0])
    assert predictions.grad.isfinite().all()


# Directions


@pytest.mark.parametrize("scale", [1e-20, 1.0, 1e20])
def test_cosine_distance_is_scipys_at_every_length(scale):
    first, second = RANDOM.normal(size=(5, 3)), RANDOM.normal(size=(5, 3))
    values = losszoo.create("cosine-distance", reduction="none")(
        torch.tensor(scale * first, dtype=torch.float32), torch.tensor(second, dtype=torch.float32)
    )
    np.testing.assert_allclose(values.numpy(), [cosine(a, b) for a, b in zip(first, second, strict=True)], rtol=2e-5)


def test_rows_that_are_nearly_parallel_keep_their_digits():
    """At an angle of 1e-4 the distance is 5e-9, of which 1 minus a cosine keeps no digit in float32."""
    first = torch.tensor([[1.0, 1e-4]], requires_grad=True)
    value = losszoo.create("cosine-distance")(first, torch.tensor([[1.0, 0.0]]))
    value.backward()
    assert value.item() == pytest.approx(5e-9, rel=1e-5)
    # The derivative of half the squared angle y / x: (-y^2 / x^3, y / x^2).
    assert first.grad[0].tolist() == pytest.approx([-1e-8, 1e-4], rel=1e-3)


def test_a_zero_row_costs_1():
    loss = losszoo.create("cosine-distance", reduction="none")
    zero = torch.zeros(1, 3, requires_grad=True)
    value = loss(zero, torch.ones(1, 3))
    value.backward()
    assert (value.item(), zero.grad.tolist()) == (1.0, [[0.0, 0.0, 0.0]])
    assert loss(torch.zeros(1, 3), torch.zeros(1, 3)).item() == 1.0


def test_one_vector_alone_is_refused():
    with pytest.raises(losszoo.UsageError, match=r"vectors must have shape \(N, ..., D\), got shape \(3,\)"):
        losszoo.create("cosine-distance")(torch.ones(3), torch.ones(3))
