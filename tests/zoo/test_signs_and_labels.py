"""Losses of signs and of several labels against SciPy, scikit-learn and torch; extremes; what is refused."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.special import log_expit, logsumexp
from sklearn.metrics import log_loss

import losszoo

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(size=(6, 5)) * 3
HOT = (RANDOM.random((6, 5)) < 0.4).astype(float)
HOT[0], HOT[1] = 0, 1
EXACT = [(torch.float64, 1e-12), (torch.float32, 1e-5)]


def unreduced(name, *inputs, dtype=torch.float64, **params):
    tensors = [torch.tensor(x, dtype=None if x.dtype == np.int64 else dtype) for x in inputs]
    return losszoo.create(name, reduction="none", **params)(*tensors).numpy()


@pytest.mark.parametrize(("dtype", "rtol"), EXACT)
def test_values_are_what_scipy_gives(dtype, rtol):
    signs = 2 * HOT - 1
    np.testing.assert_allclose(unreduced("soft-margin", LOGITS, signs, dtype=dtype), -log_expit(signs * LOGITS), rtol)
    expected = -(HOT * log_expit(LOGITS) + (1 - HOT) * log_expit(-LOGITS)).mean(1)
    np.testing.assert_allclose(unreduced("multilabel-soft-margin", LOGITS, HOT, dtype=dtype), expected, rtol)
    zero = np.zeros((6, 1))
    others, own = np.where(HOT == 0, LOGITS, -np.inf), np.where(HOT == 1, -LOGITS, -np.inf)
    expected = logsumexp(np.hstack([zero, others]), 1) + logsumexp(np.hstack([zero, own]), 1)
    np.testing.assert_allclose(unreduced("zlpr", LOGITS, HOT, dtype=dtype), expected, rtol)


def test_weights_of_labels_do_not_change_the_divisor():
    """As in torch: a label of weight 0 still counts in C."""
    weight = np.array([1.0, 2.0, 0.0, 0.5, 1.0])
    value = unreduced("multilabel-soft-margin", LOGITS, HOT, weight=weight.tolist())
    wanted = F.multilabel_soft_margin_loss(*map(torch.tensor, (LOGITS, HOT)), torch.tensor(weight), reduction="none")
    np.testing.assert_allclose(value, wanted.numpy(), rtol=1e-12)
    assert unreduced("multilabel-soft-margin", LOGITS[0], HOT[0]).shape == ()
    with pytest.raises(losszoo.UsageError, match="weight must be a number or one per class, C=5, got 2 of them"):
        unreduced("multilabel-soft-margin", LOGITS, HOT, weight=[1.0, 2.0])


def test_one_label_of_several_is_the_log_loss_of_sklearn():
    probabilities = 1 / (1 + np.exp(-LOGITS[:, 0]))
    value = unreduced("multilabel-soft-margin", LOGITS[:, :1], HOT[:, :1]).mean()
    assert value == pytest.approx(log_loss(HOT[:, 0], probabilities), rel=1e-12)


@pytest.mark.parametrize("name", ["soft-margin", "multilabel-soft-margin", "zlpr"])
@pytest.mark.parametrize("size", [89.0, 1e4, 1e20])
def test_far_wrong_logits_are_finite_with_a_gradient(name, size):
    """torch's soft_margin_loss is infinite from 89 on, as it forms the exponential."""
    logits = torch.full((1, 2), -size, requires_grad=True)
    value = losszoo.create(name)(logits, torch.ones(1, 2))
    value.backward()
    assert value.item() == pytest.approx(size + (math.log(2) if name == "zlpr" else 0), rel=1e-6)
    assert (logits.grad < 0).all()
    if name == "soft-margin":
        assert F.soft_margin_loss(logits, torch.ones(1, 2)).isinf()


def test_zlpr_of_shares_counts_a_label_in_both_sums():
    """By hand: at logits 0 and shares t, log(1 + sum of 1 - t) + log(1 + sum of t)."""
    value = unreduced("zlpr", np.zeros((1, 2)), np.array([[0.25, 0.5]]))
    assert value.item() == pytest.approx(math.log(2.25) + math.log(1.75), rel=1e-12)


