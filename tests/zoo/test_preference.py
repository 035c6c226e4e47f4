"""Preference losses against SciPy, mpmath and numbers by hand; the kind's metrics against counts of pairs."""

from __future__ import annotations

import itertools
import math

import mpmath
import numpy as np
import pytest
import torch
from scipy.special import expit, log_expit

import losszoo
from losszoo_plugins.preference.kind import pair_accuracy, spearman
from losszoo_plugins.preference.odds import orpo
from losszoo_plugins.preference.pairs import bradley_terry, dpo, ipo, simpo

CHOSEN = torch.tensor([0.0, 3.0, -2.0, 1e4, -1e4, 0.5], dtype=torch.float64)
REJECTED = torch.tensor([0.0, -1.0, 1.0, -1e4, 1e4, 0.5], dtype=torch.float64)
GAP = (CHOSEN - REJECTED).numpy()


@pytest.mark.parametrize(
    ("loss", "params", "expected"),
    [
        (bradley_terry, {}, -log_expit(GAP)),
        (bradley_terry, {"margin": 2.0}, -log_expit(GAP - 2)),
        (bradley_terry, {"center": 0.5}, -log_expit(GAP) + 0.5 * (CHOSEN + REJECTED).numpy() ** 2),
        (dpo, {}, -log_expit(0.1 * GAP)),
        (dpo, {"beta": 1.0, "label_smoothing": 0.2}, -0.8 * log_expit(GAP) - 0.2 * log_expit(-GAP)),
        (
            dpo,
            {"label_smoothing": 0.2, "robust": True},
            (-0.8 * log_expit(0.1 * GAP) + 0.2 * log_expit(-0.1 * GAP)) / 0.6,
        ),
        (ipo, {}, (GAP - 5) ** 2),
        (ipo, {"tau": 0.5}, (GAP - 1) ** 2),
        (simpo, {}, -log_expit(2 * GAP - 1)),
        (simpo, {"beta": 1.0, "gamma": 0.0}, -log_expit(GAP)),
    ],
)
def test_is_what_scipy_gives(loss, params, expected):
    values = loss(CHOSEN, REJECTED, **params)
    np.testing.assert_allclose(values.numpy(), expected, rtol=1e-12)
    narrow = loss(CHOSEN.float(), REJECTED.float(), **params)
    np.testing.assert_allclose(narrow.numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("gap", [-1e4, -104.0, -1.0, 0.0, 5.0, 104.0])
def test_a_wrong_order_is_pulled_with_the_whole_beta(gap):
    """The derivative of -log sigma(beta x) is -beta sigma(-beta x): at -1e4 it is -beta, and never 0 where wrong."""
    chosen = torch.tensor([gap], requires_grad=True)
    losszoo.create("dpo", beta=1.0)(chosen, torch.zeros(1)).backward()
    assert chosen.grad.item() == pytest.approx(-expit(-gap), rel=1e-5, abs=1e-38)


# The reference model and the number of tokens.


def test_a_reference_is_subtracted():
    loss, scores = losszoo.create("dpo", reduction="none"), torch.tensor([[-10.0, -12.0], [-11.0, -9.0]])
    policy, reference = (scores[0], scores[1]), (torch.tensor([-9.0, -14.0]), torch.tensor([-13.0, -9.5]))
    ratios = policy[0] - reference[0], policy[1] - reference[1]
    given = loss(*policy, reference_chosen=reference[0], reference_rejected=reference[1])
    torch.testing.assert_close(given, loss(*ratios))
    # By hand: 0.1 * ((-10 + 9) - (-11 + 13)) = -0.3 and 0.1 * ((-12 + 14) - (-9 + 9.5)) = 0.15.
    np.testing.assert_allclose(given.numpy(), -log_expit([-0.3, 0.15]), rtol=1e-6)


def test_lengths_make_means():
    """By hand: 10 tokens at -1 and 5 at -3; the sums would say that the second leads by 5."""
    loss = losszoo.create("simpo")
    lengths = {"chosen_lengths": torch.tensor([10]), "rejected_lengths": torch.tensor([5])}
    value = loss(torch.tensor([-10.0]), torch.tensor([-15.0]), **lengths)
    assert value.item() == pytest.approx(-log_expit(2 * (-1 + 3) - 1), rel=1e-6)
    together = loss(torch.tensor([-12.0]), torch.tensor([-15.0]), torch.tensor([-2.0]), torch.tensor([0.0]), **lengths)
    assert together.item() == pytest.approx(value.item(), rel=1e-6)


def test_the_reference_gets_no_gradient_and_is_refused_with_one():
    reference = torch.zeros(2, requires_grad=True)
    with pytest.raises(losszoo.UsageError, match=r"reference_chosen must not require a gradient"):
        losszoo.create("dpo")(torch.zeros(2), torch.zeros(2), reference, torch.zeros(2))


@pytest.mark.parametrize(
    ("name", "inputs", "rule"),
    [
        ("dpo", ([-math.inf], [-math.inf]), r"rejected must be finite where chosen is infinite"),
        ("dpo", ([0.0], [0.0], [-math.inf], [0.0]), r"reference_chosen must be finite"),
        ("dpo", ([0.0], [0.0], [0.0]), r"reference_rejected must be given with reference_chosen, got none"),
        ("simpo", ([0.0], [0.0], None, None, [0.0], [3.0]), r"chosen_lengths must be numbers of tokens, >= 1, got 0"),
        ("simpo", ([0.0], [0.0], None, None, None, [3.0]), r"chosen_lengths must be given with rejected_lengths"),
        ("orpo", ([0.5], [-1.0]), r"chosen must be log-probabilities, <= 0, got 0.5"),
        ("orpo", ([-1.0], [0.0]), r"rejected must be log-probabilities below 0"),
        ("orpo", ([-1.0], [-1.0], [-1.0], [-1.0]), r"reference_chosen must be left out"),
        ("dpo", ([[0.0]], [[0.0]]), r"chosen must have shape \(N,\), got shape \(1, 1\)"),
    ],
)
def test_what_is_refused(name, inputs, rule):
    tensors = [None if x is None else torch.tensor(x) for x in inputs]
    with pytest.raises(losszoo.UsageError, match=f"^{name}: {rule}"):
        losszoo.create(name)(*tensors)


def test_one_answer_of_probability_0_is_infinite_and_not_nan():
    chosen = torch.tensor([-math.inf, -1.0], requires_grad=True)
    values = losszoo.create("dpo", reduction="none")(chosen, torch.tensor([-1.0, -math.inf]))
    assert values.tolist() == [math.inf, 0.0]
    values.sum().backward()
    assert chosen.grad.tolist() == pytest.approx([-0.1, 0.0])


def test_an_answer_without_tokens_that_is_masked_makes_no_difference():
    """trl issue 1033: a completion that is masked whole made the loss NaN."""
    scores = torch.tensor([-3.0, 0.0]), torch.tensor([-4.0, 0.0])
    lengths = torch.tensor([2.0, 0.0])
    chosen = scores[0].requires_grad_()
    value = losszoo.create("ipo")(chosen, scores[1], None, None, lengths, lengths, mask=torch.tensor([True, False]))
    value.backward()
    # By hand: (0.5 - 5)^2, and 2 (0.5 - 5) / 2 tokens.
    assert value.item() == 20.25
    assert chosen.grad.tolist() == [-4.5, 0.0]


# ORPO


def exact(chosen: float, rejected: float, weight: float = 0.1) -> tuple[float, float, float]:
    """Value and both derivatives from the definition in 50 digits."""
    with mpmath.workdps(50):

        def odds(x):
            return mpmath.exp(x) / (1 - mpmath.exp(x))

        def value(a, b):
            return -a - weight * mpmath.log(1 / (1 + mpmath.exp(-(mpmath.log(odds(a)) - mpmath.log(odds(b))))))

        a, b = mpmath.mpf(chosen), mpmath.mpf(rejected)
        slopes = (
            mpmath.diff(value, (a, b), n, h=mpmath.mpf(10) ** -20 * abs(x)) for n, x in (((1, 0), a), ((0, 1), b))
        )
        return (float(value(a, b)), *map(float, slopes))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("chosen", "rejected"),
    [
        (-1.0, -2.0),
        (-2.0, -1.0),
        (-0.7, -0.69),
        (-1e-6, -1.0),
        (-1.0, -1e-6),
        (-50.0, -0.5),
        (-0.5, -50.0),
        (-1e-3, -9.0),
    ],
)
def test_orpo_is_its_definition(chosen, rejected, dtype):
    pair = [torch.tensor([x], dtype=dtype, requires_grad=True) for x in (chosen, rejected)]
    orpo(*pair).backward()
    expected = exact(*(x.item() for x in pair))
    found = (orpo(*pair).item(), *(x.grad.item() for x in pair))
    assert found == pytest.approx(expected, rel=1e-5 if dtype is torch.float32 else 1e-9)


