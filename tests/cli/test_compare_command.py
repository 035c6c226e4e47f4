"""``losszoo compare``: what it computes, shows, keeps and refuses; real processes on small grids."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

RUNS = Path(__file__).parents[1] / "comparison"
sys.path += [str(RUNS), str(RUNS.parent)]

from comparing import SMALL, compare, environment, losses  # noqa: E402
from doc_blocks import DOCS, blocks  # noqa: E402

from losszoo import UsageError  # noqa: E402
from losszoo.cli.commands.compare_command import command  # noqa: E402
from losszoo.cli.commands.run_command import command as run_command  # noqa: E402
from losszoo.cli.main import main  # noqa: E402
from losszoo.common.files import read_json  # noqa: E402
from losszoo.comparison.compare_options import DECIDING, FREE  # noqa: E402

CELL = {
    *("format", "task", "loss", "seed", "kind", "status", "config", "result", "error", "seconds"),
    *("peak_memory_mb", "started", "ended", "folder"),
}
DOCUMENT = {
    *("tasks", "losses", "seeds", "out", "options", "cells", "tables", "ranks", "notes", "seconds", "failures"),
    "answer",
}


def ask(*arguments: str) -> tuple[int, str]:
    """Exit code and message of what is refused before anything starts."""
    done = CliRunner().invoke(main, ["compare", *arguments])
    return done.exit_code, done.stderr


# The two commands of the page: a grid, and the same folder with one seed more of one loss.
FIRST, SECOND = (
    shlex.split(command)[2:]
    for block in blocks(DOCS / "compare.md")
    if block.language == "console"
    for command, _ in block.commands
)


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, str]:
    """Two tasks, two losses, three seeds and the baselines."""
    folder = tmp_path_factory.mktemp("grid")
    code, document, said = compare(*FIRST, *losses("cross-entropy"), cwd=folder)
    assert code == 0, said
    return folder, document, said


def test_the_document_holds_cells_tables_and_ranks(grid: tuple[Path, Any, str]) -> None:
    folder, document, _ = grid
    assert set(document) == DOCUMENT
    assert document["tasks"] == ["digits", "breast-cancer"]
    assert document["losses"] == ["cross-entropy", "nca-stable"]
    assert document["seeds"] == [0, 1, 2]
    assert document["failures"] == []
    assert len(document["cells"]) == 2 * (2 * 3 + 4)
    for cell in document["cells"]:
        assert set(cell) == CELL
        assert cell["status"] == "done"
        record = read_json(folder / cell["folder"] / "cell.json")
        assert record == {key: value for key, value in cell.items() if key != "folder"}
    baselines = ("knn", "nca-knn", "logistic-regression", "gradient-boosting")
    assert set(document["ranks"]) == {"cross-entropy", "nca-stable", *(f"{name} (baseline)" for name in baselines)}
    assert sum(document["ranks"].values()) == pytest.approx(6 * 7 / 2)


def test_the_table_is_for_people(grid: tuple[Path, Any, str]) -> None:
    _, _, said = grid
    lines = said.splitlines()
    assert any(line.startswith("digits: test accuracy over 3 seeds (larger is better), best first") for line in lines)
    assert any("knn (baseline)" in line and "1/1" in line for line in lines)
    assert any(line.startswith("to the best: the mean difference") for line in lines)
    assert any(line.startswith("mean rank over 2 tasks") for line in lines)
    assert "note: loss cross-entropy is given twice; it is compared once" in lines
    assert lines[-1].startswith("20 of 20 cells done, ")


def test_a_narrow_terminal_shows_the_whole_answer(grid: tuple[Path, Any, str]) -> None:
    folder, document, _ = grid
    asked = [sys.executable, "-m", "losszoo", "compare", *FIRST]
    done = subprocess.run(
        asked, cwd=folder, env=environment() | {"COLUMNS": "80"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    for task, rows in document["tables"].items():
        for row in rows:
            gap = row["difference"]
            interval = f"{gap['low']:+.4f} to {gap['high']:+.4f}" if gap and gap["low"] is not None else ""
            label = f"{row['loss']} (baseline)" if row["kind"] == "baseline" else row["loss"]
            spread = "" if row["std"] is None else f"{row['std']:.4f}"
            (own,) = [line for line in lines if line.startswith(f"{label}  ") and f"  {row['mean']:.4f}" in line]
            assert spread in own
            assert interval in own
        (best,) = (row for row in rows if row["leads"])
        assert best["difference"] is None
        assert any(
            line.startswith(best["loss"]) and line.partition(f" on {task} with accuracy {best['mean']:.4f}")[1]
            for line in lines
        )
    assert max(map(len, lines[:-1])) <= 80


def test_done_cells_are_not_computed_again(grid: tuple[Path, Any, str]) -> None:
    folder, document, _ = grid
    code, second, said = compare(*SECOND, cwd=folder)
    assert code == 0
    started = {cell["folder"]: cell["started"] for cell in document["cells"]}
    assert [cell["seed"] for cell in second["cells"] if cell["started"] != started.get(cell["folder"])] == [3]
    assert "4 of 4 cells done" in said
    assert read_json(folder / "comparisons" / "comparison.json") == second


def test_another_config_is_refused_before_anything_starts(grid: tuple[Path, Any, str]) -> None:
    folder, _, _ = grid
    asked = ("--task", "digits", *losses("cross-entropy"), "--seeds", "2", "--epochs", "4", "--set", "task.split=1")
    code, document, said = compare(*asked, cwd=folder)
    assert code == 2
    assert "cross-entropy on digits, seed 0, 1\n" in said
    assert "epochs: 3 -> 4" in said
    assert "set.task.split: not set -> 1" in said
    assert "choose another --out, or compute these cells anew with --fresh" in said
    assert document["error"]["type"] == "UsageError"


def test_fresh_computes_them_anew(tmp_path: Path) -> None:
    asked = (*SMALL, *losses("cross-entropy"))
    first = compare(*asked, cwd=tmp_path)[1]
    code, second, said = compare(*asked, "--clip-norm", "0.5", "--fresh", cwd=tmp_path)
    assert code == 0, said
    assert second["cells"][0]["config"]["clip_norm"] == 0.5
    assert second["cells"][0]["result"]["guard"]["clipped"] > first["cells"][0]["result"]["guard"]["clipped"]


OWN = """
import torch

