"""Survival losses against scikit-survival, lifelines, SciPy and sums written out; their edges; the kind and a task."""

from __future__ import annotations

import hashlib
import math
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mpmath
import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

import losszoo
from losszoo import DataError, UsageError
from losszoo_plugins.survival.intervals import SurvivalHazards
from losszoo_plugins.survival.kind import SurvivalTask, concordance

RANDOM = np.random.default_rng(0)
COUNT = 40
RISKS = RANDOM.normal(size=COUNT) * 2
TIMES = RANDOM.integers(1, 12, COUNT).astype(float)
EVENTS = (RANDOM.random(COUNT) < 0.6).astype(float)
STRATA = RANDOM.integers(0, 3, COUNT)


def value(name: str, *inputs: Any, dtype: torch.dtype = torch.float64, **params: Any) -> Tensor:
    given = [torch.as_tensor(x) for x in inputs]
    found: Tensor = losszoo.create(name, **params)(*(x.to(dtype) if x.is_floating_point() else x for x in given))
    return found


def written_out(risks: Any, times: Any, events: Any, ties: str) -> float:
    """The sums of the definition in 60 digits, one event after the other."""
    total = mpmath.mpf(0)
    with mpmath.workdps(60):
        for time in sorted(set(times[events == 1])):
            at_risk = mpmath.fsum(mpmath.exp(r) for r in risks[times >= time])
            tied = risks[(times == time) & (events == 1)]
            among = mpmath.fsum(mpmath.exp(r) for r in tied)
            for place in range(len(tied)):
                share = mpmath.mpf(place) / len(tied) if ties == "efron" else 0
                total += mpmath.log(at_risk - share * among)
            total -= mpmath.fsum(mpmath.mpf(r) for r in tied)
        return float(total)


@pytest.mark.parametrize(
    ("ties", "strata", "expected"),
    [
        # scikit-survival 0.28.0, CoxPHOptimizer.nlog_likelihood with one covariate, eta, and coefficient 1; of strata
        # the sum over the groups.
        ("efron", None, 74.15643505032406),
        ("efron", STRATA, 54.37378683786829),
        ("breslow", None, 75.36504141277425),
        ("breslow", STRATA, 55.535176223581274),
    ],
)
def test_cox_is_scikit_survivals(ties: str, strata: Any, expected: float) -> None:
    more = () if strata is None else (strata,)
    found = value("cox", RISKS, TIMES, EVENTS, *more, ties=ties, reduction="sum")
    assert found.item() == pytest.approx(expected, rel=1e-13)
    narrow = value("cox", RISKS, TIMES, EVENTS, *more, ties=ties, reduction="sum", dtype=torch.float32)
    assert narrow.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("scale", [1.0, 30.0, 400.0])
@pytest.mark.parametrize("every", [False, True])
def test_cox_is_its_definition(ties: str, scale: float, every: bool) -> None:
    events = np.ones(COUNT) if every else EVENTS
    found = value("cox", RISKS * scale, TIMES, events, ties=ties, reduction="sum").item()
    assert found == pytest.approx(written_out(RISKS * scale, TIMES, events, ties), rel=1e-12)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_gradients_of_cox_are_those_of_finite_differences(ties: str) -> None:
    risks = torch.tensor(RISKS, requires_grad=True)
    inputs = torch.tensor(TIMES), torch.tensor(EVENTS)
    loss = losszoo.create("cox", ties=ties, reduction="none")
    assert torch.autograd.gradcheck(lambda x: loss(x, *inputs), risks)
    assert torch.autograd.gradgradcheck(lambda x: loss(x[:8], inputs[0][:8], inputs[1][:8]), risks)


def test_the_order_of_the_rows_does_not_matter() -> None:
    order = RANDOM.permutation(COUNT)
    for ties in ("efron", "breslow"):
        first = value("cox", RISKS, TIMES, EVENTS, ties=ties)
        torch.testing.assert_close(value("cox", RISKS[order], TIMES[order], EVENTS[order], ties=ties), first)