def test_a_certain_chosen_answer_has_the_gradient_of_the_limit():
    """The derivative towards log p_w = 0 is -1 - weight * odds_l; of log p_l = -1 the odds are 1 / (e - 1)."""
    chosen = torch.zeros(1, requires_grad=True)
    value = losszoo.create("orpo")(chosen, torch.tensor([-1.0]))
    value.backward()
    assert value.item() == 0.0
    assert chosen.grad.item() == pytest.approx(-1 - 0.1 / (math.e - 1), rel=1e-6)


# KTO


def test_kto_by_hand():
    """Mean 1, so sigma(-0.1 (4 - 1)), sigma(0.1 (1 - 1)) and sigma(0.1 (-2 - 1)) with the weight 2."""
    loss = losszoo.create("kto", reduction="none", undesirable_weight=2.0)
    values = loss(torch.tensor([4.0, 1.0, -2.0]), torch.tensor([1.0, 1.0, 0.0]))
    np.testing.assert_allclose(values.numpy(), [expit(-0.3), 0.5, 2 * expit(-0.3)], rtol=1e-6)


def test_the_baseline_is_never_below_0_has_no_gradient_and_knows_no_masked_row():
    ratios = torch.tensor([-4.0, -2.0, 1e9], requires_grad=True)
    mask = torch.tensor([True, True, False])
    value = losszoo.create("kto", beta=1.0, reduction="sum")(ratios, torch.tensor([1.0, 0.0, 1.0]), mask=mask)
    value.backward()
    # Baseline 0: sigma(4) + sigma(-2); derivatives -s(1 - s) and +s(1 - s).
    s, t = expit(4.0), expit(-2.0)
    assert value.item() == pytest.approx(s + t, rel=1e-6)
    assert ratios.grad.tolist() == pytest.approx([-s * (1 - s), t * (1 - t), 0.0], rel=1e-5)


