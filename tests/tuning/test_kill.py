"""Tunings that are killed for real, and called again."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import forking
import pytest

from losszoo.tuning import study
from losszoo.tuning.tuning_options import TuneOptions
from losszoo.tuning.tuning_plan import make_study_plan

MINE = str(Path(__file__).with_name("own.py"))


def arguments(out: Path, *more: str, loss: str = "huber", trials: int = 12) -> list[str]:
    fixed = ("--set", "recipe.batch_size=64", "--epochs", "12", "--search", "recipe.lr=1e-3:1e-1", "--out", str(out))
    asked = ("--loss", loss, "--task", "diabetes", "--trials", str(trials), "--json")
    return [sys.executable, "-m", "losszoo", "tune", *asked, *fixed, *more]


def tune(*given: Any, **options: Any) -> dict[str, Any]:
    done = forking.run(arguments(*given, **options), timeout=1800)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def completed(out: Path) -> list[float]:
    """The values of the trials that are complete."""
    from optuna.trial import TrialState

    options = TuneOptions(
        epochs=12, set=["recipe.batch_size=64"], search=["recipe.lr=1e-3:1e-1"], out=out, trials=12, jobs=1
    )
    opened = study.open_study(make_study_plan("huber", "diabetes", options))
    return [float(t.value or 0) for t in opened.get_trials(states=(TrialState.COMPLETE,))]


def started(out: Path, trials: int = 1) -> None:
    """Wait until so many trials have left a trace."""
    limit = time.monotonic() + 1800
    while time.monotonic() < limit:
        if len(list(out.glob("*/trial-*"))) >= trials:
            return
        time.sleep(0.05)


@pytest.mark.sweep
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_tuning_that_is_killed_again_and_again_comes_to_the_same_number_of_trials(tmp_path: Path, jobs: str) -> None:
    draw = random.Random(int(jobs))
    before: list[float] = []
    for _ in range(3):
        process = forking.Popen(
            arguments(tmp_path, "--jobs", jobs), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        started(tmp_path)
        time.sleep(draw.uniform(0, 2))
        process.kill()
        process.wait()
        now = completed(tmp_path)
        assert set(before) <= set(now), "nothing that was complete is lost"
        before = now
    document = tune(tmp_path, "--jobs", jobs)
    assert document["trials"]["total"] == 12
    assert document["best"]["value"] <= min([*before, document["default"]])
    assert [path.name for path in tmp_path.glob("*/trial-*")] == [f"trial-{document['best']['number']}"]
    assert not [*tmp_path.rglob("*.tmp*")]


def test_a_killed_tuning_ends_like_one_that_was_never_killed(tmp_path: Path) -> None:
    process = forking.Popen(arguments(tmp_path / "killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    started(tmp_path / "killed", 2)
    process.kill()
    process.wait()
    killed, whole = (tune(tmp_path / name)["best"] for name in ("killed", "whole"))
    assert (killed["params"], killed["value"]) == (whole["params"], whole["value"])


@pytest.mark.sweep
def test_a_trial_that_kills_its_process_is_done_without(tmp_path: Path) -> None:
    """Above 1.5 the loss kills; the others are found, by the other process or the next call."""
    more = ("--jobs", "2", "--search", "loss.factor=0.6:2")
    document = tune(tmp_path, *more, loss=f"{MINE}:deadly", trials=6)
    assert document["trials"]["total"] == 6
    assert document["best"]["params"].get("loss.factor", 1.0) <= 1.5


@pytest.mark.sweep
def test_two_commands_share_the_trials_of_a_study(tmp_path: Path) -> None:
    """As two machines do that reach one storage."""
    shared = (tmp_path, "--storage", f"sqlite:///{tmp_path}/shared.db")
    other = forking.Popen(arguments(*shared), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    one = forking.run(arguments(*shared), timeout=1800)
    mine, theirs = json.loads(one.stdout), json.loads(other.communicate(timeout=1800)[0])
    assert max(mine["trials"]["total"], theirs["trials"]["total"]) == 12
    for code, document in ((one.returncode, mine), (other.returncode, theirs)):
        whole = document["trials"]["total"] == 12
        assert (code, document["status"]) == ((0, "completed") if whole else (1, "waiting"))
    again = tune(*shared)
    assert again["trials"]["total"] == 12
    assert again["best"]["value"] <= min(mine["best"]["value"], theirs["best"]["value"])


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_says_what_there_is_and_how_to_go_on(tmp_path: Path, jobs: str) -> None:
    process = forking.Popen(
        arguments(tmp_path, "--jobs", jobs, trials=400), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    limit = time.monotonic() + 1800
    while not list(tmp_path.glob("*.db")) or not of_state(tmp_path, "COMPLETE"):
        assert time.monotonic() < limit
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=1800)
    document = json.loads(out)
    assert process.returncode == 1
    assert document["status"] == "interrupted"
    assert document["trials"]["total"] < 400
    assert "repeat the command to continue" in said
    assert "validation rmse: best" in said
    assert "Traceback" not in said
    assert not of_state(tmp_path, "RUNNING")


def of_state(out: Path, state: str) -> int:
    """How many trials; none where the tables are not made yet."""
    (path,) = out.glob("*.db")
    with contextlib.closing(sqlite3.connect(path, timeout=1800)) as connection:
        if not connection.execute("select count(*) from sqlite_master where name='trials'").fetchone()[0]:
            return 0
        return int(connection.execute("select count(*) from trials where state=?", (state,)).fetchone()[0])
