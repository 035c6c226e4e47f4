"""``losszoo.tune`` from Python: what a trial's value is, what is kept, told and given back."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from quick_study import folders, plan_of, quick, value_alone

from losszoo.errors import UsageError
from losszoo.tuning.tuning_result import command_line, written


def test_the_first_trial_is_the_proposal_and_the_best_is_no_worse(out: str) -> None:
    tuning = quick(out)
    alone = value_alone("huber", "diabetes", ["recipe.batch_size=256"], out, epochs=2)
    assert tuning.default == alone
    assert tuning.best is not None
    assert tuning.best.value <= alone, "rmse: the less, the better"
    assert tuning.counts.ended == 4
    assert tuning.status == "completed"


def test_the_settings_of_the_best_give_its_value_to_the_bit(out: str) -> None:
    tuning = quick(out, epochs=1)
    assert tuning.best is not None
    settings = [f"{key}={written(value)}" for key, value in tuning.best.settings.items()]
    assert value_alone(tuning.best.loss, "diabetes", settings, out, epochs=1) == tuning.best.value


def test_only_the_best_keeps_its_folder(out: str) -> None:
    tuning = quick(out)
    assert tuning.best is not None
    assert folders(out) == [f"trial-{tuning.best.number}"]
    (run,) = Path(out).glob("*/trial-*/run-*")
    assert json.loads((run / "result.json").read_text())["metrics"]["val"]["rmse"] == tuning.best.value


def test_all_folders_are_kept_on_demand(out: str) -> None:
    quick(out, keep=True)
    assert folders(out) == [f"trial-{number}" for number in range(4)]


def test_no_run_of_a_trial_scores_the_test_rows(out: str) -> None:
    quick(out, "nca", "digits", trials=2, epochs=1, keep=True)
    results = [json.loads(path.read_text()) for path in Path(out).rglob("result.json")]
    assert [set(result["metrics"]) for result in results] == [{"val"}] * 2
    assert not list(Path(out).rglob("embedding.json")), "a map of the test rows"


def test_options_of_a_run_reach_every_trial_and_the_command(out: str) -> None:
    given: dict[str, Any] = {"clip": "auto(percentile=80)", "precision": "bf16", "accumulate": 2}
    tuning = quick(out, trials=2, keep=True, **given)
    configs = [json.loads(path.read_text()) for path in Path(out).rglob("config.json")]
    assert [{name: config[name] for name in given} for config in configs] == [given] * 2
    assert tuning.best is not None
    assert "--clip 'auto(percentile=80)' --accumulate 2 --precision bf16" in str(tuning.best.command)


def test_a_flag_is_written_without_a_value(out: str) -> None:
    assert command_line(plan_of(out, compile=True), "huber", {}, 1).endswith("--epochs 2 --compile --seed 0")


def test_the_value_is_the_mean_over_seeds_and_splits(out: str) -> None:
    tuning = quick(out, trials=1, seeds=2, splits=2)
    expected = [
        value_alone("huber", "diabetes", ["recipe.batch_size=256", f"task.split={split}"], out, epochs=2, seed=seed)
        for split in (0, 1)
        for seed in (0, 1)
    ]
    assert tuning.best is not None
    assert list(tuning.best.values) == expected
    assert tuning.best.value == pytest.approx(sum(expected) / 4, rel=1e-15)


def test_another_seed_of_the_sampler_draws_others(out: str) -> None:
    drawn = [quick(f"{out}-{seed}", seed=seed, keep=True) for seed in (0, 1)]
    configs = [
        sorted(p.read_text() for p in Path(t).glob("*/trial-[123]/*/config.json")) for t in (f"{out}-0", f"{out}-1")
    ]
    assert drawn[0].default == drawn[1].default
    assert configs[0] != configs[1]


def test_a_proposal_outside_the_range_asked_for_is_still_the_first_trial(out: str) -> None:
    tuning = quick(out, trials=3, search=["recipe.lr=0.05:0.1"])
    assert tuning.default == value_alone("huber", "diabetes", ["recipe.batch_size=256"], out, epochs=2)


def test_no_trial_is_started_after_the_timeout(out: str) -> None:
    tuning = quick(out, trials=10_000, timeout=1.5)
    assert tuning.status == "timeout"
    assert 1 <= tuning.counts.ended < 200


def test_a_loss_that_is_an_object_is_tuned_without_a_command(out: str) -> None:
    import torch

    tuning = quick(out, torch.nn.HuberLoss(), trials=2)
    assert tuning.best is not None
    assert (tuning.loss, tuning.best.command) == ("HuberLoss", None)
    with pytest.raises(UsageError, match="jobs must be 1 for a loss without a name, got 2"):
        quick(out, torch.nn.HuberLoss(), jobs=2)


def test_an_unknown_option_is_refused(out: str) -> None:
    with pytest.raises(UsageError, match=r"tune has no option 'trails': did you mean trials"):
        quick(out, trails=3)


def test_without_optuna_the_command_that_installs_it_is_said(out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError, match=r'pip install "losszoo\[tune\]"'):
        quick(out)


def test_on_trial_is_told_after_every_trial(out: str) -> None:
    told: list[tuple[int, float | None]] = []
    quick(out, trials=3, on_trial=lambda counts, best: told.append((counts.ended, best)))
    assert [ended for ended, _ in told] == [0, 1, 2, 3]
    assert told[0][1] is None
    assert all(best is not None for _, best in told[1:])


def test_importance_is_given_for_tentrials_of(out: str) -> None:
    assert quick(out).importance == {}
    made = quick(out, trials=14, epochs=1, study="longer", search=["recipe.lr=1e-3:1e-1"])
    assert made.counts.complete < 10 or sum(made.importance.values()) == pytest.approx(1)


def test_the_document_holds_plain_data(out: str) -> None:
    tuning = quick(out)
    document = json.loads(json.dumps(tuning.to_dict(), allow_nan=False))
    assert set(document) == {
        *("loss", "task", "metric", "direction", "trials", "best", "default", "importance"),
        *("storage", "study", "status", "elsewhere", "seconds"),
    }
    assert set(document["best"]) == {
        *("number", "value", "values", "params", "loss", "settings", "command", "run_dir", "notes"),
    }
    assert document["trials"] == {
        "complete": tuning.counts.complete,
        "pruned": tuning.counts.pruned,
        "failed": 0,
        "total": 4,
        "running": 0,
    }
    assert dataclasses.is_dataclass(tuning)


@pytest.mark.parametrize("value", [0.1, 1e-300, 7, True, False, None, "adam", [1, 2.5]])
def test_a_value_is_written_as_set_reads_it(value: Any) -> None:
    from losszoo.training.settings import read_value

    assert read_value(written(value)) == value
