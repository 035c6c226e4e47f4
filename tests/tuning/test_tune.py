"""``losszoo.tune``: trials that end in every way, counts, resuming, folders."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from losszoo.errors import LosszooError, UsageError
from losszoo.tuning import jobs, process, study, trial, tune, work
from losszoo.tuning.plan import StudyPlan, TuneOptions, make_study_plan
from losszoo.tuning.result import Tuning, written

MINE = str(Path(__file__).with_name("own.py"))
QUICK: dict[str, Any] = {"epochs": 2, "search": ["recipe.lr=1e-3:1e-1"], "set": ["recipe.batch_size=256"]}


@pytest.fixture
def out(tmp_path: Path) -> str:
    return str(tmp_path / "tunings")


def quick(out: str, loss: Any = "huber", task: str = "diabetes", **options: Any) -> Tuning:
    return tune.tune(loss, task, **{**QUICK, "trials": 4, "out": out, **options})


def plan_of(out: str, loss: Any = "huber", task: str = "diabetes", **options: Any) -> StudyPlan:
    return make_study_plan(loss, task, TuneOptions(**{**QUICK, "trials": 4, "out": out, **options}))


def folders(out: str) -> list[str]:
    return sorted(path.name for path in Path(out).glob("*/trial-*"))


def test_the_first_trial_is_the_proposal_and_the_best_is_no_worse(out: str) -> None:
    tuning = quick(out)
    alone = _run("huber", "diabetes", ["recipe.batch_size=256"], out, epochs=2)
    assert tuning.default == alone
    assert tuning.best is not None
    assert tuning.best.value <= alone, "rmse: the less, the better"
    assert tuning.counts.ended == 4
    assert tuning.status == "completed"


def _run(loss: str, task: str, settings: list[str], out: str, **options: Any) -> float:
    import losszoo

    result = losszoo.run(loss, task, set=settings, out=f"{out}-alone", **options)
    return result.metrics["val"]["rmse" if task == "diabetes" else "accuracy"]


def test_the_settings_of_the_best_give_its_value_to_the_bit(out: str) -> None:
    tuning = quick(out, epochs=1)
    assert tuning.best is not None
    settings = [f"{key}={written(value)}" for key, value in tuning.best.settings.items()]
    assert _run(tuning.best.loss, "diabetes", settings, out, epochs=1) == tuning.best.value


def test_only_the_best_keeps_its_folder(out: str) -> None:
    tuning = quick(out)
    assert tuning.best is not None
    assert folders(out) == [f"trial-{tuning.best.number}"]
    (run,) = Path(out).glob("*/trial-*/run-*")
    assert json.loads((run / "result.json").read_text())["metrics"]["val"]["rmse"] == tuning.best.value


def test_all_folders_are_kept_on_demand(out: str) -> None:
    quick(out, keep=True)
    assert folders(out) == [f"trial-{number}" for number in range(4)]


def test_the_value_is_the_mean_over_seeds_and_splits(out: str) -> None:
    tuning = quick(out, trials=1, seeds=2, splits=2)
    expected = [
        _run("huber", "diabetes", ["recipe.batch_size=256", f"task.split={split}"], out, epochs=2, seed=seed)
        for split in (0, 1)
        for seed in (0, 1)
    ]
    assert tuning.best is not None
    assert list(tuning.best.values) == expected
    assert tuning.best.value == pytest.approx(sum(expected) / 4, rel=1e-15)


def test_the_trials_are_in_all_and_a_second_call_does_the_rest(out: str) -> None:
    first = quick(out, trials=3)
    assert quick(out, trials=3).counts == first.counts
    again = quick(out, trials=5)
    assert again.counts.ended == 5
    assert again.study == first.study


def test_a_study_in_two_parts_is_the_study_in_one(out: str) -> None:
    """Random states are made from how many trials there are, so a stop leaves no trace."""
    quick(out, trials=2)
    parts, whole = quick(out, trials=6), quick(f"{out}-whole", trials=6)
    assert parts.best is not None
    assert whole.best is not None
    assert (parts.best.params, parts.best.value) == (whole.best.params, whole.best.value)


def test_another_seed_of_the_sampler_draws_others(out: str) -> None:
    drawn = [quick(f"{out}-{seed}", seed=seed, keep=True) for seed in (0, 1)]
    configs = [
        sorted(p.read_text() for p in Path(t).glob("*/trial-[123]/*/config.json")) for t in (f"{out}-0", f"{out}-1")
    ]
    assert drawn[0].default == drawn[1].default
    assert configs[0] != configs[1]


def test_trials_that_raise_or_are_not_finite_are_failed_and_the_others_go_on(out: str) -> None:
    """Above 2 the loss raises, below 1/2 it is NaN, and in between it is finite."""
    tuning = quick(out, f"{MINE}:scaled", trials=14, search=["loss.factor=0.01:4"])
    assert tuning.counts.ended == 14
    assert tuning.counts.failed >= 3
    assert tuning.counts.complete >= 1
    reasons = [t.user_attrs.get("failed") for t in _trials(out, f"{MINE}:scaled", search=["loss.factor=0.01:4"])]
    assert any("RuntimeError: factor is too large" in str(reason) for reason in reasons)
    assert any("non-finite loss in step 1" in str(reason) for reason in reasons)


def _trials(out: str, *arguments: Any, **options: Any) -> list[Any]:
    return study.open_study(plan_of(out, *arguments, **options)).get_trials()


def test_a_study_without_a_complete_trial_has_no_best(out: str) -> None:
    tuning = quick(out, f"{MINE}:scaled(factor=0.1)", trials=2)
    assert tuning.best is None
    assert tuning.default is None
    assert tuning.counts == study.Counts(0, 0, 2, 0)
    assert tuning.to_dict()["best"] is None


def test_a_default_that_cannot_be_run_is_an_error_at_once(out: str) -> None:
    with pytest.raises(UsageError, match="halves an image"):
        quick(out, "bce", "digits-segmentation", set=["model.depth=9"])
    assert all(t.state == TrialState.FAIL for t in _trials(out, "bce", "digits-segmentation", set=["model.depth=9"]))


def test_a_hopeless_trial_is_pruned_and_leaves_nothing(out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "FEWEST_TO_PRUNE", 2)
    monkeypatch.setattr(trial, "RUNGS", frozenset([1, 2, 4]))
    tuning = quick(out, trials=10, epochs=5, search=["recipe.lr=1e-7:1e-1:log"])
    assert tuning.counts.pruned >= 2
    assert tuning.counts.ended == 10
    assert len(folders(out)) == 1


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


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"epochs": 3}, "recipe epochs: 2 there, 3 here"),
        ({"seeds": 2}, "seeds: 1 there, 2 here"),
        ({"search": ["recipe.lr=1e-3:1"]}, r"search recipe\.lr: 0\.001:0\.1:log there, 0\.001:1:log here"),
        ({"set": ["recipe.batch_size=64"]}, r"set recipe\.batch_size: 256 there, 64 here"),
        ({"set": ["task.split=1", "recipe.batch_size=256"]}, "task options split: 0 there, 1 here"),
        ({"clip_norm": 1.0}, r"clip_norm: None there, 1\.0 here"),
    ],
)
def test_a_study_of_another_config_is_refused(out: str, changes: dict[str, Any], said: str) -> None:
    quick(out, trials=1)
    with pytest.raises(UsageError, match=rf"begun with other settings; .*choose another --study:(.|\n)*{said}"):
        quick(out, trials=1, **changes)


def test_a_study_of_another_loss_or_program_is_refused(out: str) -> None:
    quick(out, trials=1, study="mine")
    with pytest.raises(UsageError, match="loss: huber there, mse here"):
        quick(out, "mse", trials=1, study="mine")
    import optuna

    other = f"sqlite:///{out}/other.db"
    optuna.create_study(storage=other, study_name="theirs").add_trial(optuna.create_trial(value=1.0))
    with pytest.raises(UsageError, match=r"study theirs in sqlite.*is not of losszoo"):
        quick(out, storage=other, study="theirs")


def test_a_changed_file_is_another_loss(tmp_path: Path, out: str) -> None:
    mine = shutil.copy(MINE, tmp_path / "mine.py")
    quick(out, f"{mine}:scaled", trials=1)
    Path(mine).write_text(Path(mine).read_text() + "\n# changed\n")
    with pytest.raises(UsageError, match=r"code .*mine\.py: [0-9a-f]{64} there"):
        quick(out, f"{mine}:scaled", trials=1)


def test_a_dead_trial_does_not_count_and_a_live_one_does(out: str) -> None:
    made = plan_of(out, trials=3)
    opened = study.open_study(made)
    for mark, host in ((process.mark(), process.host()), ("999999999:1:x", process.host()), ("1:1:x", "elsewhere")):
        asked = opened.ask()
        for name, value in ((study.HOST, host), (study.PROCESS, mark)):
            asked.set_user_attr(name, value)
    trial.folder_of(made, 1).mkdir(parents=True)
    assert study.clear_dead(opened, made) == 1
    assert [t.state for t in opened.trials] == [TrialState.RUNNING, TrialState.FAIL, TrialState.RUNNING]
    assert not trial.folder_of(made, 1).exists()
    assert study.running_elsewhere(opened) == ("elsewhere",)
    assert study.count(opened) == study.Counts(0, 0, 0, 2)


def test_a_trial_that_nobody_marked_is_dead_after_a_while(out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = plan_of(out)
    opened = study.open_study(made)
    opened.ask()
    monkeypatch.setattr(study, "_UNMARKED_SECONDS", 1.0)
    assert study.clear_dead(opened, made) == 1


def test_the_last_trial_is_trained_once_however_many_ask(out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes have both seen that one is missing: the second gives its trial up."""
    made = plan_of(out, trials=1)
    opened = study.open_study(made)
    opened.ask()
    monkeypatch.setattr(work, "is_missing", lambda *_: True)
    work.work(opened, made, float("inf"))
    assert [t.state for t in opened.trials] == [TrialState.RUNNING, TrialState.FAIL]


