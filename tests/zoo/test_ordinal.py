"""Losses of ordered classes against statsmodels, coral-pytorch, SciPy and mpmath; the kind's metrics; a training."""

from __future__ import annotations

import math
from types import SimpleNamespace

import mpmath
import numpy as np
import pytest
import torch
from scipy.special import log_expit
from sklearn.metrics import cohen_kappa_score

import losszoo
from losszoo_plugins.ordinal.heads import CutPoints, SharedRow
from losszoo_plugins.ordinal.kind import quadratic_kappa
from losszoo_plugins.ordinal.probability import log1mexp, log_normal_below
from losszoo_plugins.ordinal.signature import ConditionalOrdinal, Ordinal

TYPES = [(torch.float32, 1e-5), (torch.float64, 1e-9)]
RANDOM = np.random.default_rng(0)
LOGITS, LEVELS = 3 * RANDOM.normal(size=(50, 4)), RANDOM.integers(0, 5, 50)
mp = mpmath.mp.clone()
mp.dps = 50
CORAL_PYTORCH = {"coral": 3.2996013774361073, "corn": 0.9847199429413727}


def create(name, **params):
    return losszoo.create(name, reduction="none", **params)


# Yes or no at each step


@pytest.mark.parametrize(("dtype", "rtol"), TYPES)
def test_coral_is_scipys_logistic_likelihood(dtype, rtol):
    weights = np.array([0.5, 0.0, 2.0, 3.0])
    above = LEVELS[:, None] > np.arange(4)
    costs = -np.where(above, log_expit(LOGITS), log_expit(-LOGITS))
    given = torch.tensor(LOGITS, dtype=dtype), torch.tensor(LEVELS)
    np.testing.assert_allclose(create("coral")(*given), costs.sum(1), rtol=rtol)
    np.testing.assert_allclose(create("coral", importance=weights.tolist())(*given), costs @ weights, rtol=rtol)


@pytest.mark.parametrize(("dtype", "rtol"), TYPES)
def test_corn_is_minus_the_logarithm_of_a_product(dtype, rtol):
    """Of a row at level y: the probabilities of going on from each level before, and of not going on from y."""
    going_on = 1 / (1 + np.exp(-LOGITS))
    stays = np.concatenate([1 - going_on, np.ones((50, 1))], 1)
    passed = np.concatenate([np.ones((50, 1)), going_on.cumprod(1)], 1)
    expected = -np.log((stays * passed)[np.arange(50), LEVELS])
    given = torch.tensor(LOGITS, dtype=dtype), torch.tensor(LEVELS)
    np.testing.assert_allclose(losszoo.create("corn", reduction="sum")(*given), expected.sum(), rtol=rtol)
    # The mean is over the questions: y + 1 of a row, and one less of the highest level.
    questions = np.minimum(LEVELS + 1, 4).sum()
    np.testing.assert_allclose(losszoo.create("corn")(*given), expected.sum() / questions, rtol=rtol)


def test_both_are_coral_pytorchs():
    """coral_loss(logits, levels_from_labelbatch(labels, 4)) and corn_loss(logits, labels, 4) of 1.4.0, in float64."""
    logits = torch.tensor([[2.0, 0.5, -1.0], [-0.3, 0.7, 3.0], [1.0, 1.0, 1.0], [4.0, -2.0, 0.0]], dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 3])
    for name, expected in CORAL_PYTORCH.items():
        assert losszoo.create(name)(logits, labels).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", ["coral", "corn"])
def test_a_step_that_no_row_has_come_to_counts_nothing(name):
    logits = torch.zeros(3, 4, requires_grad=True)
    value = losszoo.create(name)(logits, torch.zeros(3, dtype=torch.long))
    value.backward()
    # log 2 for each question: four of CORAL, one of CORN.
    assert value.item() == pytest.approx(math.log(2) * (4 if name == "coral" else 1))
    assert logits.grad[:, 1:].abs().max() == pytest.approx(0.5 / 3 if name == "coral" else 0.0)


