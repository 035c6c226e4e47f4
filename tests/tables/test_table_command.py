"""The flags of a table on the command line, in real processes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from make_tables import segments

import losszoo as zoo
from losszoo.cli.main import main

pytest.importorskip("pandas")


def losszoo(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "losszoo", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=1800, check=False)


def test_one_command_from_a_file_to_a_result_and_again(tmp_path: Path) -> None:
    segments(tmp_path)
    done = losszoo(
        tmp_path, "run", "--loss", "focal", "--task", "own.csv", "--target", "segment", "--epochs", "2", "--json"
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["task"], result["status"]) == ("own", "completed")
    resumed = losszoo(tmp_path, "run", "--resume", result["run_dir"], "--json")
    assert json.loads(resumed.stdout) == result, resumed.stderr


def test_a_comparison_of_a_table_in_two_processes(tmp_path: Path) -> None:
    segments(tmp_path)
    words = (
        "--task",
        "own.csv",
        "--target",
        "segment",
        "--drop",
        "city",
        "--epochs",
        "2",
        "--seeds",
        "2",
        "--jobs",
        "2",
    )
    done = losszoo(tmp_path, "compare", "--loss", "focal", "--loss", "cross-entropy", *words, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["tasks"] == ["own"]


def test_info_shows_columns_and_what_is_done_with_them(tmp_path: Path) -> None:
    segments(tmp_path)
    shown = losszoo(tmp_path, "info", "own.csv", "--target", "segment")
    for words in (
        "kind      binary",
        "bronze",
        "age     numbers",
        "city    words",
        "yes-no",
        "scaled, a gap 40.87",
        "--metric  accuracy, average_precision, balanced_accuracy",
    ):
        assert words in shown.stdout
    assert shown.stdout.count("mean 0 and deviation 1") == 1  # not once for each column
    known = json.loads(losszoo(tmp_path, "info", "own.csv", "--target", "segment", "--json").stdout)
    assert [column["name"] for column in known["columns"]] == ["age", "city", "active"]
    assert "gaps filled with the median 40.87" in known["columns"][0]["done"]
    assert sum(column["inputs"] for column in known["columns"]) == known["inputs"]
    assert known["metrics"][:2] == ["accuracy", "average_precision"]
    assert sum(known["rows"].values()) == sum(known["classes"].values()) == 200


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--task", "own.csv"), "a table must be given with its target, got own.csv; say --target COLUMN"),
        (("--task", "own.csv", "--target", "segmnt"), "got 'segmnt': did you mean segment?"),
        (("--task", "digits", "--target", "segment"), "--target must go with a table"),
        (("--task", "ow.csv", "--target", "segment"), "did you mean own.csv?"),
    ],
)
def test_wrong_flags_are_answered_in_a_sentence(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    segments(tmp_path)
    done = losszoo(tmp_path, "run", "--loss", "focal", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_page_quotes_words_that_look_like_two(tmp_path: Path) -> None:
    rows = "".join(f"{'basic' if row % 2 else 'premium, yearly'!r},{row % 3 or ''},{row % 2}\n" for row in range(60))
    path = tmp_path / "plans.csv"
    path.write_text("plan,city,y\n" + rows.replace("'", '"').replace(",1,", ",Rome,").replace(",2,", ",Oslo,"), "utf-8")
    done = CliRunner().invoke(main, ["info", str(path), "--target", "y"])
    assert "'premium, yearly'" in done.output, done.output
    assert "3 inputs (one for gaps)" in done.output
    assert "positive  1: precision, recall, f1 and average_precision are of this class" in done.output
    assert "30 (50.0 %)" in done.output


def test_what_is_named_wrongly_is_said_with_the_next_step(tmp_path: Path) -> None:
    net = tmp_path / "net.py"
    net.write_text("from torch import nn\nclass Net(nn.Module):\n    pass\nclass Other:\n    pass\n1 / 0\n", "utf-8")
    done = CliRunner().invoke(main, ["run", "--loss", "bce", "--task", "breast-cancer", "--model", str(net)])
    assert f"must be named beside its file, got {net}; say {net}:Net" in done.output
    done = CliRunner().invoke(main, ["info", "c.txt", "--target", "x"])
    assert "--target must go with a table, a file that ends with .csv, .tsv, .parquet, .pq, got c.txt" in done.output
    for call in (zoo.run, zoo.tune):
        with pytest.raises(zoo.UsageError, match=r"losszoo\.Task\.from_table\(table, target=\.\.\.\)"):
            call("bce", "c.csv", target="x")
    with pytest.raises(zoo.UsageError, match=r"losszoo\.Task\.from_table\(table, target=\.\.\.\)"):
        zoo.compare(["bce"], ["breast-cancer"], target="x", out=tmp_path / "c")