def test_a_default_that_kills_its_process_is_tried_twice(out: str) -> None:
    made = plan_of(out)
    opened = study.open_study(made)
    for _ in range(2):
        study.enqueue_default(opened, made)
        study.enqueue_default(opened, made)
        assert len(opened.get_trials(states=(TrialState.WAITING,))) == 1, "once"
        opened.tell(opened.ask(), state=TrialState.FAIL)
    study.enqueue_default(opened, made)
    assert not opened.get_trials(states=(TrialState.WAITING,))


def test_a_draw_that_kills_its_process_is_drawn_twice(out: str) -> None:
    made = plan_of(out)
    opened = study.open_study(made)
    drawn = []
    for _ in range(3):
        asked = work._ask(opened, made, 0)
        drawn.append(made.space["recipe.lr"].suggest(asked))
        opened.tell(asked, state=TrialState.FAIL)
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_proposal_outside_the_range_asked_for_is_still_the_first_trial(out: str) -> None:
    tuning = quick(out, trials=3, search=["recipe.lr=0.05:0.1"])
    assert tuning.default == _run("huber", "diabetes", ["recipe.batch_size=256"], out, epochs=2)


def test_no_trial_is_started_after_the_timeout(out: str) -> None:
    tuning = quick(out, trials=10_000, timeout=1.5)
    assert tuning.status == "timeout"
    assert 1 <= tuning.counts.ended < 200