# The kind


def counted(grades, scores) -> float:
    """Every pair looked at by itself."""
    pairs = [(a, b) for a, b in itertools.combinations(range(len(grades)), 2) if grades[a] != grades[b]]
    right = [np.sign(grades[a] - grades[b]) * np.sign(scores[a] - scores[b]) for a, b in pairs]
    return float(np.mean([(1 + sign) / 2 for sign in right]))


def test_pair_accuracy_counts_pairs():
    random = np.random.default_rng(0)
    for _ in range(20):
        grades, scores = random.integers(0, 5, 30), random.integers(0, 9, 30) / 3
        assert pair_accuracy(grades, scores) == pytest.approx(counted(grades, scores), abs=1e-12)
    assert pair_accuracy([1, 2, 3], [5, 5, 5]) == 0.5
    assert math.isnan(pair_accuracy([1, 1], [0, 1]))
    assert math.isnan(pair_accuracy([], []))
    assert math.isnan(spearman([1, 1], [0, 1]))
    assert spearman([1, 2, 3], [5, 5, 5]) == 0  # equal scores tell no order


@pytest.mark.needs_abalone
@pytest.mark.parametrize("loss", ["bradley-terry", "ipo", "simpo"])
def test_training_orders_the_abalones(loss, tmp_path):
    """More rows are in order than by the shell's weight alone, which orders 0.786 of the pairs of test rows."""
    result = losszoo.run(loss, "abalone-older", epochs=3, out=tmp_path)
    assert result.status == "completed"
    assert result.metrics["test"]["pair_accuracy"] > 0.786
