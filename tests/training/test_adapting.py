"""Bounds that follow the norms: against numpy and formulas in Fraction-like steps, on extremes, and through a guard."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from losszoo import Guard, UsageError
from losszoo.training.guard.adaptive_clip import Adapting, adaptive

NORMS = st.lists(st.floats(0, 1e300, exclude_min=True), min_size=1, max_size=60)


def made(text: str) -> Adapting:
    found = adaptive(text)
    assert found is not None
    return found


@given(NORMS, st.floats(0, 100), st.integers(1, 20))
def test_the_percentile_is_numpys(norms: list[float], percentile: float, window: int) -> None:
    bound = made(f"auto(percentile={percentile!r}, window={window})")
    for last, norm in enumerate(norms, 1):
        seen = norms[max(0, last - window) : last]
        assert bound.bound(norm) == pytest.approx(np.percentile(seen, percentile), rel=1e-12)


def test_the_z_score_by_hand() -> None:
    """Three norms of mean 2 and variance 2/3; then 10 is bounded by 2 + 2 sqrt(2/3), which enters the averages."""
    bound = made("zscore(threshold=2, decay=0.5, warmup=3)")
    assert [bound.bound(x) for x in (1.0, 2.0, 3.0)] == [math.inf] * 3
    first = 2 + 2 * math.sqrt(2 / 3)  # 3.632993161855452
    assert bound.bound(10.0) == pytest.approx(first, rel=1e-14)
    # mean (2 + 3.632993) / 2 = 2.816497; variance (2/3 + 2.666667) / 2 = 1.666667
    assert bound.bound(1.0) == pytest.approx(2.816496580927726 + 2 * math.sqrt(5 / 3), rel=1e-12)


def test_a_spike_does_not_raise_the_bound_for_the_next_one() -> None:
    bound = made("zscore(warmup=5)")
    for norm in (1.0, 1.1, 0.9, 1.05, 0.95):
        bound.bound(norm)
    bounds = [bound.bound(1e9) for _ in range(3)]
    assert all(later < 1.1 * earlier for earlier, later in pairwise(bounds))


@pytest.mark.parametrize("text", ["auto", "zscore(warmup=2)", "auto(window=3, percentile=90)"])
def test_extreme_norms_stay_finite(text: str) -> None:
    bound = made(text)
    for norm in (0.0, 1e-300, 1e308, 1e308, 5e-324, 1.0, 1e308):
        assert not math.isnan(bound.bound(norm))


@pytest.mark.parametrize("text", ["auto", "zscore(warmup=3)"])
def test_a_norm_of_0_says_nothing(text: str) -> None:
    """A term whose weight is still 0 gives no gradient for epochs: a bound of 0 would then end all training."""
    bound, expected = made(text), made(text)
    assert [bound.bound(0.0) for _ in range(40)] == [math.inf] * 40
    assert [bound.bound(x) for x in (1.0, 2.0, 4.0, 3.0)] == [expected.bound(x) for x in (1.0, 2.0, 4.0, 3.0)]


@pytest.mark.parametrize("text", ["auto(window=4)", "zscore(warmup=6)"])
@pytest.mark.parametrize("seen", [0, 3, 9])
def test_it_goes_on_from_its_state(text: str, seen: int) -> None:
    norms = [float(x) for x in np.random.default_rng(0).lognormal(size=20)]
    whole, first, second = made(text), made(text), made(text)
    expected = [whole.bound(x) for x in norms]
    got = [first.bound(x) for x in norms[:seen]]
    second.load_state_dict(first.state_dict())
    assert got + [second.bound(x) for x in norms[seen:]] == expected


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("none", "clip must be auto or zscore, or one with arguments as in"),
        ("2*auto", "clip must be auto or zscore"),
        ("auto + zscore", "clip must be auto or zscore"),
        ("auto(", "clip must be auto or zscore"),
        ("", "clip must be auto or zscore"),
        ("auto(percentil=3)", "clip auto has no argument 'percentil': did you mean percentile"),
        ("auto(percentile=101)", r"clip auto: percentile must be in \[0, 100\], got 101"),
        ("zscore(threshold=0)", r"clip zscore: threshold must be in \(0, inf\), got"),
        ("zscore(warmup=1)", "clip zscore: warmup must be in"),
    ],
)
def test_what_is_no_bound(text: str, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        adaptive(text)


def guard_of(**options: Any) -> tuple[nn.Linear, Guard]:
    model = nn.Linear(1, 1, bias=False)
    return model, Guard(model, torch.optim.SGD(model.parameters(), lr=1.0), policy="skip", bundles=None, **options)


def step(model: nn.Linear, guard: Guard, slope: float) -> float:
    """How far one step goes whose gradient is ``slope``."""
    before = model.weight.item()
    guard.step(slope * model.weight.sum())
    return abs(model.weight.item() - before)


def test_a_non_finite_norm_never_enters() -> None:
    model, guard = guard_of(clip="auto(percentile=50)")
    lengths = [step(model, guard, slope) for slope in (1.0, math.nan, math.inf, 3.0, math.nan)]
    assert lengths == pytest.approx([1.0, 0.0, 0.0, 2.0, 0.0])  # medians of (1,) and (1, 3)
    assert (guard.counts.clipped, guard.counts.nonfinite) == (1, 3)


def test_the_smaller_bound_holds() -> None:
    model, guard = guard_of(clip="auto(percentile=100)", clip_norm=2.0)
    assert [step(model, guard, slope) for slope in (1.0, 5.0)] == pytest.approx([1.0, 2.0])


def test_a_guard_goes_on_from_its_state() -> None:
    model, guard = guard_of(clip="auto(percentile=0)")
    step(model, guard, 1.0)
    other, again = guard_of(clip="auto(percentile=0)")
    again.load_state_dict(guard.state_dict())
    assert step(other, again, 4.0) == pytest.approx(1.0)
