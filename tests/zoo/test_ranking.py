"""Losses of lists against SciPy, scikit-learn, all permutations and allRank's formula; padding, ties, no relevance."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
import torch
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.metrics import ndcg_score

import losszoo
from losszoo_plugins.ranking.kind import RankingTask, ndcg, reciprocal_rank
from losszoo_plugins.ranking.signature import Ranking

NAMES = ["ranknet", "listnet", "listmle", "lambda-loss", "approx-ndcg"]
RANDOM = np.random.default_rng(0)
SCORES = RANDOM.normal(size=(40, 6))
GRADES = RANDOM.integers(0, 4, (40, 6)).astype(float)
GRADES[0], GRADES[1] = 0, 2
EXACT = [(torch.float64, 1e-12), (torch.float32, 1e-5)]


def values(name, scores=SCORES, grades=GRADES, dtype=torch.float64, **params):
    inputs = (torch.tensor(np.asarray(x), dtype=dtype) for x in (scores, grades))
    return losszoo.create(name, reduction="none", **params)(*inputs)


@pytest.mark.parametrize(("dtype", "rtol"), EXACT)
def test_ranknet_is_a_sum_over_pairs(dtype, rtol):
    for sigma in (1.0, 0.3):
        wanted = [
            -sum(log_expit(sigma * (s[i] - s[j])) for i in range(6) for j in range(6) if y[i] > y[j])
            for s, y in zip(SCORES, GRADES, strict=True)
        ]
        np.testing.assert_allclose(values("ranknet", dtype=dtype, sigma=sigma).numpy(), wanted, rtol)
    assert values("ranknet")[:2].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(("dtype", "rtol"), EXACT)
def test_listnet_is_the_cross_entropy_of_two_softmaxes(dtype, rtol):
    wanted = -(softmax(GRADES, 1) * log_softmax(SCORES, 1)).sum(1)
    np.testing.assert_allclose(values("listnet", dtype=dtype).numpy(), wanted, rtol)
    some = GRADES[1:]
    wanted = -(some / some.sum(1, keepdims=True) * log_softmax(SCORES[1:], 1)).sum(1)
    np.testing.assert_allclose(values("listnet", dtype=dtype, shares="linear")[1:].numpy(), wanted, rtol)
    assert values("listnet", shares="linear")[0].item() == 0


def test_one_relevant_item_makes_listnet_cross_entropy():
    labels = torch.tensor([3, 0])
    hot = torch.nn.functional.one_hot(labels, 6).double().numpy()
    wanted = torch.nn.functional.cross_entropy(torch.tensor(SCORES[:2]), labels, reduction="none")
    torch.testing.assert_close(values("listnet", SCORES[:2], hot, shares="linear"), wanted)


def test_listmle_is_a_probability_over_all_orders():
    """Each is that of drawing without putting back, and over all 720 orders of six items they sum to 1."""
    scores = SCORES[5]
    for order in list(permutations(range(6)))[::37]:
        grades = np.empty(6)
        grades[list(order)] = np.arange(6, 0, -1)
        left, chance = list(order), 1.0
        for item in order:
            chance *= np.exp(scores[item]) / np.exp(scores[left]).sum()
            left.remove(item)
        assert math.exp(-values("listmle", [scores], [grades]).item()) == pytest.approx(chance, rel=1e-12)
    grades = np.array([np.argsort(np.argsort(order)) for order in permutations(range(6))], dtype=float)
    total = np.exp(-values("listmle", np.tile(scores, (720, 1)), grades).numpy()).sum()
    assert total == pytest.approx(1, rel=1e-12)


def test_equal_items_of_listmle():
    """By hand at scores 0: as they stand, 3 * 2; together, each has 3 rivals to choose from, 3 * 3 * 3."""
    zero = np.zeros((1, 3))
    assert values("listmle", zero, zero + 1).exp().item() == pytest.approx(6)
    assert values("listmle", zero, zero + 1, ties="together").exp().item() == pytest.approx(27)
    for name, params in (("listmle", {"ties": "together"}), ("ranknet", {}), ("listnet", {}), ("approx-ndcg", {})):
        turned = values(name, SCORES[:, ::-1].copy(), GRADES[:, ::-1].copy(), **params)
        torch.testing.assert_close(turned, values(name, **params))


def test_the_top_of_listmle():
    """The first two terms of three: log(e^3 + e^2 + e) - 3 + log(e^2 + e) - 2."""
    value = values("listmle", [[1.0, 3.0, 2.0]], [[0.0, 9.0, 5.0]], top=2).item()
    e = math.e
    assert value == pytest.approx(math.log(e**3 + e**2 + e) - 3 + math.log(e**2 + e) - 2, rel=1e-12)


def allrank(scores, grades, scheme, k=None):
    """lambdaLoss of allRank (its commit 5fc2eb7) of one list, in the order of the scores; log2, mu 10, sigma 1."""
    order = np.argsort(-scores, kind="stable")
    scores, sorted_grades, ideal = scores[order], grades[order], np.sort(grades)[::-1]
    count = len(scores)
    k = count if k is None else k
    discounts = np.log2(1 + np.arange(1, count + 1))
    gains = (2**sorted_grades - 1) / max(((2**ideal - 1) / discounts)[:k].sum(), 1e-10)
    total = 0.0
    for i in range(k):
        for j in range(k):
            if scheme != "ndcg1" and sorted_grades[i] <= sorted_grades[j]:
                continue
            apart = abs(i - j)
            gap = abs(gains[i] - gains[j])
            second = 0 if apart == 0 else abs(1 / discounts[apart - 1] - 1 / discounts[apart]) * gap
            first = abs(1 / discounts[i] - 1 / discounts[j]) * gap
            weight = {"ndcg1": gains[i] / discounts[i], "ndcg2": second, "lambdarank": first}.get(scheme)
            weight = 10 * second + first if weight is None else weight
            total -= weight * np.log2(expit(scores[i] - scores[j]))
    return total


@pytest.mark.parametrize(("dtype", "rtol"), EXACT)
@pytest.mark.parametrize("scheme", ["ndcg1", "ndcg2", "ndcg2++", "lambdarank"])
@pytest.mark.parametrize("k", [0, 3])
def test_lambda_loss_is_allranks(dtype, rtol, scheme, k):
    wanted = [allrank(s, y, scheme, k or None) for s, y in zip(SCORES, GRADES, strict=True)]
    np.testing.assert_allclose(values("lambda-loss", dtype=dtype, scheme=scheme, k=k).numpy(), wanted, rtol, 1e-7)


def test_the_weights_of_lambda_loss_have_no_gradient():
    """By hand: two items, places 2 and 1, weight w: the derivative is -w sigma(-lead) / log 2, and no more."""
    scores = torch.tensor([[0.0, 1.0]], dtype=torch.float64, requires_grad=True)
    losszoo.create("lambda-loss", scheme="lambdarank")(scores, torch.tensor([[1.0, 0.0]])).backward()
    weight = 1 - 1 / math.log2(3)
    assert scores.grad[0, 0].item() == pytest.approx(-weight * expit(1.0) / math.log(2), rel=1e-12)


def test_a_cold_approx_ndcg_is_the_ndcg_of_sklearn():
    gains = 2 ** GRADES[1:] - 1
    wanted = [1 - ndcg_score(y[None], s[None]) for s, y in zip(SCORES[1:], gains, strict=True)]
    np.testing.assert_allclose(values("approx-ndcg", temperature=1e-5)[1:].numpy(), wanted, rtol=1e-9, atol=1e-12)


def test_a_warm_approx_ndcg_by_enumeration():
    for scores, grades, got in zip(SCORES[2:9], GRADES[2:9], values("approx-ndcg", temperature=0.7)[2:9], strict=True):
        ideal = ((2 ** np.sort(grades)[::-1] - 1) / np.log2(np.arange(2, 8))).sum()
        places = [1 + sum(expit((scores[j] - scores[i]) / 0.7) for j in range(6) if j != i) for i in range(6)]
        reached = sum((2 ** grades[i] - 1) / np.log2(1 + places[i]) for i in range(6))
        assert got.item() == pytest.approx(1 - reached / ideal, rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("beyond", [0.0, 100.0, -1e30, 1e30, math.nan, math.inf])
def test_what_stands_behind_the_end_changes_nothing(name, beyond):
    """sentence-transformers' ListMLE lets padding into the normaliser: 0.26 becomes 2.16 (PR 3827)."""
    scores = torch.tensor(np.hstack([SCORES, np.full((40, 2), beyond)]), requires_grad=True)
    grades = torch.tensor(np.hstack([GRADES, np.full((40, 2), -1)]))
    short = torch.tensor(SCORES, requires_grad=True)
    loss = losszoo.create(name)
    long_value, value = loss(scores, grades), loss(short, torch.tensor(GRADES))
    torch.testing.assert_close(long_value, value)
    long_value.backward()
    value.backward()
    torch.testing.assert_close(scores.grad[:, :6], short.grad)
    assert (scores.grad[:, 6:] == 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_lists_with_nothing_to_order(name):
    """One item, and none, cost 0, with a gradient of 0; so do lists without relevance, where the gain is 0 / 0."""
    scores = torch.tensor(SCORES, requires_grad=True)
    loss = losszoo.create(name, reduction="none")
    for grades in (np.full((40, 6), -1.0), np.where(np.arange(6) < 1, GRADES, -1.0)):
        cost = loss(scores, torch.tensor(grades))
        assert (cost.abs() < 1e-12).all()
        assert (torch.autograd.grad(cost.sum(), scores)[0].abs() < 1e-12).all()
    cost = loss(scores, torch.zeros(40, 6))
    assert torch.autograd.grad(cost.sum(), scores)[0].isfinite().all()
    assert cost.isfinite().all()
    if name in ("ranknet", "lambda-loss", "approx-ndcg"):
        assert (cost == 0).all()
    assert losszoo.create(name)(torch.zeros(0, 3), torch.zeros(0, 3)).item() == 0


@pytest.mark.parametrize("name", ["lambda-loss", "approx-ndcg"])
def test_grades_whose_gain_overflows(name):
    """2^200 - 1 is beyond float32; as shares of the ideal the gains are 1 and 2^-100."""
    value = values(name, [[0.0, 1.0]], [[200.0, 100.0]], torch.float32).item()
    assert value == pytest.approx(values(name, [[0.0, 1.0]], [[60.0, 0.0]]).item(), rel=1e-6)


@pytest.mark.parametrize("name", ["ranknet", "listnet", "listmle", "lambda-loss"])
@pytest.mark.parametrize("size", [104.0, 1e4, 1e30])
def test_a_wrong_order_has_a_gradient_however_far_apart_scores_are(name, size):
    scores = torch.tensor([[-size, size]], requires_grad=True)
    cost = losszoo.create(name)(scores, torch.tensor([[3.0, 0.0]]))
    cost.backward()
    assert cost.isfinite()
    assert scores.grad[0, 0] < -0.5
    assert scores.grad[0, 1] > 0.5


@pytest.mark.parametrize("name", ["ranknet", "listnet", "listmle", "approx-ndcg"])
def test_gradients_against_finite_differences(name):
    scores = torch.tensor(SCORES[:8], requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: losszoo.create(name)(x, torch.tensor(GRADES[:8])), (scores,))


@pytest.mark.parametrize(
    ("inputs", "rule"),
    [
        ((torch.zeros(2, 3), torch.full((2, 3), -2.0)), "relevance must be finite and >= 0, or -1 where a list has"),
        ((torch.zeros(2, 3), torch.full((2, 3), math.inf)), "relevance must be finite and >= 0"),
        ((torch.zeros(2, 3), torch.zeros(2, 2)), r"relevance must have the shape of item_scores, \(2, 3\)"),
        ((torch.zeros(3), torch.zeros(3)), r"item_scores must have shape \(N, L\), L >= 1, got shape \(3,\)"),
        ((torch.zeros(2, 0), torch.zeros(2, 0)), r"item_scores must have shape \(N, L\), L >= 1"),
        ((torch.zeros(2, 3), torch.zeros(2, 3, requires_grad=True)), "relevance must not require a gradient"),
    ],
)
def test_what_is_refused(inputs, rule):
    with pytest.raises(losszoo.UsageError, match=f"^ranknet: {rule}"):
        losszoo.create("ranknet")(*inputs)


def test_metrics_of_a_task():
    grades, scores = np.array([0.0, 2, 1, 0]), np.array([3.0, 2, 1, 0])
    gain = (3 / math.log2(3) + 1 / 2) / (3 + 1 / math.log2(3))
    assert ndcg(grades, scores, 10) == pytest.approx(gain, rel=1e-12)
    assert ndcg(grades, scores, 1) == 0
    assert math.isnan(ndcg(np.zeros(3), np.arange(3), 10))
    assert reciprocal_rank(grades, scores) == 0.5
    assert reciprocal_rank(grades, np.zeros(4)) == 0.25
    # Every 20 rows are a list; the last one of two is in the right order.
    outputs, targets = torch.zeros(22), torch.zeros(22)
    outputs[20], targets[20], targets[19] = 1, 1, 1
    found = RankingTask().score(outputs, targets, None, "logits")
    assert found["mrr"] == pytest.approx((1 / 20 + 1) / 2)
    assert 0.5 < found["ndcg_at_10"] < 1
    with pytest.raises(losszoo.DataError, match="targets must be grades >= 0, got -1"):
        RankingTask().check_targets("mine: train", np.array([0.0, -1.0]))


def test_rows_of_a_batch_become_lists():
    class Batch:
        outputs = torch.arange(25.0).unsqueeze(1)
        targets = torch.ones(25)

    rules = Ranking()
    scores, relevance = rules.loss_inputs(Batch)
    assert scores.shape == relevance.shape == (2, 20)
    assert scores.flatten()[:25].tolist() == list(range(25))
    assert (relevance.flatten()[25:] == -1).all()
    assert rules.anchors(Batch).tolist() == [0, 20]
