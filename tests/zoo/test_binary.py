"""The binary losses of classification against numbers from elsewhere, and at their ends."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from classes import close, double, draw, gradient

from losszoo_plugins.classification.binary import bce, bce_probabilities
from losszoo_plugins.classification.focal import focal
from losszoo_plugins.classification.margin import hinge, squared_hinge

# Value for target 1: mpmath, 300 digits, from p = 1 / (1 + exp(-x)) as it stands; +-1e4 in closed form.
POSITIVE = [
    (bce, 0.0, 0.69314718055994531),
    (bce, 0.5, 0.47407698418010668),
    (bce, -3.0, 3.0485873515737421),
    (bce, 40.0, 4.248354255291589e-18),
    (bce, -1e4, 1e4),
    (bce, 1e4, 0.0),
    (partial(focal, gamma=0.5), 0.0, 0.4901290717342736),
    (partial(focal, gamma=0.5), -3.0, 2.9754183296501912),
    (partial(focal, gamma=0.5), 40.0, 8.7565107626965203e-27),
    (partial(focal, gamma=0.5), -1e4, 1e4),
    (partial(focal, gamma=0.5), 1e4, 0.0),
    (focal, 0.5, 0.067573490517503636),
    (focal, -3.0, 2.766280441025262),
    (focal, 40.0, 7.6676480737219996e-53),
    (focal, -1e4, 1e4),
    # By hand.
    (hinge, 0.25, 0.75),
    (hinge, 1.0, 0.0),
    (hinge, -1e4, 10001.0),
    (squared_hinge, 0.25, 0.5625),
    (squared_hinge, 1e4, 0.0),
    (partial(hinge, margin=0.5), 0.25, 0.25),
    (partial(squared_hinge, margin=2.0), 0.5, 2.25),
]


@pytest.mark.parametrize(("loss", "logit", "expected"), POSITIVE)
def test_a_positive_label_costs_what_mpmath_says_and_a_negative_one_mirrors_it(loss, logit, expected):
    torch.testing.assert_close(loss(double(logit), double(1.0)), double(expected), rtol=1e-13, atol=0)
    torch.testing.assert_close(loss(double(-logit), double(0.0)), double(expected), rtol=1e-13, atol=0)


@pytest.mark.parametrize(
    ("gamma", "logit", "expected"),
    # Derivative in mpmath, 300 digits.
    [
        (0.5, 0.0, -0.47608565852684216),
        (0.5, -3.0, -1.0002673398454892),
        (0.5, 40.0, -1.313476614404478e-26),
        (2.0, 40.0, -2.3002944221165999e-52),
        (0.5, 1e4, 0.0),
        (0.5, -1e4, -1.0),
    ],
)
def test_the_focal_gradient_survives_saturation(gamma, logit, expected):
    found = gradient(partial(focal, gamma=gamma), double(logit), double(1.0))
    torch.testing.assert_close(found, double(expected), rtol=1e-12, atol=0)


@pytest.mark.parametrize("pos_weight", [None, 3.0, [0.5, 1.0, 4.0], double(0.5, 1.0, 4.0)])
def test_bce_is_torchs_on_soft_targets(pos_weight):
    logits, _ = draw(4, 3)
    targets = draw(4, 3, seed=1)[0].sigmoid()
    weight = None if pos_weight is None else torch.as_tensor(pos_weight, dtype=torch.float64)
    expected = F.binary_cross_entropy_with_logits(logits, targets, pos_weight=weight, reduction="none")
    close(bce(logits, targets, pos_weight=pos_weight), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_bce_on_probabilities_is_torchs_at_the_ends_too(dtype):
    p = torch.tensor([0.0, 1.0, 0.5, 0.3, 1e-20, 1e-9, 1 - 1e-7], dtype=dtype).repeat(3, 1)
    targets = torch.tensor([[0.0], [1.0], [0.25]], dtype=dtype).expand_as(p)
    expected = F.binary_cross_entropy(p, targets, reduction="none")
    torch.testing.assert_close(bce_probabilities(p, targets), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    ("p", "target", "value", "slope"),
    # By hand: 0 log 0 = 0 and has no slope, the other term has slope 1; wrong ends have torch's bounds.
    [(0.0, 0.0, 0.0, 1.0), (1.0, 1.0, 0.0, -1.0), (0.0, 1.0, 100.0, -1e12), (1.0, 0.0, 100.0, 1e12)],
)
def test_certain_probabilities_have_a_usable_gradient(p, target, value, slope):
    assert bce_probabilities(double(p), double(target)).item() == value
    assert gradient(bce_probabilities, double(p), double(target)).item() == slope


def test_focal_weighs_the_classes_and_is_bce_without_discount():
    logits = double(-2.0, 0.0, 3.0)
    targets = double(1.0, 0.5, 0.0)
    close(
        focal(logits, targets, gamma=0.0),
        F.binary_cross_entropy_with_logits(logits, targets, reduction="none"),
    )
    # By hand: a quarter of log(2) / 4 for the positive class, three quarters for the negative one.
    close(focal(double(0.0, 0.0), double(1.0, 0.0), alpha=0.25), double(1.0, 3.0) * math.log(2) / 16)