def of_numbers(a, b):
    return torch.nn.functional.cross_entropy(a, b)
"""


def test_the_options_of_a_run_are_those_of_every_cell(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    asked = {"clip": "auto(percentile=90)", "accumulate": 2, "signature": "multiclass", "expects": "logits"}
    flags = [word for key, value in asked.items() for word in (f"--{key}", str(value))]
    code, document, said = compare(*SMALL, *losses("own.py:of_numbers"), *flags, cwd=tmp_path)
    assert code == 0, said
    (cell,) = document["cells"]
    assert {key: cell["config"][key] for key in asked} == asked
    config = json.loads((tmp_path / cell["folder"] / "run" / "config.json").read_text())
    assert {key: config[key] for key in asked} == asked
    assert cell["result"]["guard"]["clipped"] > 0


def test_no_option_of_a_run_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are its own, so that they are told and checked alike; --compile takes half a minute, and is not run here."""
    names = {option.name: option for option in command.params}
    assert {"settings", *DECIDING, *FREE} - {"set"} <= set(names)
    assert all(names[option.name] is option for option in run_command.params if option.name in DECIDING)
    given: dict[str, Any] = {}

    def compare(*_: Any, **options: Any) -> None:
        given.update(options)
        raise UsageError("enough")

    monkeypatch.setattr("losszoo.comparison.compare.compare", compare)
    ask("--task", "digits", *losses("nca"), "--out", str(tmp_path), "--compile", "--set", "model.dim=8")
    assert (given["compile"], given["set"]) == (True, ("model.dim=8",))


def test_published_results_stand_in_their_place(tmp_path: Path) -> None:
    from losszoo.cli.tables.compare_table import _lines
    from losszoo.comparison.row import Row
    from losszoo.registry.registry import installed

    task = installed().task("abalone-age")
    rows = [Row("mine", "loss", 2.1, 0.01, 5, 5, None, 0, 0, {"done": 5}, 1.0, 9.0)]
    names = [cells[0] for cells, _ in _lines(task, rows)]
    assert names.index("ModernNCA [1]") < names.index("mine") < names.index("TabR [1]")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--loss", "nca"], "Missing option '--task'"),
        (["--task", "digits"], "Missing option '--loss'"),
        (["--task", "digits", "--loss", "focl"], "unknown loss 'focl': did you mean focal"),
        (["--task", "digits", "--loss", "nca", "--seeds", "x"], "seeds must be how many"),
        (["--task", "digits", "--loss", "nca", "--timeout", "0"], "timeout must be a number of seconds > 0"),
        (["--task", "digits", "--loss", "nca", "--out", " "], "out must be the path of a folder"),
        (["--task", "digits", "--loss", "nca", "--out", "/proc/1/x"], "out must be a folder that can be written"),
        (["--task", "digits", "--loss", "nca", "--address", "a:1"], "address must be given with --backend ray"),
        (
            ["--task", "digits", "--loss", "nca", "--epochs", "1", "--set", "recipe.epochs=2"],
            "epochs must be given once, got --epochs 1 and --set recipe.epochs=2; leave one out",
        ),
        (["--task", "digits", "--loss", "nca", "--jobs", "0"], "'--jobs': 0 is not in the range"),
        (["--task", "digits", "--loss", "nca", "--clip", "aut"], "clip must be auto or zscore"),
    ],
)
def test_wrong_usage_is_refused(arguments: list[str], said: str, tmp_path: Path) -> None:
    if "--out" not in arguments:
        arguments = [*arguments, "--out", str(tmp_path)]
    code, message = ask(*arguments)
    assert code == 2
    assert said in message


def test_a_bar_on_a_terminal_says_what_is_running(tmp_path: Path) -> None:
    import pty

    keeper, terminal = pty.openpty()
    long_enough_to_be_seen = ("--epochs", "100", "--set", "recipe.patience=0")
    command = [sys.executable, "-m", "losszoo", "compare", *SMALL, *losses("cross-entropy"), *long_enough_to_be_seen]
    env = environment() | {"TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=terminal, env=env) as process:
        os.close(terminal)
        shown = b""
        while True:
            try:
                part = os.read(keeper, 4096)
            except OSError:
                break
            if not part:
                break
            shown += part
    os.close(keeper)
    assert process.returncode == 0
    text = shown.decode(errors="replace")
    assert "cross-entropy on digits, seed 0" in text
    assert "1/1" in text
