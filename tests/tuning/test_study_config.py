"""A study that is gone on with, or refused as it is another one."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from quick_study import MINE, plan_of, quick

from losszoo.errors import UsageError
from losszoo.tuning import study, tuning_workers


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


def test_an_interrupt_ends_with_what_there_is(out: str) -> None:
    def press(counts: study.Counts, best: float | None) -> None:
        if counts.ended == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match=r"interrupted; study diabetes-huber-.* is kept"):
        quick(out, on_trial=press)
    tuning = quick(out, on_trial=press, raise_interrupt=False)
    assert (tuning.status, tuning.counts.ended) == ("interrupted", 2)
    assert quick(out).counts.ended == 4


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"epochs": 3}, r"recipe\.epochs: 2 there, 3 here"),
        ({"seeds": 2}, "seeds: 1 there, 2 here"),
        ({"search": ["recipe.lr=1e-3:1"]}, r"search\.recipe\.lr: '0\.001:0\.1:log' there, '0\.001:1:log' here"),
        ({"set": ["recipe.batch_size=64"]}, r"set\.recipe\.batch_size: 256 there, 64 here"),
        ({"set": ["task.split=1", "recipe.batch_size=256"]}, r"task options\.split: 0 there, 1 here"),
        ({"clip_norm": 1.0}, r"clip_norm: None there, 1\.0 here"),
        ({"clip": "auto"}, "clip: None there, 'auto' here"),
        ({"precision": "bf16"}, "precision: 'fp32' there, 'bf16' here"),
        ({"accumulate": 2}, "accumulate: 1 there, 2 here"),
    ],
)
def test_a_study_of_another_config_is_refused(out: str, changes: dict[str, Any], said: str) -> None:
    quick(out, trials=1)
    with pytest.raises(UsageError, match=rf"must keep its settings, .*choose another --study:(.|\n)*{said}"):
        quick(out, trials=1, **changes)


def test_a_study_of_another_loss_or_program_is_refused(out: str) -> None:
    quick(out, trials=1, study="mine")
    with pytest.raises(UsageError, match="loss: 'huber' there, 'mse' here"):
        quick(out, "mse", trials=1, study="mine")
    import optuna

    other = f"sqlite:///{out}/other.db"
    optuna.create_study(storage=other, study_name="theirs").add_trial(optuna.create_trial(value=1.0))
    with pytest.raises(
        UsageError, match=r"study theirs in sqlite.*must be one of losszoo, got trials of another program"
    ):
        quick(out, storage=other, study="theirs")


def test_a_changed_file_is_another_loss(tmp_path: Path, out: str) -> None:
    mine = shutil.copy(MINE, tmp_path / "mine.py")
    quick(out, f"{mine}:scaled", trials=1)
    Path(mine).write_text(Path(mine).read_text() + "\n# changed\n")
    with pytest.raises(UsageError, match=r"mine\.py has changed since"):
        quick(out, f"{mine}:scaled", trials=1)


def test_names_that_no_folder_can_have_get_folders_of_their_own(out: str) -> None:
    names = ("a b", "a-b", "../a-b", "x" * 200, "x" * 201)
    made = [plan_of(out, study=name) for name in names]
    assert len({plan.folder for plan in made}) == len(names)
    assert all(plan.folder.parent == Path(out) for plan in made)
    assert made[1].folder.name == "a-b"


def test_a_failing_storage_on_the_way_is_one_sentence(out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from optuna.exceptions import StorageInternalError

    def gone(*_: Any, **__: Any) -> None:
        raise StorageInternalError("the disk is gone")

    monkeypatch.setattr(tuning_workers, "work", gone)
    with pytest.raises(
        UsageError, match=r"storage sqlite.* does not answer any more: the disk is gone; what was written is kept"
    ):
        quick(out)
