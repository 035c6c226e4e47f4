"""Trials that fail, that are hopeless, and that cannot be run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState
from quick_study import MINE, folders, plan_of, quick, trials_of

from losszoo.errors import UsageError
from losszoo.tuning import study, trial


def test_trials_that_raise_or_are_not_finite_are_failed_and_the_others_go_on(out: str) -> None:
    """Above 2 the loss raises, below 1/2 it is NaN, and in between it is finite."""
    tuning = quick(out, f"{MINE}:scaled", trials=14, search=["loss.factor=0.01:4"])
    assert tuning.counts.ended == 14
    assert tuning.counts.failed >= 3
    assert tuning.counts.complete >= 1
    reasons = [t.user_attrs.get("failed") for t in trials_of(out, f"{MINE}:scaled", search=["loss.factor=0.01:4"])]
    assert any("RuntimeError: factor is too large" in str(reason) for reason in reasons)
    assert any("non-finite loss in step 1" in str(reason) for reason in reasons)


def test_a_study_without_a_complete_trial_has_no_best(out: str) -> None:
    tuning = quick(out, f"{MINE}:scaled(factor=0.1)", trials=2)
    assert tuning.best is None
    assert tuning.default is None
    assert tuning.counts == study.Counts(0, 0, 2, 0)
    assert tuning.to_dict()["best"] is None


def test_a_default_that_cannot_be_run_is_an_error_at_once(out: str) -> None:
    with pytest.raises(UsageError, match="must leave a pixel of an image of 16 x 16, got 9 halvings"):
        quick(out, "bce", "digits-segmentation", set=["model.depth=9"])
    assert all(t.state == TrialState.FAIL for t in trials_of(out, "bce", "digits-segmentation", set=["model.depth=9"]))


def test_a_hopeless_trial_is_pruned_and_leaves_nothing(out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "FEWEST_TO_PRUNE", 2)
    monkeypatch.setattr(trial, "RUNGS", frozenset([1, 2, 4]))
    tuning = quick(out, trials=10, epochs=5, search=["recipe.lr=1e-7:1e-1:log"])
    assert tuning.counts.pruned >= 2
    assert tuning.counts.ended == 10
    assert len(folders(out)) == 1


def test_a_kill_before_a_folder_is_removed_leaves_it_to_the_next_call(
    out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process dies between its word to the study and the removal: a folder of a trial that has long ended."""
    monkeypatch.setattr(trial, "FEWEST_TO_PRUNE", 2)
    monkeypatch.setattr(trial, "RUNGS", frozenset([1, 2, 4]))
    options: dict[str, Any] = {"trials": 10, "epochs": 5, "search": ["recipe.lr=1e-7:1e-1:log"]}
    tuning = quick(out, **options)
    assert tuning.counts.pruned >= 2
    (study_folder,) = {path.parent for path in Path(out).glob("*/trial-*")}
    for number in range(10):
        (study_folder / f"trial-{number}").mkdir(exist_ok=True)
    quick(out, **options)
    assert tuning.best is not None
    assert folders(out) == [f"trial-{tuning.best.number}"]


def test_a_trial_is_hopeless_where_half_of_all_were_better_by_that_step(
    out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values by hand, rmse: 1, 2 and 3 at step 8 of five trials; one was pruned before, and one has failed."""
    monkeypatch.setattr(trial, "FEWEST_TO_PRUNE", 5)
    made = plan_of(out)
    opened = study.open_study(made)
    for curve, state in (
        ({8: 1.0, 11: 9.0}, TrialState.COMPLETE),
        ({3: 2.0}, TrialState.COMPLETE),
        ({8: 3.0}, TrialState.PRUNED),
        ({3: 0.0}, TrialState.PRUNED),
        ({8: 0.0}, "failed"),
    ):
        asked = opened.ask()
        for step, value in curve.items():
            asked.report(value, step)
        if state == "failed":
            asked.set_user_attr(trial.FAILED, "it raised")
        ended = TrialState.COMPLETE if state == TrialState.COMPLETE else TrialState.PRUNED
        opened.tell(asked, 1.0 if state == TrialState.COMPLETE else None, state=ended)
    running = trial.Running(made, opened.ask(), lambda: None)
    assert [running._is_hopeless(8, value) for value in (2.0, 3.0, 3.1)] == [False, False, True]
    assert not running._is_hopeless(2, 99.0), "nobody had got there"
