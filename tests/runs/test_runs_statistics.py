"""Means, paired intervals and ranks against numbers that scipy.stats gave."""

from __future__ import annotations

import pytest

from losszoo.runs.statistics import deviation, mean, paired, ranks

FIRST = dict(enumerate([0.651, 0.643, 0.662, 0.648, 0.655]))
SECOND = dict(enumerate([0.632, 0.640, 0.629, 0.651, 0.638]))


# scipy 1.17.1: ttest_rel(a, b).confidence_interval(0.95), and the mean of a - b.
@pytest.mark.parametrize(
    ("first", "second", "middle", "low", "high"),
    [
        (FIRST, SECOND, 0.0138, -0.0038123812208455763, 0.0314123812208456),
        (
            {3: 2.11, 7: 2.08, 11: 2.15},
            {3: 2.09, 7: 2.10, 11: 2.05},
            0.03333333333333336,
            -0.11844998801053716,
            0.18511665467720387,
        ),
        ({0: 1e4, 1: -1e4}, {0: 0.0, 1: 1.0}, -0.5, -127068.90046411502, 127067.90046411502),
    ],
)
def test_paired_differences_have_the_interval_of_the_paired_t_test(
    first: dict[int, float], second: dict[int, float], middle: float, low: float, high: float
) -> None:
    found = paired(first, second)
    assert found is not None
    assert (found.mean, found.low, found.high) == pytest.approx((middle, low, high), rel=1e-9)
    assert found.n == len(first)


def test_only_seeds_of_both_are_paired() -> None:
    found = paired(FIRST | {99: 1.0}, {0: 0.632, 1: 0.640, 2: 0.629, 3: 0.651, 4: 0.638, 50: 9.0})
    assert found == paired(FIRST, SECOND)


def test_one_pair_has_a_difference_and_no_interval_and_none_has_neither() -> None:
    found = paired({4: 0.75}, {4: 0.5, 5: 0.1})
    assert found is not None
    assert found.to_dict() == {"mean": 0.25, "low": None, "high": None, "n": 1}
    assert paired({1: 0.5}, {2: 0.5}) is None


def test_equal_values_differ_by_nothing() -> None:
    found = paired(FIRST, FIRST)
    assert found is not None
    assert (found.mean, found.low, found.high) == (0.0, 0.0, 0.0)


def test_mean_and_deviation() -> None:
    """numpy.std(..., ddof=1) of the same numbers."""
    assert deviation(list(FIRST.values())) == pytest.approx(0.007190271204899026, rel=1e-12)
    assert deviation([1e4, -1e4]) == pytest.approx(14142.13562373095, rel=1e-12)
    assert deviation([1.0]) is None
    assert deviation([2.0, 2.0]) == 0.0
    assert mean([]) is None
    assert mean([1.0, 2.0]) == 1.5


def test_ranks_are_shared_by_ties() -> None:
    """scipy.stats.rankdata of the same numbers, of their negatives where the largest is best."""
    values = [0.62, 0.65, 0.65, 0.60, 0.65]
    assert ranks(values, "max") == [4, 2, 2, 5, 2]
    assert ranks(values, "min") == [2, 4, 4, 1, 4]
    assert ranks([], "max") == []