def test_the_mean_is_that_over_the_events() -> None:
    assert value("cox", [0.0, 0.0, 0.0], [1.0, 2.0, 3.0], [1.0, 0.0, 0.0]).item() == pytest.approx(math.log(3))


def test_a_risk_set_far_below_the_largest_risk_is_exact() -> None:
    """Two rows of risk -100 outlive one of 100: log 2 of the first of them. pycox: log(2 e^-200 + 1e-7) + 200 = 184."""
    found = value("cox", [100.0, -100.0, -100.0], [1.0, 2.0, 3.0], [0.0, 1.0, 0.0], dtype=torch.float32)
    assert found.item() == pytest.approx(math.log(2), rel=1e-6)


@pytest.mark.parametrize("size", [104.0, 1e4, 1e20, 1e30])
@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_extremes_of_cox_are_finite(size: float, ties: str) -> None:
    """Of three tied events the two of risk 0 cost the lead of the third, less for the last (Efron)."""
    risks = torch.tensor([size, 0.0, 0.0, -size]).requires_grad_()
    times, events = torch.tensor([1.0, 1.0, 1.0, 2.0]), torch.tensor([1.0, 1.0, 1.0, 0.0])
    found = losszoo.create("cox", ties=ties, reduction="sum")(risks, times, events)
    found.backward()
    assert risks.grad is not None
    assert found.item() == pytest.approx(2 * size + (math.log(2 / 9) if ties == "efron" else 0.0), rel=1e-6)
    torch.testing.assert_close(risks.grad, torch.tensor([2.0, -1.0, -1.0, 0.0]))


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_nobody_has_an_event(ties: str) -> None:
    risks = torch.tensor(RISKS, requires_grad=True)
    found = losszoo.create("cox", ties=ties)(risks, torch.tensor(TIMES), torch.zeros(COUNT))
    found.backward()
    assert found.item() == 0
    assert risks.grad is not None
    assert not risks.grad.any()


def test_masked_rows_are_no_candidates() -> None:
    kept = RANDOM.random(COUNT) < 0.6
    for ties in ("efron", "breslow"):
        loss = losszoo.create("cox", ties=ties)
        found = loss(*map(torch.tensor, (RISKS, TIMES, EVENTS, STRATA)), mask=torch.tensor(kept))
        torch.testing.assert_close(found, value("cox", RISKS[kept], TIMES[kept], EVENTS[kept], STRATA[kept], ties=ties))


def test_cox_keeps_no_pairs() -> None:
    """40,000 rows would be 6.4 GB of pairs in float32."""
    risks = torch.zeros(40_000, requires_grad=True)
    found = losszoo.create("cox", reduction="sum")(risks, torch.arange(40_000.0), torch.ones(40_000))
    found.backward()
    assert found.item() == pytest.approx(math.lgamma(40_001), rel=1e-5)


def test_weibull_is_scipys() -> None:
    raw = RANDOM.normal(size=(COUNT, 2))
    scale, shape = (np.logaddexp(raw[:, column], 0) + 1e-6 for column in (0, 1))
    expected = np.where(
        EVENTS == 1,
        -stats.weibull_min.logpdf(TIMES, shape, scale=scale),
        -stats.weibull_min.logsf(TIMES, shape, scale=scale),
    )
    np.testing.assert_allclose(value("weibull-aft", raw, TIMES, EVENTS, reduction="none"), expected, rtol=1e-9)
    logarithms = np.stack([np.log(scale), np.log(shape)], 1)
    found = value("weibull-aft", logarithms, TIMES, EVENTS, reduction="none", scale="exp")
    np.testing.assert_allclose(found, expected, rtol=1e-4)  # 1e-6 is added to each


def test_gradients_of_weibull_are_those_of_finite_differences() -> None:
    raw = torch.tensor(RANDOM.normal(size=(COUNT, 2)), requires_grad=True)
    loss = losszoo.create("weibull-aft", reduction="none")
    assert torch.autograd.gradcheck(lambda x: loss(x, torch.tensor(TIMES), torch.tensor(EVENTS)), raw)


