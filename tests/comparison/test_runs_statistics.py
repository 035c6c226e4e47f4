"""Means, paired intervals and ranks against numbers that scipy.stats gave."""

from __future__ import annotations

import pytest

from losszoo.comparison.statistics import (
    Difference,
    Scores,
    deviation,
    mean,
    mean_ranks,
    paired,
    place,
    ranks,
    to_the_best,
)

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


@pytest.mark.parametrize("gap", [0.0, 0.01, -0.2, 1e4])
def test_equal_differences_have_no_interval(gap: float) -> None:
    """Their spread is 0 but for rounding: 0.651 - 0.641 and 0.643 - 0.633 are not the same number."""
    found = paired(FIRST, {seed: value - gap for seed, value in FIRST.items()})
    assert found is not None
    assert (found.low, found.high, found.n) == (None, None, 5)
    assert found.mean == pytest.approx(gap, abs=1e-9)


def test_small_but_real_differences_have_one() -> None:
    """One row more of a million is right."""
    found = paired(dict(enumerate([0.5, 0.500001, 0.5])), dict.fromkeys(range(3), 0.5))
    assert found is not None
    assert found.low is not None


def test_two_baselines_are_one_pair() -> None:
    scores = {"a": Scores(dict.fromkeys(range(5), 0.75), True), "b": Scores(dict.fromkeys(range(5), 0.5), True)}
    assert to_the_best(scores, "max") == {"b": Difference(-0.25, None, None, 1)}
    assert to_the_best(scores, "min") == {"a": Difference(0.25, None, None, 1)}


def test_a_baseline_and_a_loss_are_a_pair_for_each_seed() -> None:
    scores = {"a": Scores(FIRST), "knn": Scores(dict.fromkeys(FIRST, 0.6), True)}
    (told,) = to_the_best(scores, "max").values()
    assert told.n == 5
    # scipy 1.17.1: ttest_1samp(FIRST, 0.6).confidence_interval(0.95), negated.
    assert (told.low, told.high) == pytest.approx((-0.0607279008924444, -0.0428720991075557), rel=1e-9)


def test_a_baseline_is_no_reason_to_leave_a_loss_out_as_the_best() -> None:
    """Each loss has lost a seed."""
    scores = {
        "best": Scores({0: 0.9, 1: 0.8}),
        "knn": Scores(dict.fromkeys(range(3), 0.5), True),
        "other": Scores({1: 0.7, 2: 0.7}),
    }
    assert set(to_the_best(scores, "max")) == {"knn", "other"}
    assert to_the_best({"none": Scores({})}, "max") == {}


def test_places() -> None:
    assert sorted([0.5, None, 0.9], key=lambda value: place(value, "max")) == [0.9, 0.5, None]
    assert sorted([0.5, None, 0.9], key=lambda value: place(value, "min")) == [0.5, 0.9, None]


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


def test_mean_ranks_are_of_those_that_have_a_number_everywhere() -> None:
    first, second = {"a": 0.9, "b": 0.9, "c": 0.8, "d": 0.99}, {"a": 3.0, "b": 1.0, "c": 2.0}
    assert mean_ranks([(first, "max"), (second, "min")]) == {"b": 1.25, "a": 2.25, "c": 2.5}
    assert mean_ranks([(first, "max")]) == {}