@pytest.mark.parametrize("size", [20.0, 104.0, 1e4, 1e20])
@pytest.mark.parametrize(("name", "at_once"), [("coral", 3), ("corn", 1), ("ordered-logit", 1)])
def test_a_surely_wrong_row_keeps_its_gradient(name, at_once, size):
    logits = (torch.full((1, 3), size) - torch.arange(3.0)).requires_grad_()
    value = create(name)(logits, torch.tensor([0]))
    value.backward()
    assert value.item() == pytest.approx(float(logits.detach()[0, :at_once].double().sum()), rel=1e-6)
    assert logits.grad[0, 0].item() == pytest.approx(1.0)


# The ordered logit and probit models

SCORES = [-3.0, -1.2, -0.5, 0.0, 0.4, 0.9, 1.5, 2.5, 6.0, -6.0]
GRADES = [0, 1, 0, 2, 3, 1, 2, 3, 0, 3]
# OrderedModel(GRADES, SCORES, distr=link).loglikeobs([0.8, -1.0, log 1.3, log 0.4]) of statsmodels 0.15.0, times -1:
# a coefficient of 0.8 and cut points at -1, 0.3 and 0.7.
STATSMODELS = {
    "logit": [
        *(0.22041740991845085, 1.2412428690775643, 1.0374879504858856, 2.367174224942913, 0.9010896138659376),
        *(1.4079447015543674, 2.4248637905011226, 0.24100845383299221, 5.803022980930832, 5.5040784432705925),
    ],
    "probit": [
        *(0.08420440303017257, 0.886443729099553, 1.293703811614028, 1.9652209286302802, 1.0442016416859734),
        *(1.2223862763517113, 2.0836309981764707, 0.10181180266765513, 19.524583207452014, 17.779376351985135),
    ],
}


@pytest.mark.parametrize("link", STATSMODELS)
@pytest.mark.parametrize(("dtype", "rtol"), TYPES)
def test_the_likelihood_is_that_of_statsmodels(link, dtype, rtol):
    scores, labels = 0.8 * torch.tensor(SCORES, dtype=torch.float64), torch.tensor(GRADES)
    logits = (scores.unsqueeze(1) - torch.tensor([-1.0, 0.3, 0.7], dtype=torch.float64)).to(dtype)
    np.testing.assert_allclose(create("ordered-logit", link=link)(logits, labels), STATSMODELS[link], rtol=10 * rtol)
    # In whatever order the cut points come.
    shuffled = create("ordered-logit", link=link)(logits[:, [2, 0, 1]], labels)
    np.testing.assert_allclose(shuffled, STATSMODELS[link], rtol=10 * rtol)


@pytest.mark.parametrize("link", STATSMODELS)
def test_scores_with_cut_points_of_its_own(link):
    loss = create("ordered-logit", link=link, levels=4).double()
    cuts = loss.function.cuts
    with torch.no_grad():
        cuts.first.fill_(-1.0)
        cuts.raw.copy_(torch.tensor([1.3, 0.4], dtype=torch.float64).expm1().log())
    scores = 0.8 * torch.tensor(SCORES, dtype=torch.float64)
    np.testing.assert_allclose(
        loss(scores, torch.tensor(GRADES)).detach().numpy(), STATSMODELS[link], rtol=1e-9 if link == "logit" else 1e-8
    )


def cumulative(link, x):
    return 1 / (1 + mp.exp(-x)) if link == "logit" else mp.ncdf(x)