def test_the_hardest_label_has_most_of_the_gradient_of_zlpr():
    logits = torch.tensor([[9.0, 0.0, 0.0, -5.0]], requires_grad=True)
    losszoo.create("zlpr")(logits, torch.tensor([[0.0, 0.0, 0.0, 1.0]])).backward()
    assert logits.grad[0, 0] > 0.99
    assert logits.grad[0, 3] < -0.99


def lists(*rows):
    return np.array([[*row, *[-1] * (5 - len(row))] for row in rows], dtype=np.int64)


@pytest.mark.parametrize("margin", [0.0, 1.0, 2.5])
def test_multilabel_margin_by_enumeration(margin):
    rows = ((), (0, 1, 2, 3, 4), (3,), (4, 0), (1, 1), (2, 0, 3))
    value = unreduced("multilabel-margin", LOGITS, lists(*rows), margin=margin)
    for logits, row, got in zip(LOGITS, rows, value, strict=True):
        others = [i for i in range(5) if i not in row]
        total = sum(max(0.0, margin - (logits[j] - logits[i])) for j, i in product(row, others))
        assert got == pytest.approx(total / 5, rel=1e-12, abs=1e-15)
    if margin == 1.0:
        wanted = F.multilabel_margin_loss(torch.tensor(LOGITS), torch.tensor(lists(*rows)), reduction="none")
        np.testing.assert_allclose(value, wanted.numpy(), rtol=1e-12, atol=1e-15)


def test_what_stands_behind_the_end_of_a_list_is_no_label():
    behind = np.array([[2, -1, 0, 1, 1], [-1, 4, -1, 3, 0]], dtype=np.int64)
    same = unreduced("multilabel-margin", LOGITS[:2], lists((2,), ()))
    np.testing.assert_array_equal(unreduced("multilabel-margin", LOGITS[:2], behind), same)


def test_multilabel_margin_of_scores_near_1e8_keeps_the_margin():
    """8 apart at 1e8, exact in float32, and a margin of 10: (10 - 8) / 2."""
    logits = torch.tensor([[1e8 + 8, 1e8]])
    assert losszoo.create("multilabel-margin", margin=10.0)(logits, torch.tensor([[0, -1]])).item() == 1.0
    first, second = torch.tensor([1e8 + 8]), torch.tensor([1e8])
    assert losszoo.create("margin-ranking", margin=10.0)(first, second, torch.ones(1)).item() == 2.0


@pytest.mark.parametrize("p", [1, 2])
def test_multi_margin_is_torchs_and_its_weighted_mean_divides_by_the_weights(p):
    logits, labels = torch.tensor(LOGITS), torch.tensor([0, 4, 2, 2, 1, 0])
    weight = torch.tensor([1.0, 2.0, 0.5, 1.0, 3.0], dtype=torch.float64)
    made = losszoo.create("multi-margin", p=p, margin=0.7, weight=weight.tolist(), reduction="sum")
    total = F.multi_margin_loss(logits, labels, p=p, margin=0.7, weight=weight, reduction="sum")
    torch.testing.assert_close(made(logits, labels), total, rtol=1e-12, atol=0)
    made.reduction = "mean"
    torch.testing.assert_close(made(logits, labels), total / weight[labels].sum(), rtol=1e-12, atol=0)


def test_multi_margin_takes_probabilities():
    logits, labels = torch.tensor(LOGITS), torch.tensor([0, 4, 2, 2, 1, 0])
    made = losszoo.create("multi-margin", p=2, reduction="none")
    torch.testing.assert_close(made(logits, F.one_hot(labels, 5).double()), made(logits, labels))