def test_a_loss_that_is_an_object_is_tuned_without_a_command(out: str) -> None:
    import torch

    tuning = quick(out, torch.nn.HuberLoss(), trials=2)
    assert tuning.best is not None
    assert (tuning.loss, tuning.best.command) == ("HuberLoss", None)
    with pytest.raises(UsageError, match="jobs must be 1 for a loss without a name, however: jobs=2"):
        quick(out, torch.nn.HuberLoss(), jobs=2)


def test_an_unknown_option_is_refused(out: str) -> None:
    with pytest.raises(UsageError, match=r"tune has no option 'trails': did you mean trials"):
        quick(out, trails=3)


def test_names_that_no_folder_can_have_get_folders_of_their_own(out: str) -> None:
    names = ("a b", "a-b", "../a-b", "x" * 200, "x" * 201)
    made = [plan_of(out, study=name) for name in names]
    assert len({plan.folder for plan in made}) == len(names)
    assert all(plan.folder.parent == Path(out) for plan in made)
    assert made[1].folder.name == "a-b"


def test_without_optuna_the_command_that_installs_it_is_said(out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError, match=r'pip install "losszoo\[tune\]"'):
        quick(out)


def test_a_failing_storage_on_the_way_is_one_sentence(out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from optuna.exceptions import StorageInternalError

    def gone(*_: Any, **__: Any) -> None:
        raise StorageInternalError("the disk is gone")

    monkeypatch.setattr(jobs, "work", gone)
    with pytest.raises(UsageError, match=r"storage sqlite.* was lost: the disk is gone; what is in it is kept"):
        quick(out)


def test_on_trial_is_told_after_every_trial(out: str) -> None:
    told: list[tuple[int, float | None]] = []
    quick(out, trials=3, on_trial=lambda counts, best: told.append((counts.ended, best)))
    assert [ended for ended, _ in told] == [0, 1, 2, 3]
    assert told[0][1] is None
    assert all(best is not None for _, best in told[1:])


def test_an_interrupt_ends_with_what_there_is(out: str) -> None:
    def press(counts: study.Counts, best: float | None) -> None:
        if counts.ended == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match=r"interrupted; study diabetes-huber-.* is kept"):
        quick(out, on_trial=press)
    tuning = quick(out, on_trial=press, raise_interrupt=False)
    assert (tuning.status, tuning.counts.ended) == ("interrupted", 2)
    assert quick(out).counts.ended == 4