@pytest.mark.parametrize("link", STATSMODELS)
@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float32, 2e-5), (torch.float64, 1e-9)])
@pytest.mark.parametrize("score", [-30.0, -4.0, 0.0, 1.0, 9.0, 35.0])
@pytest.mark.parametrize("width", [1e-6, 1e-3, 0.1, 1.0, 20.0])
def test_value_and_gradient_are_those_of_the_difference_in_50_digits(link, dtype, rtol, score, width):
    """The difference of the two probabilities itself is 0 at a score of 35 in every dtype."""
    width = max(width, 4 * torch.finfo(dtype).eps * abs(score))
    logits = torch.tensor([[score + width, score]], dtype=dtype, requires_grad=True)
    value = create("ordered-logit", link=link)(logits, torch.tensor([1]))
    value.backward()
    high, low = (mp.mpf(x) for x in logits[0].tolist())

    def cost(high, low):
        with mp.workdps(700):
            return -mp.log(cumulative(link, high) - cumulative(link, low))

    assert value.item() == pytest.approx(float(cost(high, low)), rel=rtol)
    step = mp.mpf(10) ** -25
    for place, moved in enumerate(((step, 0), (0, step))):
        up, down = cost(high + moved[0], low + moved[1]), cost(high - moved[0], low - moved[1])
        expected = float((up - down) / (2 * step))
        assert logits.grad[0, place].item() == pytest.approx(expected, rel=10 * rtol, abs=10 * rtol)


def test_a_score_beyond_all_cut_points_is_led_back_and_tells_levels_apart():
    """Float32 keeps no digit of a cut point beside 1e8; the loss that holds them does not subtract it there."""
    loss = create("ordered-logit", levels=4)
    scores = torch.tensor([1e8, 1e8, -1e8], requires_grad=True)
    values = loss(scores, torch.tensor([0, 1, 2]))
    values.sum().backward()
    assert values.tolist() == pytest.approx([1e8, 1e8, 1e8])
    assert scores.grad.tolist() == pytest.approx([1.0, 1.0, -1.0])
    assert all(x.grad.isfinite().all() for x in loss.parameters())


def test_equal_cut_points_cost_much_and_part_again():
    logits = torch.zeros(1, 2, dtype=torch.float64, requires_grad=True)
    value = create("ordered-logit")(logits, torch.tensor([1]))
    value.backward()
    # By hand: 2 log 2, and the tangent of the logarithm at 1e-12.
    assert value.item() == pytest.approx(2 * math.log(2) + 12 * math.log(10) + 1)
    assert logits.grad[0, 0] < -1e11
    assert logits.grad[0, 1] > 1e11


def test_cut_points_stay_in_order_after_a_bad_step():
    cuts = CutPoints(5)
    assert cuts().tolist() == pytest.approx([math.log(p / (1 - p)) for p in (0.2, 0.4, 0.6, 0.8)])
    optimizer = torch.optim.SGD(cuts.parameters(), lr=1e2)
    for _ in range(3):
        optimizer.zero_grad()
        cuts()[0].sub(cuts()[2]).backward()
        optimizer.step()
        assert (cuts().diff() > 0).all()
    CutPoints(2).forward().sum().backward()


def test_log1mexp_is_mpmaths():
    x = torch.tensor([1e-30, 1e-8, 0.1, 0.69, 0.7, 5.0, 40.0, 700.0], dtype=torch.float64)
    with mp.workdps(400):
        expected = [float(mp.log(1 - mp.exp(-mp.mpf(v)))) for v in x.tolist()]
    np.testing.assert_allclose(log1mexp(x), expected, rtol=1e-14)


@pytest.mark.parametrize("x", [3.0, 0.0, -30.0, -99.9, -100.1, -1e4, -1e8, -1e30])
def test_the_tail_of_the_normal_distribution_has_its_derivative(x):
    at = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    value = log_normal_below(at)
    value.backward()
    with mp.workdps(100):
        z = -mp.mpf(x)
        # Mills' ratio by its continued fraction in the far tail, where erfc underflows even there.
        ratio = mp.sqrt(2 * mp.pi) * mp.exp(z**2 / 2) * mp.ncdf(-z) if z < 200 else 1 / (z + 1 / (z + 2 / (z + 3 / z)))
        expected = mp.log(ratio) - z**2 / 2 - mp.log(2 * mp.pi) / 2
    assert value.item() == pytest.approx(float(expected), rel=1e-13)
    assert at.grad.item() == pytest.approx(float(1 / ratio), rel=1e-11)


# What is refused


