"""The signature, and each loss of this package, keep the contract; values are those of independent sources."""

import math

import numpy as np
import pytest
import torch
from losszoo_survival.kind import concordance
from losszoo_survival.losses import cox, exponential_survival
from scipy import stats

import losszoo
from losszoo.testing import check_signature, parametrize_losses


def test_the_signature():
    assert check_signature("lifetimes").failed == {}


@parametrize_losses(losszoo.list_losses(plugin="losszoo-survival"))
def test_conformance(loss, check):
    check(loss)


@pytest.mark.parametrize(
    ("risks", "exits", "deaths", "expected"),
    [
        # Equal risks: the event is one of all who are still seen, log 3 and log 2 and log 1.
        ([0.0, 0.0, 0.0], [1.0, 2.0, 3.0], [1.0, 1.0, 1.0], [math.log(3), math.log(2), 0.0]),
        # Tied deaths share the set of those at risk (Breslow).
        ([0.0, 0.0, 0.0], [1.0, 1.0, 3.0], [1.0, 1.0, 0.0], [math.log(3), math.log(3), 0.0]),
        # Who is lost from sight has no term, and is at risk until then.
        ([math.log(2), 0.0], [1.0, 2.0], [1.0, 0.0], [math.log(3 / 2), 0.0]),
        # A difference of 1e4 is a cost of 1e4.
        ([-1e4, 0.0], [1.0, 2.0], [1.0, 0.0], [1e4, 0.0]),
    ],
)
def test_cox_is_the_partial_likelihood(risks, exits, deaths, expected):
    values = cox(*map(torch.tensor, (risks, exits, deaths))).values
    torch.testing.assert_close(values, torch.tensor(expected))


def test_the_mean_is_that_over_the_events():
    inputs = torch.zeros(3), torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 0.0, 0.0])
    assert losszoo.create("cox-breslow")(*inputs).item() == pytest.approx(math.log(3))


def test_options_hold_for_every_loss():
    inputs = torch.zeros(3), torch.tensor([1.0, 2.0, 3.0]), torch.ones(3)
    # One event before the horizon, of three who are at risk; two who enter, with deaths log 2 and log 1.
    assert losszoo.create("cox-breslow", horizon=1.5)(*inputs).item() == pytest.approx(math.log(3))
    assert losszoo.create("cox-breslow", entry=1.5)(*inputs).item() == pytest.approx(math.log(2) / 2)
    # At a hazard of 1 the loss is the time: 1, 1.5 and 1.5.
    assert losszoo.create("exponential-survival", horizon=1.5)(*inputs).item() == pytest.approx(4 / 3)


def test_the_exponential_model_is_that_of_scipy():
    risks, exits = torch.tensor([-1.0, 0.0, 2.0]), torch.tensor([0.5, 1.0, 3.0])
    scale = np.exp(-risks.numpy())
    for deaths, log in ((1.0, stats.expon.logpdf), (0.0, stats.expon.logsf)):
        values = exponential_survival(risks, exits, torch.full((3,), deaths))
        np.testing.assert_allclose(values, -log(exits.numpy(), scale=scale), rtol=1e-6)


@pytest.mark.parametrize(
    ("risks", "expected"),
    # Of the pairs (0, 1), (0, 2) and (1, 2): all, none, one and a half.
    [([2.0, 1.0, 0.0], 1.0), ([0.0, 1.0, 2.0], 0.0), ([1.0, 1.0, 0.5], 2.5 / 3)],
)
def test_concordance_counts_pairs(risks, expected):
    exits, deaths = np.array([1.0, 2.0, 3.0]), np.array([1, 1, 0])
    assert concordance(np.array(risks), exits, deaths) == pytest.approx(expected)
    assert math.isnan(concordance(np.array(risks), exits, np.zeros(3)))
