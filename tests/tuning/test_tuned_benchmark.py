"""The intervals of ``benchmarks/tuned.py``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from doc_blocks import ROOT
from scipy import stats


@pytest.fixture(scope="module")
def tuned() -> Iterator[Any]:
    """The script, which imports another one of its folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        import tuned as script

        yield script
        for name in ("tuned", "modern_nca"):
            sys.modules.pop(name, None)


def test_the_interval_is_that_of_students_t(tuned: Any) -> None:
    values = np.array([0.3, -0.1, 0.4, 0.1, 0.7])
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert tuned.interval(values) == f"{values.mean():+.4f} +- {(high - low) / 2:.4f}"


def test_the_corrected_interval_is_that_of_nadeau_and_bengio(tuned: Any) -> None:
    """By hand: variance 2.5, (1/5 + 1/4) 2.5 = 1.125; the quantile of t with 4 degrees is 2.776445 (any table)."""
    assert tuned.interval(np.array([1.0, 2.0, 3.0, 4.0, 5.0]), 0.25) == f"+3.0000 +- {2.776445 * 1.125**0.5:.4f}"


def test_seeds_of_a_split_are_one_value(tuned: Any) -> None:
    scores = [tuned.Scores(0.0, split + 0.1 * (seed - 1)) for split in range(5) for seed in range(3)]
    reference = [tuned.Scores(0.0, 0.0)] * 15
    assert tuned.row(reference, None, 0.25) == ["0.0000", "0.0000", "0.0000", "", ""]
    assert tuned.row(scores, reference, 0.25)[3:] == [
        tuned.interval(np.arange(5.0)),
        tuned.interval(np.arange(5.0), 0.25),
    ]
