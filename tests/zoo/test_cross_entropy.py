"""Cross-entropy and its relatives against torch, mpmath and numbers by hand."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from classes import close, double, draw, each, gradient, values

from losszoo import create
from losszoo_plugins.classification.cross_entropy import cross_entropy, softmax_nll_eps, topk_softmax
from losszoo_plugins.classification.focal import softmax_focal
from losszoo_plugins.classification.margin import multiclass_hinge, weston_watkins
from losszoo_plugins.classification.sparse import entmax, sparsemax

INF = math.inf

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
    _same_as_torch("cross-entropy", F.cross_entropy, logits, labels, keywords, theirs)
    if "ignore_index" not in keywords:
        _same_as_torch("cross-entropy", F.cross_entropy, logits, draw(*shape, seed=1)[0].softmax(1), keywords, theirs)
    if "label_smoothing" not in keywords:
        _same_as_torch("nll", F.nll_loss, logits.log_softmax(1), labels, keywords, theirs)


def _same_as_torch(name, torchs, logits, targets, keywords, theirs):
    for reduction in ("none", "sum", "mean"):
        mine, other = (logits.clone().requires_grad_() for _ in range(2))
        found = create(name, reduction=reduction, **keywords)(mine, targets)
        expected = torchs(other, targets, reduction=reduction, **theirs)
        close(found, expected)
        found.sum().backward()
        expected.sum().backward()
        close(mine.grad, other.grad)


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
    close(cross_entropy(logits, labels), double(1e4))
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


# Softmax focal ------------------------------------------------------------------------------------------


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
    found = softmax_focal(double(logits), torch.tensor([label]), gamma=gamma)
    torch.testing.assert_close(found, double(expected), rtol=1e-12, atol=0)


def test_softmax_focal_without_discount_is_cross_entropy_and_weighs_like_it():
    logits, labels = draw(6, 5, 2)
    found = create("softmax-focal", gamma=0.0, weight=WEIGHT, ignore_index=1)(logits, labels)
    close(found, F.cross_entropy(logits, labels, weight=double(*WEIGHT), ignore_index=1))