@pytest.mark.parametrize("time", [0.0, 1e-30, 1e30])
@pytest.mark.parametrize("event", [0.0, 1.0])
def test_times_of_zero_and_far_away_are_finite(time: float, event: float) -> None:
    raw = torch.zeros(1, 2, requires_grad=True)
    found = losszoo.create("weibull-aft")(raw, torch.tensor([time]), torch.tensor([event]))
    found.backward()
    assert raw.grad is not None
    assert found.isfinite()
    assert raw.grad.isfinite().all()


@pytest.mark.parametrize(
    ("name", "inputs", "rule"),
    [
        ("cox", ([0.0], [-1.0], [1.0]), "times must be finite and >= 0, got -1"),
        ("cox", ([0.0], [math.inf], [1.0]), "times must be finite and >= 0, got inf"),
        ("cox", ([0.0], [1.0], [0.5]), "events must be 0 or 1, got 0.5"),
        ("cox", ([[0.0]], [1.0], [1.0]), r"risks must have shape \(N,\), got"),
        ("cox", ([0.0], [1.0, 2.0], [1.0]), "times must have the shape of the rows of risks"),
        ("weibull-aft", ([0.0], [1.0], [1.0]), r"scale_and_shape must have shape \(N, 2\), got"),
        ("logistic-hazard", ([[0.0]], [1], [1.0]), "bins must be from -1 to 0, got 1"),
        ("logistic-hazard", ([[0.0]], [-1], [1.0]), "bins must be 0 or more where there is an event, got -1"),
        ("deephit", ([0.0], [0], [1.0]), r"mass_logits must have shape \(N, T\), T >= 1, got"),
    ],
)
def test_what_is_refused(name: str, inputs: Any, rule: str) -> None:
    with pytest.raises(UsageError, match=rule):
        value(name, *inputs)


# Intervals

PYCOX = np.random.default_rng(3)
LOGITS = PYCOX.normal(size=(12, 5)) * 2
BINS = PYCOX.integers(0, 5, 12)
SEEN = (PYCOX.random(12) < 0.6).astype(float)


@pytest.mark.parametrize(
    ("loss", "expected", "rtol"),
    [
        # pycox 0.3.0 in float64: nll_logistic_hazard; rank_loss_deephit_single; nll_pmf, which adds 1e-7 to a share.
        ("logistic-hazard", 38.038099061304784 / 12, 1e-12),
        ("deephit(alpha=0)", 25.89291566841447, 1e-12),
        ("deephit(alpha=1)", 1.9627557037258245, 1e-6),
        ("deephit", 21.106883675476745, 1e-6),
    ],
)
def test_losses_of_intervals_are_pycoxs(loss: str, expected: float, rtol: float) -> None:
    assert value(loss, LOGITS, BINS, SEEN).item() == pytest.approx(expected, rel=rtol)


def test_losses_of_intervals_by_hand() -> None:
    """Hazards of 1/2: an event in the second interval is 1/4, who has survived two intervals 1/4, or none 1."""
    inputs = [[0.0, 0.0, 0.0]] * 3, [1, 1, -1], [1.0, 0.0, 0.0]
    expected = [math.log(4), math.log(4), 0.0]
    assert value("logistic-hazard", *inputs, reduction="none").tolist() == pytest.approx(expected)
    # Shares of 1/4, that of later among them: of the event 1/4, of who is later than the second 1/2, of any 1.
    expected = [math.log(4), math.log(2), 0.0]
    assert value("deephit(alpha=1)", *inputs, reduction="none").tolist() == pytest.approx(expected)


def test_pycox_has_no_gradient_where_later_shares_underflow() -> None:
    """Of who survives a certain interval log(1e-7) = -16.1 is all that pycox has; it is -40, with a slope of 1."""
    logits = torch.tensor([[40.0]]).requires_grad_()
    found = losszoo.create("deephit", alpha=1.0)(logits, torch.tensor([0]), torch.tensor([0.0]))
    found.backward()
    assert found.item() == pytest.approx(40.0)
    assert logits.grad is not None
    assert logits.grad.item() == pytest.approx(1.0)


