"""``losszoo predict`` in real processes: a file in, a file out, and every refusal with exit code 2."""

from __future__ import annotations

import csv
import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from sklearn.metrics import accuracy_score
from trained import NET, churn, of_part

import losszoo
from losszoo.cli.main import main

pytest.importorskip("pandas")


def cli(*words: str) -> Result:
    return CliRunner().invoke(main, words)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("predict")
    churn(made)
    (made / "my_net.py").write_text(NET, encoding="utf-8")
    return made


@pytest.fixture(autouse=True)
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


@pytest.fixture(scope="module")
def trained(folder: Path) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        words = ["--task", "churn.csv", "--target", "churned", "--split", "part", "--epochs", "2"]
        done = cli("run", "--loss", "focal", *words, "--model", "my_net.py:Net", "--json")
    assert done.exit_code == 0, done.output
    command = next(line for line in done.stderr.splitlines() if line.startswith("losszoo predict"))
    return {**json.loads(done.stdout), "command": command}


def test_the_command_that_a_run_shows_predicts(trained: dict[str, Any]) -> None:
    of_part(Path("churn.csv"), "test").rename("new.csv")
    done = cli(*shlex.split(trained["command"])[1:], "--proba", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["metrics"] == trained["metrics"]["test"]
    assert (told["rows"], told["scored"], told["out"]) == (48, 48, "predictions.csv")
    with open("predictions.csv", encoding="utf-8") as written, open("new.csv", encoding="utf-8") as given:
        predicted, rows = list(csv.DictReader(written)), list(csv.DictReader(given))
    accuracy = accuracy_score([row["churned"] for row in rows], [row["prediction"] for row in predicted])
    assert accuracy == trained["metrics"]["test"]["accuracy"]
    likely = ["gone" if float(row["probability_gone"]) > 0.5 else "stays" for row in predicted]
    assert likely == [row["prediction"] for row in predicted]


def test_a_file_is_not_overwritten_unless_it_is_said(trained: dict[str, Any]) -> None:
    Path("kept.csv").write_text("mine", encoding="utf-8")
    words = ("predict", trained["run_dir"], "churn.csv", "--trust")
    for out, said in {
        "kept.csv": "--overwrite replaces it",
        "churn.csv": "another file than the rows",
        "kept.xlsx": "must end with .csv or .npy",
        "none/p.csv": "make the folder first",
    }.items():
        done = cli(*words, "--out", out)
        assert (done.exit_code, said in done.stderr) == (2, True), done.output
    assert Path("kept.csv").read_text("utf-8") == "mine"
    assert cli(*words, "--out", "kept.csv", "--overwrite").exit_code == 0
    assert len(Path("kept.csv").read_text("utf-8").splitlines()) == 241


def test_without_a_file_the_first_rows_are_shown(trained: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    done = cli("predict", trained["run_dir"], "churn.csv", "--trust", "--proba")
    lines = done.stdout.splitlines()
    assert lines[0] == "focal on churn: 240 rows"
    assert lines[1].startswith("of 240 rows with churned: accuracy 0.")
    assert lines[2].split() == ["row", "prediction", "probability_gone", "probability_stays"]
    assert lines[-1] == "and 220 more; --out predictions.csv writes all of them"
    assert max(map(len, lines)) <= 80


def test_what_is_new_is_told_and_what_is_missing_refused(trained: dict[str, Any]) -> None:
    Path("few.csv").write_text("age,income,city,member\n40,,Oslo,yes\n", encoding="utf-8")
    done = cli("predict", trained["run_dir"], "few.csv", "--model", "my_net.py:Net", "--json")
    told = json.loads(done.stdout)
    assert (len(told["predictions"]), told["metrics"]) == (1, {})
    assert "'Oslo'" in told["notes"][0]
    assert told["notes"][0] in done.stderr
    Path("few.csv").write_text("age,city,member\n40,Rome,yes\n", encoding="utf-8")
    done = cli("predict", trained["run_dir"], "few.csv", "--trust", "--json")
    assert done.exit_code == 2
    assert "got none named 'income'" in json.loads(done.stdout)["error"]["message"]
    done = cli("predict", trained["run_dir"], "few.csv")
    assert (done.exit_code, "--model my_net.py:Net" in done.stderr) == (2, True)


class Dots(losszoo.Task):
    """Where a picture is bright."""

    spec = losszoo.TaskSpec(name="dots", target="m:Dots", kind="segmentation", summary="Dots.", metric="iou")

    def splits(self, seed: int = 0) -> losszoo.Splits:
        images = np.random.default_rng(seed).normal(size=(30, 1, 8, 8)).astype("f")
        return losszoo.Splits(*(losszoo.Split(images[i::3], (images[i::3] > 0).astype("f")) for i in range(3)))

    def setup(self, signature: str) -> losszoo.Setup:
        return losszoo.Setup(trunk="unet", model={"dim": 4, "width": 4, "depth": 1})


def test_arrays_go_in_and_out_as_arrays(folder: Path) -> None:
    result = losszoo.run("dice", Dots(), epochs=1, out="runs")
    test = Dots().splits().test
    np.save("images.npy", test.inputs[:4])
    done = cli("predict", result.run_dir, "images.npy", "--out", "masks.npy")
    assert done.exit_code == 0, done.output
    assert np.array_equal(np.load("masks.npy"), losszoo.load_run(result.run_dir).predict(test.inputs[:4]))
    done = cli("predict", result.run_dir, "images.npy", "--out", "masks.csv")
    assert (done.exit_code, "say --out predictions.npy" in done.stderr) == (2, True)
    assert not Path("masks.csv").exists()
