"""The classification family against numbers from elsewhere, and at its extremes."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import hinge_loss
from torch import Tensor

from losszoo import Unreduced, UsageError, create, list_losses
from losszoo_plugins.classification.binary import bce, bce_probabilities
from losszoo_plugins.classification.cross_entropy import cross_entropy, nll, softmax_nll_eps, topk_softmax
from losszoo_plugins.classification.focal import focal, softmax_focal
from losszoo_plugins.classification.margin import hinge, multiclass_hinge, squared_hinge, weston_watkins
from losszoo_plugins.classification.sparse import entmax, sparsemax

SPECS = list_losses(plugin="classification")

NAN, INF = math.nan, math.inf
close = partial(torch.testing.assert_close, rtol=1e-12, atol=1e-14)

MULTICLASS = [
    cross_entropy,
    partial(cross_entropy, label_smoothing=0.1),
    nll,
    softmax_nll_eps,
    partial(topk_softmax, k=2),
    sparsemax,
    entmax,
    partial(entmax, alpha=1.01),
    partial(entmax, alpha=1.3),
    partial(entmax, alpha=10.0),
    multiclass_hinge,
    weston_watkins,
    softmax_focal,
    partial(softmax_focal, gamma=0.5),
    partial(softmax_focal, gamma=0.0),
]
BINARY = [
    bce,
    partial(bce, pos_weight=3.0),
    focal,
    partial(focal, gamma=0.5),
    partial(focal, alpha=0.25),
    hinge,
    squared_hinge,
]


def name_of(loss: Callable[..., Any]) -> str:
    return f"{loss.func.__name__}-{loss.keywords}" if isinstance(loss, partial) else loss.__name__


def each(losses: list[Callable[..., Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("loss", losses, ids=name_of)


def values(result: Tensor | Unreduced) -> Tensor:
    return result.values if isinstance(result, Unreduced) else result


def mean(result: Unreduced) -> Tensor:
    return result.values.sum() / result.counts.sum()


def gradient(loss: Callable[..., Any], logits: Tensor, targets: Tensor) -> Tensor:
    leaf = logits.clone().requires_grad_()
    return torch.autograd.grad(values(loss(leaf, targets)).sum(), leaf)[0]


def double(*numbers: Any) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def draw(*shape: int, seed: int = 0, scale: float = 2.0) -> tuple[Tensor, Tensor]:
    """Logits (N, C, ...) and labels (N, ...)."""
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(shape, generator=generator, dtype=torch.float64)
    return logits, torch.randint(shape[1], (shape[0], *shape[2:]), generator=generator)


# Binary losses ----------------------------------------------------------------------------------------------

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


# Cross-entropy and log-likelihood ---------------------------------------------------------------------------

WEIGHT = [0.5, 2.0, 0.0, 1.0, 3.0]
TORCH_KEYWORDS = [
    {},
    {"weight": WEIGHT},
    {"label_smoothing": 0.2},
    {"label_smoothing": 1.0},
    {"weight": WEIGHT, "label_smoothing": 0.2},
    {"ignore_index": 1},
    {"weight": WEIGHT, "label_smoothing": 0.2, "ignore_index": 1},
]


@pytest.mark.parametrize("keywords", TORCH_KEYWORDS)
@pytest.mark.parametrize("shape", [(7, 5), (4, 5, 3), (2, 5, 3, 2)])
def test_cross_entropy_is_torchs_in_every_reduction(keywords, shape):
    logits, labels = draw(*shape)
    theirs = dict(keywords)
    if "weight" in keywords:
        theirs["weight"] = double(*WEIGHT)
    _same_as_torch(cross_entropy, F.cross_entropy, logits, labels, keywords, theirs)
    if "ignore_index" not in keywords:
        _same_as_torch(cross_entropy, F.cross_entropy, logits, draw(*shape, seed=1)[0].softmax(1), keywords, theirs)
    if "label_smoothing" not in keywords:
        _same_as_torch(nll, F.nll_loss, logits.log_softmax(1), labels, keywords, theirs)


def _same_as_torch(ours, torchs, logits, targets, keywords, theirs):
    mine, other = (logits.clone().requires_grad_() for _ in range(2))
    result = ours(mine, targets, **keywords)
    close(result.values, torchs(other, targets, reduction="none", **theirs))
    close(result.values.sum(), torchs(other, targets, reduction="sum", **theirs))
    expected = torchs(other, targets, **theirs)
    close(mean(result), expected)
    mean(result).backward()
    expected.backward()
    close(mine.grad, other.grad)


@each([cross_entropy, nll, softmax_focal])
@pytest.mark.parametrize("ignore_index", [-100, 99, 2])
def test_an_ignored_target_takes_no_part_whatever_stands_there(loss, ignore_index):
    logits = double([0.2, 0.3, 0.5], [NAN, INF, -INF], [0.1, 0.8, 0.1]).log().requires_grad_()
    result = loss(logits, torch.tensor([0, ignore_index, 1]), ignore_index=ignore_index, weight=[1.0, 2.0, 3.0])
    (grad,) = torch.autograd.grad(result.values.sum(), logits)
    assert result.counts.tolist() == [1.0, 0.0, 2.0]
    assert result.values[1] == 0
    assert result.values.isfinite().all()
    assert (grad[1] == 0).all()
    assert grad.isfinite().all()
    assert (grad[0] != 0).any()


SOFT = [cross_entropy, sparsemax, entmax, partial(entmax, alpha=1.3)]


@pytest.mark.parametrize(
    ("loss", "soft"), [(topk_softmax, False), *((loss, soft) for loss in SOFT for soft in (False, True))]
)
def test_a_class_ruled_out_by_minus_infinity_is_as_if_it_were_not_there(loss, soft):
    logits = double([1.0, -INF, 0.5], [-INF, -INF, 2.0])
    targets = double([0.25, 0.0, 0.75], [0.0, 0.0, 1.0]) if soft else torch.tensor([2, 2])
    left = double([0.25, 0.75], [0.0, 1.0]) if soft else torch.tensor([1, 1])
    close(values(loss(logits, targets))[:1], values(loss(logits[:1, ::2], left[:1])))
    assert values(loss(logits, targets))[1] == 0
    grad = gradient(loss, logits, targets)
    close(grad[:1, ::2], gradient(loss, logits[:1, ::2], left[:1]))
    assert (grad[:, 1] == 0).all()
    assert (grad[1] == 0).all()


@each([multiclass_hinge, weston_watkins, softmax_focal])
def test_the_other_losses_bear_a_ruled_out_class_too(loss):
    logits = double([1.0, -INF, 0.5], [-INF, -INF, 2.0])
    close(values(loss(logits, torch.tensor([2, 2])))[:1], values(loss(logits[:1, ::2], torch.tensor([1]))))
    assert gradient(loss, logits, torch.tensor([2, 2])).isfinite().all()


def test_the_exhibit_loses_its_gradient_where_cross_entropy_keeps_it():
    logits, labels = double([1e4, 0.0]), torch.tensor([1])
    close(softmax_nll_eps(logits, labels), double(8 * math.log(10)))
    assert gradient(softmax_nll_eps, logits, labels).tolist() == [[0.0, 0.0]]
    close(cross_entropy(logits, labels).values, double(1e4))
    assert gradient(cross_entropy, logits, labels).tolist() == [[1.0, -1.0]]


@pytest.mark.parametrize(
    ("k", "label", "expected"),
    # For logits 3, 1, 1, 0, -1. The sums are by hand, their logarithms from mpmath.
    [
        (1, 0, 0.0),
        (1, 3, 3.0485873515737421),  # log(1 + e^3)
        (2, 0, 0.1269280110429725),  # log(1 + e^-2)
        (2, 1, 2.1269280110429725),  # log(1 + e^2): a target that ties for the second place has it
        (2, 2, 2.1269280110429725),
        (2, 3, 3.1698460195562857),  # log(1 + e + e^3)
        (3, 0, 0.2395447662218845),  # log(1 + 2 e^-2)
        (3, 4, 4.253856022085945),  # log(1 + 2 e^2 + e^4)
    ],
)
def test_topk_keeps_the_k_largest_and_the_target(k, label, expected):
    logits = double([3.0, 1.0, 1.0, 0.0, -1.0])
    close(topk_softmax(logits, torch.tensor([label]), k=k), double(expected))


@pytest.mark.parametrize("k", [5, 50])
def test_topk_of_all_classes_is_cross_entropy(k):
    logits, labels = draw(6, 5, 2)
    close(topk_softmax(logits, labels, k=k), F.cross_entropy(logits, labels, reduction="none"))
    expected = gradient(partial(F.cross_entropy, reduction="sum"), logits, labels)
    close(gradient(partial(topk_softmax, k=k), logits, labels), expected)


# Sparse losses ----------------------------------------------------------------------------------------------

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


# Margins ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("margin", [0.0, 1.0, 2.5])
def test_weston_watkins_is_torchs_times_the_number_of_classes(margin):
    logits, labels = draw(8, 5)
    expected = 5 * F.multi_margin_loss(logits, labels, margin=margin, reduction="none")
    close(weston_watkins(logits, labels, margin=margin), expected)


def test_multiclass_hinge_is_scikit_learns():
    logits, labels = draw(30, 5)
    expected = hinge_loss(labels.numpy(), logits.numpy(), labels=range(5))
    assert multiclass_hinge(logits, labels).mean().item() == pytest.approx(expected, rel=1e-12)


def test_rivals_that_tie_share_the_gradient_of_the_multiclass_hinge():
    assert gradient(multiclass_hinge, double([0.0, 2.0, 2.0]), torch.tensor([0])).tolist() == [[-1.0, 0.5, 0.5]]


# Softmax focal ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("logits", "label", "gamma", "expected"),
    # mpmath, 300 digits, from p = softmax(z) as it stands; 1e4 in closed form.
    [
        ([1.0, 2.0, 0.5], 0, 0.5, 1.2839567648526279),
        ([1.0, 2.0, 0.5], 0, 2.0, 0.86546639990464049),
        ([1.0, 2.0, 0.5], 1, 0.5, 0.28302440478582905),
        ([100.0, 0.0, -100.0], 0, 0.5, 7.1750959731644104e-66),
        ([100.0, 0.0, -100.0], 0, 2.0, 5.1482002224120138e-131),
        ([30.0, 0.0, 0.0], 1, 0.5, 29.999999999998784),
        ([30.0, 0.0, 0.0], 1, 2.0, 29.999999999994573),
        ([1e4, 0.0, -1e4], 2, 0.5, 2e4),
        ([1e4, 0.0, -1e4], 0, 0.5, 0.0),
    ],
)
def test_softmax_focal_is_mpmaths(logits, label, gamma, expected):
    found = softmax_focal(double(logits), torch.tensor([label]), gamma=gamma).values
    torch.testing.assert_close(found, double(expected), rtol=1e-12, atol=0)


def test_softmax_focal_without_discount_is_cross_entropy_and_weighs_like_it():
    logits, labels = draw(6, 5, 2)
    result = softmax_focal(logits, labels, gamma=0.0, weight=WEIGHT, ignore_index=1)
    close(mean(result), F.cross_entropy(logits, labels, weight=double(*WEIGHT), ignore_index=1))


# What every loss of the family does -------------------------------------------------------------------------


@each([cross_entropy, nll, softmax_focal])
@pytest.mark.parametrize("weight", [[1.0, 2.0], torch.ones(4)])
def test_a_wrong_number_of_class_weights_is_refused(loss, weight):
    with pytest.raises(UsageError, match=f"weight must have one entry per class, C=3, got {len(weight)}"):
        loss(torch.zeros(2, 3), torch.tensor([0, 1]), weight=weight)


@pytest.mark.parametrize("name", ["cross-entropy", "nll", "softmax-focal", "bce"])
def test_weights_of_classes_are_checked_entry_by_entry(name):
    option, wrong = ("pos_weight", 0.0) if name == "bce" else ("weight", -1.0)
    for value in ([1.0, wrong], [1.0, float("nan")], torch.tensor([wrong, 1.0]), "heavy"):
        with pytest.raises(UsageError, match=f"{option} must be"):
            create(name, **{option: value})


@pytest.mark.parametrize("alpha", [1.3, 1.5, 2.0, 4.0])
def test_sparse_losses_are_not_negative_by_rounding(alpha):
    logits, labels = draw(4000, 5, seed=3)
    logits = logits.float().mul(3).requires_grad_()
    found = entmax(logits, labels, alpha=alpha)
    assert float(found.detach().min()) >= 0
    probabilities = torch.autograd.grad(found.sum(), logits)[0] + F.one_hot(labels, 5)
    torch.testing.assert_close(probabilities.sum(-1), torch.ones(4000))
    assert float(probabilities.min()) > -1e-6


@each(MULTICLASS)
def test_extra_dimensions_are_positions(loss):
    logits, labels = draw(2, 3, 4, 5)
    flat = values(loss(logits.permute(0, 2, 3, 1).reshape(-1, 3), labels.reshape(-1)))
    close(values(loss(logits, labels)), flat.view(2, 4, 5))


@each([*MULTICLASS, *BINARY, bce_probabilities])
def test_gradients_are_those_of_finite_differences(loss):
    logits, labels = draw(4, 3, scale=0.7)
    binary = loss in BINARY or loss is bce_probabilities
    inputs = logits.sigmoid() if loss is bce_probabilities else logits
    targets = draw(4, 3, seed=1)[0].gt(0).double() if binary else labels
    torch.autograd.gradcheck(lambda x: values(loss(x, targets)), (inputs.requires_grad_(),))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@each([*MULTICLASS, *BINARY])
def test_values_and_gradients_are_finite_at_extremes(loss, dtype):
    largest = 1e18 if loss is squared_hinge else 1e30  # the square of 1e30 is no float32
    numbers = [0.0, 1.0, -1.0, 1e4, -1e4, largest, -largest]
    pairs = torch.cartesian_prod(*[torch.tensor(numbers, dtype=dtype)] * 2)
    for label in (0, 1):
        targets = torch.full_like(pairs, label) if loss in BINARY else torch.full((len(pairs),), label)
        assert values(loss(pairs, targets)).isfinite().all()
        assert gradient(loss, pairs, targets).isfinite().all()


@each(MULTICLASS)
def test_none_and_one_class_are_fine(loss):
    assert values(loss(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64))).shape == (0,)
    logits = torch.zeros(2, 1) if loss is nll else torch.tensor([[3.0], [-1e4]])
    assert values(loss(logits, torch.tensor([0, 0]))).abs().max() < 1e-6
    if loss is not nll:
        assert gradient(loss, logits, torch.tensor([0, 0])).tolist() == [[0.0], [0.0]]


@each([*MULTICLASS, *BINARY])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_nan_comes_out_as_nan(loss, place):
    logits = torch.zeros(1, 3)
    logits[0, place] = NAN
    targets = torch.ones(1, 3) if loss in BINARY else torch.tensor([0])
    assert values(loss(logits, targets)).isnan().any() == (loss is not nll or place == 0)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_the_manifest_names_what_the_functions_take(spec):
    module, name = spec.target.split(":")
    keywords = {
        key: parameter.default
        for key, parameter in inspect.signature(getattr(import_module(module), name)).parameters.items()
        if parameter.default is not parameter.empty
    }
    assert keywords == {param.name: param.default for param in spec.params}
