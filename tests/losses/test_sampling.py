"""The share of candidates that a step draws."""

from __future__ import annotations

import pytest
import torch

from losszoo.losses.sampling import sample_neighbors


@pytest.mark.parametrize(
    ("count", "rate", "size"), [(10, 1.0, 10), (10, 0.5, 5), (2673, 0.3, 802), (7, 1e-9, 1), (1, 0.2, 1)]
)
def test_size_order_and_distinctness(count: int, rate: float, size: int) -> None:
    drawn = sample_neighbors(count, rate, torch.Generator().manual_seed(0))
    assert drawn.dtype == torch.int64
    assert drawn.shape == (size,)
    assert bool((drawn.diff() > 0).all())
    assert int(drawn[0]) >= 0
    assert int(drawn[-1]) < count


def test_the_generator_decides() -> None:
    one, same, other = (sample_neighbors(1000, 0.1, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_every_candidate_is_drawn_as_often() -> None:
    generator = torch.Generator().manual_seed(0)
    hits = torch.zeros(20)
    for _ in range(2000):
        hits[sample_neighbors(20, 0.25, generator)] += 1
    # 2000 draws at 1/4 each: 500 expected, standard deviation sqrt(2000 * 3 / 16) = 19.4.
    assert bool(((hits - 500).abs() < 5 * 19.4).all())


@pytest.mark.parametrize("rate", [0.0, -0.1, 1.5, float("nan")])
def test_a_rate_outside_its_range_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match=r"rate must be in \(0, 1\], got "):
        sample_neighbors(10, rate)


def test_no_candidates_are_refused() -> None:
    with pytest.raises(ValueError, match=r"count must be >= 1, got 0"):
        sample_neighbors(0, 0.5)