@pytest.mark.parametrize("loss", ["logistic-hazard", "deephit", "deephit(alpha=1)"])
def test_gradients_of_intervals_are_those_of_finite_differences(loss: str) -> None:
    logits = torch.tensor(LOGITS, requires_grad=True)
    made = losszoo.create(loss, reduction="none")
    assert torch.autograd.gradcheck(lambda x: made(x, torch.tensor(BINS), torch.tensor(SEEN)), logits)


@pytest.mark.parametrize("size", [104.0, 1e4, 1e20])
@pytest.mark.parametrize("loss", ["logistic-hazard", "deephit"])
def test_extremes_of_intervals_are_finite(loss: str, size: float) -> None:
    for sign in (1, -1):
        logits = (torch.tensor(LOGITS, dtype=torch.float32) * size * sign).requires_grad_()
        found = losszoo.create(loss)(logits, torch.tensor(BINS), torch.tensor(SEEN, dtype=torch.float32))
        found.backward()
        assert found.isfinite()
        assert logits.grad is not None
        assert logits.grad.isfinite().all()


def test_masked_rows_are_in_no_pair() -> None:
    kept = RANDOM.random(12) < 0.6
    found = losszoo.create("deephit")(*map(torch.tensor, (LOGITS, BINS, SEEN)), mask=torch.tensor(kept))
    torch.testing.assert_close(found, value("deephit", LOGITS[kept], BINS[kept], SEEN[kept]))


def test_a_run_cuts_times_into_intervals_with_as_many_events() -> None:
    """Of 20 events one a day, two fall into each of ten intervals; the row of day 5.5 has survived the first two."""
    days = torch.cat([torch.arange(1.0, 21.0), torch.tensor([5.5])])
    targets = torch.stack([days, torch.tensor([1.0] * 20 + [0.0])], 1)
    batch = SimpleNamespace(targets=targets, outputs=None, data=SimpleNamespace(train=SimpleNamespace(targets=targets)))
    _, bins, events = SurvivalHazards().loss_inputs(batch)
    assert torch.bincount(bins[events == 1]).tolist() == [2] * 10
    assert bins[-1] == 1


# The kind and its task


def test_concordance_is_scikit_survivals_and_lifelines() -> None:
    """concordance_index_censored of scikit-survival 0.28.0 and concordance_index of lifelines 0.30.3 on these rows."""
    assert concordance(RISKS, TIMES, EVENTS) == pytest.approx(0.3505535055350554, abs=1e-15)
    assert math.isnan(concordance(RISKS, TIMES, np.zeros(COUNT)))
    assert concordance(np.zeros(COUNT), TIMES, EVENTS) == 0.5


@pytest.mark.parametrize(
    ("targets", "rule"),
    [
        ([[1.0, 2.0]], "times >= 0 and events of 0 and 1"),
        ([[-1.0, 1.0]], "times >= 0 and events of 0 and 1"),
        ([[1.0, 1.0, 1.0]], r"shape \(N, 2\), times and events"),
    ],
)
def test_targets_that_are_no_times_and_events_are_refused(targets: Any, rule: str) -> None:
    with pytest.raises(DataError, match=rule):
        SurvivalTask().check_targets("t", np.array(targets))


def test_the_data_of_the_task_are_those_that_its_page_names() -> None:
    folder = files("losszoo_tasks").joinpath("data")
    digest = hashlib.sha256(folder.joinpath("gbsg2.csv").read_bytes()).hexdigest()
    assert digest in folder.joinpath("README.md").read_text("utf-8")
    splits = losszoo.load_task("gbsg2").splits(0)
    parts = [splits.train, splits.val, splits.test]
    assert sum(len(part.inputs) for part in parts) == 686
    assert sum(part.targets[:, 1].sum() for part in parts) == 299


@pytest.mark.parametrize(
    "loss", ["cox", "weibull-aft", "weibull-aft(scale=exp)", "cox + 0.5*weibull-aft", "logistic-hazard", "deephit"]
)
def test_training_orders_the_patients(loss: str, tmp_path: Path) -> None:
    """Cox regression gives 0.665 on these rows."""
    result = losszoo.run(loss, "gbsg2", epochs=20, out=tmp_path)
    assert result.metrics["test"]["concordance"] > 0.62