@pytest.mark.parametrize("name", ["coral", "corn", "ordered-logit"])
@pytest.mark.parametrize(
    ("logits", "labels", "rule"),
    [
        (torch.zeros(2, 3), torch.tensor([0, 4]), "labels must be levels from 0 to 3, got 4"),
        (torch.zeros(2, 3), torch.tensor([0, -1]), "labels must be levels from 0 to 3, got -1"),
        (torch.zeros(2, 3), torch.zeros(2, 3, dtype=torch.long), "labels must have shape"),
        (torch.zeros(2, 3), torch.zeros(2), "labels must be"),
        (torch.zeros(2, 0), torch.tensor([0, 0]), r"logits must have shape \(N, K - 1\)"),
    ],
)
def test_what_is_no_level_is_refused(name, logits, labels, rule):
    with pytest.raises(losszoo.UsageError, match=f"^{name}: {rule}"):
        losszoo.create(name)(logits, labels)


@pytest.mark.parametrize(
    ("name", "params", "rule"),
    [
        ("coral", {}, r"logits must have shape \(N, K - 1\), got \(2,\); ordered-logit takes scores"),
        ("corn", {}, r"logits must have shape \(N, K - 1\)"),
        ("ordered-logit", {}, r"levels must be given for scores \(N,\), got none"),
        ("ordered-logit", {"levels": 3}, r"labels must be levels from 0 to 3-1, got 3"),
    ],
)
def test_scores_are_for_a_loss_with_cut_points(name, params, rule):
    with pytest.raises(losszoo.UsageError, match=f"^{name}: {rule}"):
        losszoo.create(name, **params)(torch.zeros(2), torch.tensor([0, 3]))


def test_importance_has_a_number_for_each_step():
    with pytest.raises(losszoo.UsageError, match=r"^coral: importance must have one entry per step, K-1=3, got 2"):
        losszoo.create("coral", importance=[1.0, 2.0])(torch.zeros(2, 3), torch.tensor([0, 3]))
    with pytest.raises(losszoo.UsageError, match=r"^ordered-logit: levels must be"):
        losszoo.create("ordered-logit", levels=1)


# Prediction, metrics, training


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
def test_the_level_is_the_number_of_logits_above_0(order):
    logits = torch.tensor([[-1.0, -2.0, -3.0], [1.0, -0.5, -2.0], [2.0, 1.0, -1.0], [3.0, 2.0, 1e4], [0.0, 0.0, -1.0]])
    assert Ordinal().predict(logits[:, order], None).argmax(1).tolist() == [0, 1, 2, 3, 0]


def test_a_conditional_level_is_that_of_the_product():
    """0.7 * 0.7 is below one half, though both steps are likely."""
    step = math.log(0.7 / 0.3)
    logits = torch.tensor([[step, step, 9.0], [9.0, step, -9.0], [-0.1, 9.0, 9.0], [90.0, 90.0, 90.0]])
    assert ConditionalOrdinal().predict(logits, None).argmax(1).tolist() == [1, 2, 0, 3]


def test_the_head_falls_from_level_to_level():
    head = Ordinal().head(5, SimpleNamespace(classes=6))
    assert isinstance(head, SharedRow)
    assert (head(torch.randn(20, 5)).diff(dim=1) < 0).all()


def test_kappa_is_scikit_learns():
    guessed = np.clip(LEVELS + RANDOM.integers(-1, 2, 50), 0, 4)
    expected = cohen_kappa_score(LEVELS, guessed, weights="quadratic")
    assert quadratic_kappa(LEVELS, guessed) == pytest.approx(expected, rel=1e-12)
    assert quadratic_kappa([1, 2, 3], [2, 2, 2]) == pytest.approx(0.0)
    assert math.isnan(quadratic_kappa([1, 1], [1, 1]))
    assert math.isnan(quadratic_kappa([], []))


@pytest.mark.needs_abalone
@pytest.mark.parametrize("name", ["coral", "corn", "ordered-logit", "emd"])
def test_levels_are_learned(name, tmp_path):
    """The median level is off by 2.15 in the mean on these test rows."""
    result = losszoo.run(name, "abalone-levels", epochs=6, out=tmp_path)
    assert result.metrics["test"]["rank_mae"] < 1.6
    assert result.metrics["test"]["quadratic_kappa"] > 0.6