def test_importance_is_given_for_ten_trials(out: str) -> None:
    assert quick(out).importance == {}
    made = quick(out, trials=14, epochs=1, study="longer", search=["recipe.lr=1e-3:1e-1"])
    assert made.counts.complete < 10 or sum(made.importance.values()) == pytest.approx(1)


def test_the_document_holds_plain_data(out: str) -> None:
    tuning = quick(out)
    document = json.loads(json.dumps(tuning.to_dict(), allow_nan=False))
    assert set(document) == {
        *("loss", "task", "metric", "direction", "trials", "best", "default", "importance"),
        *("storage", "study", "status", "seconds"),
    }
    assert set(document["best"]) == {"number", "value", "values", "params", "loss", "settings", "command"}
    assert document["trials"] == {
        "complete": tuning.counts.complete,
        "pruned": tuning.counts.pruned,
        "failed": 0,
        "total": 4,
    }
    assert dataclasses.is_dataclass(tuning)


@pytest.mark.parametrize("value", [0.1, 1e-300, 7, True, False, None, "adam", [1, 2.5]])
def test_a_value_is_written_as_set_reads_it(value: Any) -> None:
    from losszoo.harness.settings import read_value

    assert read_value(written(value)) == value


def test_a_process_is_known_by_its_number_and_its_start() -> None:
    assert process.is_alive(process.mark())
    number, _, rest = process.mark().partition(":")
    assert not process.is_alive(f"{number}:1{rest}"), "the same number, given anew"
    assert not process.is_alive("999999999::")


def test_a_worker_that_ends_says_why(tmp_path: Path) -> None:
    """Wrong usage as such, another failure by its last line; a signal is no answer."""

    def check(code: str) -> None:
        with (tmp_path / "log").open("w+") as log:
            ended = subprocess.Popen([sys.executable, "-c", code], stderr=log, text=True)
            ended.wait()
            jobs._check([ended], [log])

    with pytest.raises(UsageError, match=r"^cannot be$"):
        check("import sys; print('cannot be', file=sys.stderr); sys.exit(2)")
    with pytest.raises(LosszooError, match=r"ended with code 1: ValueError: bad"):
        check("raise ValueError('bad')")
    with pytest.raises(LosszooError, match=r"ended with code 3: it said nothing"):
        check("raise SystemExit(3)")
    check("import os; os.kill(os.getpid(), 9)")
