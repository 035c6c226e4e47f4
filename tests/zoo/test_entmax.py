"""Sparsemax and entmax against the entmax package and mpmath."""

from __future__ import annotations

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from classes import close, double, draw, gradient

from losszoo_plugins.classification.sparse import entmax, sparsemax

FIRST, TIED = [1.2, -0.3, 0.7, 0.7, -2.0], [0.25, 0.25, 0.1875, -1.0]
# Package entmax 1.3 (float64) where alpha is 1.3, 1.5 or 2, confirmed by mpmath at 160 digits.
# The rest is mpmath alone.
SPARSE = [
    (2.0, FIRST, 0, 0.083333333333333333),
    (2.0, FIRST, 4, 3.2833333333333333),
    (1.5, FIRST, 0, 0.28012227031536497),
    (1.5, FIRST, 3, 0.78012227031536497),
    (1.3, FIRST, 0, 0.43582992638361885),
    (1.3, FIRST, 4, 3.6358299263836188),
    (1.01, FIRST, 3, 1.3834978081856568),
    (3.0, FIRST, 0, 0.0),
    (3.0, FIRST, 4, 3.2),
    (3.0, TIED, 0, 0.13150784328898587),
    (10.0, TIED, 0, 0.011089409722222222),
    (10.0, TIED, 2, 0.073589409722222222),
    (10.0, TIED, 3, 1.2610894097222222),
]
# The probabilities, from the same place.
MAPS = {
    1.01: [0.406309203219, 0.0884088813652, 0.245013642572, 0.245013642572, 0.015254630272],
    1.3: [0.48315747494, 0.031365677118, 0.242738423971, 0.242738423971, 0.0],
    1.5: [0.535620277309, 0.0, 0.232189861345, 0.232189861345, 0.0],
    2.0: [0.666666666667, 0.0, 0.166666666667, 0.166666666667, 0.0],
    3.0: [1.0, 0.0, 0.0, 0.0, 0.0],
}


@pytest.mark.parametrize(("alpha", "logits", "label", "expected"), SPARSE)
@pytest.mark.parametrize("shift", [0.0, 1e4])
def test_entmax_losses_are_the_packages_and_mpmaths(alpha, logits, label, expected, shift):
    found = entmax(double(logits) + shift, torch.tensor([label]), alpha=alpha)
    torch.testing.assert_close(found, double(expected), rtol=1e-10 if shift else 1e-13, atol=1e-14)


@pytest.mark.parametrize(("alpha", "p"), MAPS.items())
def test_the_gradient_of_entmax_is_probability_minus_target(alpha, p):
    expected = double(p) - double([0.0, 0.0, 1.0, 0.0, 0.0])
    found = gradient(partial(entmax, alpha=alpha), double(FIRST), torch.tensor([2]))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-11)


def test_sparsemax_is_entmax_with_two_and_cross_entropy_is_entmax_near_one():
    logits, labels = draw(20, 6)
    close(sparsemax(logits, labels), entmax(logits, labels, alpha=2.0))
    near = entmax(logits, labels, alpha=1 + 1e-9)
    torch.testing.assert_close(near, F.cross_entropy(logits, labels, reduction="none"), rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("alpha", [1.5, 2.0])
def test_sorting_and_bisection_agree(alpha):
    logits, labels = draw(50, 9)
    neighbour = partial(entmax, alpha=alpha + 1e-12)
    torch.testing.assert_close(entmax(logits, labels, alpha=alpha), neighbour(logits, labels), rtol=1e-9, atol=1e-10)
    by_sorting, by_bisection = (
        gradient(partial(entmax, alpha=alpha), logits, labels),
        gradient(neighbour, logits, labels),
    )
    torch.testing.assert_close(by_sorting, by_bisection, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("alpha", [1.5, 2.0, 3.0, 10.0])
def test_a_target_that_leads_by_enough_costs_nothing(alpha):
    logits = double([1 / (alpha - 1) + 1e-9, 0.0, 0.0])
    loss = partial(entmax, alpha=alpha)
    assert loss(logits, torch.tensor([0])).item() == 0
    assert gradient(loss, logits, torch.tensor([0])).tolist() == [[0.0, 0.0, 0.0]]


@pytest.mark.parametrize("alpha", [1.3, 1.5, 2.0])
def test_entmax_is_zero_where_the_targets_are_its_own_probabilities(alpha):
    loss = partial(entmax, alpha=alpha)
    own = gradient(loss, double(FIRST), torch.tensor([2])) + double([0.0, 0.0, 1.0, 0.0, 0.0])
    close(loss(double(FIRST), own), double(0.0))
    close(gradient(loss, double(FIRST), own), torch.zeros(1, 5, dtype=torch.float64))


@pytest.mark.parametrize(
    ("alpha", "entropy"),
    # Of (1/2, 1/2), by hand: 1/4, and 4/3 (1 - 2^-1/2).
    [(2.0, 0.25), (1.5, 0.39052429175126997)],
)
def test_entmax_of_two_targets_is_their_mean_less_the_entropy(alpha, entropy):
    loss = partial(entmax, alpha=alpha)
    of = {label: loss(double(FIRST), torch.tensor([label])) for label in (0, 4)}
    close(loss(double(FIRST), double([0.5, 0.0, 0.0, 0.0, 0.5])), (of[0] + of[4]) / 2 - entropy)
