"""``losszoo tune`` as a user types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from losszoo.cli.commands.tune_command import command, lines_of
from losszoo.cli.main import main
from losszoo.training.result_options import RESULT_OPTIONS
from losszoo.tuning.heartbeat import BEAT
from losszoo.tuning.study import HOST, PROCESS, Counts, open_study
from losszoo.tuning.tuning_options import TuneOptions
from losszoo.tuning.tuning_plan import make_study_plan
from losszoo.tuning.tuning_result import Best, Tuning

QUICK = ("--loss", "focal", "--task", "breast-cancer", "--trials", "2", "--epochs", "1")


def ask(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["tune", *arguments])


def test_the_command_line_of_the_best_gives_its_value_to_the_bit(tmp_path: Path) -> None:
    """Pasted into a real shell, from a folder of its own; the losses have spaces and brackets in them."""
    loss = "0.7*focal + 0.3*squared-hinge(margin=1.5)"
    arguments = (
        "--loss",
        loss,
        "--task",
        "breast-cancer",
        "--trials",
        "4",
        "--epochs",
        "2",
        "--threads",
        "1",
        "--json",
    )
    done = ask(*arguments, "--out", str(tmp_path / "out"))
    assert done.exit_code == 0, done.stderr
    best = json.loads(done.stdout)["best"]
    assert best["command"].startswith("OMP_NUM_THREADS=1 losszoo run --loss '0.7*focal")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    shell = subprocess.run(
        f"{best['command']} --json",
        shell=True,
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
    )
    metrics = json.loads(shell.stdout)["metrics"]
    assert metrics["val"]["accuracy"] == best["value"]
    assert "accuracy" in metrics["test"], "scored here for the first time"


def test_the_result_is_said_to_people_and_to_programs(tmp_path: Path) -> None:
    done = ask(*QUICK, "--out", str(tmp_path), "--json")
    assert done.exit_code == 0
    document = json.loads(done.stdout)
    assert document["trials"]["total"] == 2
    assert document["best"]["command"] in done.stderr.splitlines(), "one line, ready to be pasted"
    again = ask(*QUICK, "--out", str(tmp_path))
    assert again.exit_code == 0
    assert document["best"]["command"] in again.stdout.splitlines()
    assert "2 of 2 trials" in again.stdout
    assert f"study {document['study']} in sqlite:///{tmp_path}" in again.stdout


def test_exit_code_1_where_no_trial_was_completed(tmp_path: Path) -> None:
    mine = Path(__file__).parents[1] / "tuning" / "own.py"
    done = ask("--loss", f"{mine}:scaled(factor=0.1)", "--task", "diabetes", "--trials", "1", "--out", str(tmp_path))
    assert done.exit_code == 1
    assert "no trial was completed" in done.stdout
    assert "0 complete, 0 pruned, 1 failed" in done.stdout


def test_exit_code_1_while_another_machine_runs_what_is_missing(tmp_path: Path) -> None:
    options = TuneOptions(trials=2, epochs=1, out=tmp_path)
    other = open_study(make_study_plan("focal", "breast-cancer", options)).ask()
    for name, value in ((HOST, "node2"), (BEAT, time.time()), (PROCESS, "1:1:x:")):
        other.set_user_attr(name, value)
    done = ask(*QUICK, "--out", str(tmp_path))
    assert done.exit_code == 1
    assert "1 of 2 trials" in done.stdout
    assert "; waiting" in done.stdout
    assert "still running on node2: 1 trial" in done.stdout


def test_a_trial_takes_every_option_of_a_run_that_decides_a_result() -> None:
    assert set(RESULT_OPTIONS) < {param.name for param in command.params}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--loss", "focall"), "unknown loss 'focall': did you mean"),
        (("--task", "irises"), "unknown task 'irises'"),
        (("--loss", "dice"), "does not fit breast-cancer"),
        (("--search", "recipe.lrr=1:2"), "did you mean recipe.lr"),
        (("--search", "recipe.lr=2:1"), "must have LOW < HIGH"),
        (("--search", "recipe.lr=-1:1"), "must be in (0, inf), got -1"),
        (("--search", "task.split=0,1"), "task.split must not be searched"),
        (
            ("--set", "recipe.epochs=3"),
            "epochs must be given once, got --epochs 1 and --set recipe.epochs=3; leave one out",
        ),
        (("--set", "model.dimm=3"), "trunk mlp has no option 'dimm'"),
        (("--storage", "postgresql://me:secret@localhost:1/x"), "postgresql://me:***@localhost:1/x"),
        (("--storage", "study.db"), "storage must be a URL"),
        (("--clip", "sometimes"), "clip must be"),
        (("--accumulate", "0"), "0 is not in the range x>=1"),
        (("--timeout", "-1"), "timeout must be a number of seconds > 0"),
        (("--trials", "0"), "0 is not in the range x>=1"),
        (("--out", " "), "out must be the path of a folder"),
    ],
)
def test_wrong_usage_is_one_sentence_and_exit_code_2(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    done = ask(*QUICK, "--out", str(tmp_path / "out"), *arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr
    assert not (tmp_path / "out").exists(), "nothing is begun"


def test_a_study_of_another_config_is_refused(tmp_path: Path) -> None:
    ask(*QUICK, "--out", str(tmp_path))
    done = ask(*QUICK, "--out", str(tmp_path), "--seeds", "2")
    assert done.exit_code == 2
    assert "must keep its settings, got others" in done.stderr
    assert "seeds: 1 there, 2 here" in done.stderr


def test_an_exhibit_is_said_before_it_starts(tmp_path: Path) -> None:
    done = ask("--loss", "nca-ratio", "--task", "digits", "--trials", "1", "--search", "x=1", "--out", str(tmp_path))
    assert "nca-ratio is an exhibit" in done.stderr


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({}, ["validation rmse: best 2.0500 (trial 7), default 2.1000", "the best again:", "losszoo run ..."]),
        ({"default": None}, ["validation rmse: best 2.0500 (trial 7), default has no value"]),
        ({"importance": {"recipe.lr": 0.25, "loss.delta": 0.75}}, ["what mattered: loss.delta 75 %, recipe.lr 25 %"]),
        (
            {"status": "timeout"},
            ["huber on abalone-age: 9 of 10 trials (6 complete, 2 pruned, 1 failed) in 3 s; timeout"],
        ),
        (
            {"elsewhere": ("node2",), "status": "waiting"},
            [
                "huber on abalone-age: 9 of 10 trials (6 complete, 2 pruned, 1 failed) in 3 s; waiting",
                "still running on node2: 1 trial",
                "a trial without a mark for 10 minutes is given up and run again",
                "repeat the command to continue",
            ],
        ),
        ({"status": "waiting"}, ["still running in another process: 1 trial"]),
        (
            {"status": "stalled", "counts": Counts(6, 2, 1, 0)},
            ["several processes died in a trial; check the memory and the code of the loss"],
        ),
        ({"best": None}, ["no trial was completed"]),
        ({"failures": dict.fromkeys(range(9), "it raised")}, [f"trial {n} failed: it raised" for n in (0, 1, 2)]),
        (
            {"best": Best(7, 2.05, (2.0, 2.1), {}, "huber", {}, "losszoo run ...")},
            ["  the mean of 2.0000, 2.1000", "the best again, its first training (2.0000):"],
        ),
    ],
)
def test_what_is_said_of_a_tuning(changes: dict[str, Any], lines: list[str]) -> None:
    best = Best(7, 2.05, (2.05,), {"recipe.lr": 0.01}, "huber", {}, "losszoo run ...")
    given: dict[str, Any] = {
        "loss": "huber",
        "task": "abalone-age",
        "metric": "rmse",
        "direction": "min",
        "counts": Counts(6, 2, 1, 1),
        "best": best,
        "default": 2.1,
        "importance": {},
        "storage": "sqlite:///x.db",
        "study": "x",
        "status": "completed",
        "seconds": 3.2,
        **changes,
    }
    said = list(lines_of(Tuning(**given), 10))
    assert all(line in said for line in lines), said