@pytest.mark.parametrize("name", ["cross-entropy", "multi-margin", "sparsemax", "softmax-focal", "brier"])
def test_a_sample_without_a_batch_is_a_batch_of_one(name):
    logits = torch.tensor(LOGITS[0], requires_grad=True)
    loss = losszoo.create(name)
    value = loss(logits, torch.tensor(3))
    torch.testing.assert_close(value, loss(logits[None], torch.tensor([3])))
    assert torch.autograd.grad(value, logits)[0].shape == (5,)
    with pytest.raises(losszoo.UsageError, match="targets must be labels from 0 to 4, got 5"):
        loss(logits, torch.tensor(5))


def test_hinge_embedding_and_margin_ranking_by_hand():
    distances = torch.tensor([0.0, 0.25, 2.0, 1e20, -1.0], dtype=torch.float64)
    loss = losszoo.create("hinge-embedding", reduction="none", margin=0.5)
    assert loss(distances, torch.ones(5)).tolist() == distances.tolist()
    assert loss(distances, -torch.ones(5)).tolist() == [0.5, 0.25, 0.0, 0.0, 1.5]
    loss = losszoo.create("margin-ranking", reduction="none", margin=0.5)
    second = torch.zeros(5, dtype=torch.float64)
    assert loss(distances, second, torch.ones(5)).tolist() == [0.5, 0.25, 0.0, 0.0, 1.5]
    assert loss(distances, second, -torch.ones(5)).tolist() == [0.5, 0.75, 2.5, 1e20, 0.0]
    assert loss(distances, second, torch.zeros(5)).tolist() == [0.5] * 5


@pytest.mark.parametrize(
    ("name", "inputs", "rule"),
    [
        ("soft-margin", (torch.zeros(2), torch.tensor([0.0, 1.0])), "signs must be 1 or -1, got 0"),
        ("hinge-embedding", (torch.zeros(2), torch.tensor([1, 0])), "signs must be 1 or -1, got 0"),
        ("margin-ranking", (torch.zeros(2), torch.zeros(2), torch.full((2,), 2.0)), "signs must be 1, -1, or 0 for"),
        ("margin-ranking", (torch.zeros(2), torch.zeros(3), torch.ones(2)), r"second must have the shape of first"),
        (
            "multilabel-margin",
            (torch.zeros(1, 3), torch.tensor([[3, -1, -1]])),
            "label_lists must be labels from",
        ),
        (
            "multilabel-margin",
            (torch.zeros(1, 3), torch.tensor([[-2, -1, 0]])),
            "label_lists must be labels from",
        ),
        ("multilabel-margin", (torch.zeros(1, 3), torch.ones(1, 3)), "label_lists must be an integer tensor"),
        (
            "zlpr",
            (torch.zeros(2, 3, 1), torch.zeros(2, 3, 1)),
            r"label_logits must have shape \(N, C\)",
        ),
        ("zlpr", (torch.zeros(2, 3), torch.full((2, 3), 2.0)), r"has_labels must be in \[0, 1\], got 2"),
    ],
)
def test_what_is_refused(name, inputs, rule):
    with pytest.raises(losszoo.UsageError, match=f"^{name}: {rule}"):
        losszoo.create(name)(*inputs)


def test_names_that_were_aliases_are_losses_of_their_own():
    """bce takes 0 and 1, and has one value per element; weston-watkins is C times multi-margin."""
    for name in ("soft-margin", "multilabel-soft-margin", "multi-margin"):
        assert losszoo.create(name).identity.name == name
    logits, labels = torch.tensor(LOGITS), torch.tensor([0, 4, 2, 2, 1, 0])
    ratio = losszoo.create("weston-watkins")(logits, labels) / losszoo.create("multi-margin")(logits, labels)
    assert ratio.item() == pytest.approx(5, rel=1e-12)


@pytest.mark.parametrize("name", ["soft-margin", "hinge-embedding", "zlpr", "multilabel-soft-margin"])
def test_gradients_against_finite_differences(name):
    raw = torch.tensor(LOGITS, requires_grad=True)
    targets = torch.tensor(HOT)
    if name in ("soft-margin", "hinge-embedding"):
        targets = 2 * targets - 1
    assert torch.autograd.gradcheck(lambda x: losszoo.create(name)(x, targets), (raw,))
