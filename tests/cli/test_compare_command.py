"""``losszoo compare``: real processes on small grids, and losses that raise, hang, die or leave."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

RUNS = Path(__file__).parents[1] / "runs"
sys.path += [str(RUNS), str(RUNS.parent)]

from comparing import by_loss, compare, environment, start, table_of, with_bad_losses  # noqa: E402
from doc_blocks import DOCS, blocks  # noqa: E402

from losszoo.cli.main import main  # noqa: E402

SMALL = ("--task", "digits", "--epochs", "2", "--seeds", "1", "--out", "out")
CELL = {
    *("format", "task", "loss", "seed", "kind", "status", "config", "result", "error", "seconds"),
    *("peak_memory_mb", "started", "ended", "folder"),
}
DOCUMENT = {
    *("tasks", "losses", "seeds", "out", "options", "cells", "tables", "ranks", "notes", "seconds", "failures"),
}


def ask(*arguments: str) -> tuple[int, str]:
    """Exit code and message of what is refused before anything starts."""
    done = CliRunner().invoke(main, ["compare", *arguments])
    return done.exit_code, done.stderr


def losses(*names: str) -> list[str]:
    return [word for name in names for word in ("--loss", name)]


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
        record = json.loads((folder / cell["folder"] / "cell.json").read_text())
        assert record == {key: value for key, value in cell.items() if key != "folder"}
    names = {"cross-entropy", "nca-stable", "knn", "nca-knn", "logistic-regression", "gradient-boosting"}
    assert set(document["ranks"]) == names
    assert sum(document["ranks"].values()) == pytest.approx(6 * 7 / 2)


def test_the_table_is_for_people(grid: tuple[Path, Any, str]) -> None:
    _, _, said = grid
    lines = said.splitlines()
    assert any(line.startswith("digits: test accuracy over 3 seeds (larger is better), best first") for line in lines)
    assert any("knn (baseline)" in line and "1/1" in line for line in lines)
    assert any(line.startswith("to the best: mean of the differences") for line in lines)
    assert any(line.startswith("mean rank over 2 tasks") for line in lines)
    assert "note: loss cross-entropy is given twice; it is compared once" in lines
    assert lines[-1].startswith("20 of 20 cells done, ")


def test_done_cells_are_not_computed_again(grid: tuple[Path, Any, str]) -> None:
    folder, document, _ = grid
    code, second, said = compare(*SECOND, cwd=folder)
    assert code == 0
    started = {cell["folder"]: cell["started"] for cell in document["cells"]}
    assert [cell["seed"] for cell in second["cells"] if cell["started"] != started.get(cell["folder"])] == [3]
    assert "4 of 4 cells done" in said
    assert json.loads((folder / "comparisons" / "comparison.json").read_text()) == second


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


def test_bad_cells_stop_no_other(tmp_path: Path) -> None:
    """Each loss of a bad kind beside good ones, in one grid with two workers."""
    with_bad_losses(tmp_path)
    names = ("fine", "raises", "leaves", "full_disk", "dies", "dies_once", "not_finite")
    named = losses("cross-entropy", *(f"bad.py:{name}" for name in names))
    code, document, said = compare(*SMALL, *named, "--jobs", "2", cwd=tmp_path)
    assert code == 1, said
    cells = by_loss(document)
    statuses = {name: cell["status"] for name, cell in cells.items()}
    assert statuses == {
        "cross-entropy": "done",
        "fine": "done",
        "raises": "failed",
        "leaves": "failed",
        "full_disk": "failed",
        "dies": "killed",
        "dies_once": "done",
        "not_finite": "done",
    }
    for cell in cells.values():
        record = json.loads((tmp_path / cell["folder"] / "cell.json").read_text())
        assert record["status"] == cell["status"]
        assert (cell["error"] is None) == (cell["status"] == "done")
    assert "no luck [bold]here[/bold]" in cells["raises"]["error"]["message"]
    assert "No space left on device" in cells["full_disk"]["error"]["message"]
    assert "was killed" in cells["dies"]["error"]["message"]
    assert cells["not_finite"]["result"]["status"] == "stopped-by-guard"
    _check_said(said, document)


def _check_said(said: str, document: Any) -> None:
    assert len(document["failures"]) == 4
    lines = said.splitlines()
    assert any(line.startswith("bad.py:raises on digits, seed 0: failed: ") for line in lines)
    assert any(line.startswith("bad.py:not_finite") and line.endswith("1 stopped by guard") for line in lines)
    assert lines[-1].startswith("4 of 8 cells done")
    # What a loss prints on stdout does not come into the document, which could be read.
    assert "said by a loss, on stdout" in said


def test_cells_that_hang_are_ended(tmp_path: Path) -> None:
    """A loop in Python, and one in C that keeps the interpreter's lock: the second outlives the pool of the first."""
    with_bad_losses(tmp_path)
    named = losses("bad.py:hangs_in_python", "bad.py:hangs_in_c")
    code, document, said = compare(*SMALL, *named, "--jobs", "2", "--timeout", "8", cwd=tmp_path)
    assert code == 1, said
    for cell in document["cells"]:
        assert cell["status"] == "timeout"
        assert cell["error"]["message"].startswith("stopped after 8 s at ")
        assert [path.name for path in (tmp_path / cell["folder"]).glob("hung*")] == []
    assert "next: timeout: a larger --timeout gives it more time" in said


@pytest.fixture
def full_folder(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 300 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_fails_the_cells_that_meet_it(tmp_path: Path, full_folder: Path) -> None:
    """Cells of a small task fit, until there is no room; then the same command goes on elsewhere."""
    asked = ("--task", "diabetes", *losses("mse", "huber"), "--seeds", "3", "--epochs", "1", "--out", str(full_folder))
    code, document, said = compare(*asked, cwd=tmp_path)
    assert code == 1, said
    statuses = [cell["status"] for cell in document["cells"]]
    assert set(statuses) == {"done", "failed"}, said
    assert all(re.search("No space left|writable|write", cell["error"]["message"]) for cell in document["failures"]), (
        said
    )
    subprocess.run(["mount", "-o", "remount,size=30m", str(full_folder)], check=True)
    code, again, said = compare(*asked, cwd=tmp_path)
    assert code == 0, said
    elsewhere = compare(*asked[:-1], "roomy", cwd=tmp_path)[1]
    assert table_of(again) == table_of(elsewhere)


def wait_for(condition: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def ended(folder: Path) -> int:
    records = [path.read_text() for path in folder.glob("out/*/*/*/cell.json")]
    return sum('"status": "done"' in text for text in records)


@pytest.mark.parametrize("whom", ["group", "command"])
def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(tmp_path: Path, whom: str) -> None:
    """Of a terminal, which interrupts the workers too, and of ``kill -INT``, which does not."""
    with_bad_losses(tmp_path)
    asked = ("--task", "digits", *losses("cross-entropy", "bad.py:slow"), "--seeds", "2", "--out", "out")
    process = start(*asked, "--epochs", "40", cwd=tmp_path)
    wait_for(lambda: ended(tmp_path) == 1)
    (os.killpg if whom == "group" else os.kill)(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 1
    document = json.loads(out)
    assert document["error"]["type"] == "KeyboardInterrupt"
    assert "interrupted: 1 of 4 cells are done and kept in out; the same command goes on" in err
    assert "Traceback" not in err
    assert ended(tmp_path) == 1
    wait_for(lambda: not others_of(process.pid), 10)


def others_of(group: int) -> list[str]:
    """The processes that the command has left behind."""
    listed = subprocess.run(["ps", "-eo", "pgid=,args="], capture_output=True, text=True, check=True).stdout
    mine = [line for line in listed.splitlines() if line.split()[0] == str(group)]
    return [line for line in mine if "loky" in line and "resource_tracker" not in line]


def test_a_killed_command_leaves_no_workers(tmp_path: Path) -> None:
    with_bad_losses(tmp_path)
    process = start(*SMALL, *losses("bad.py:slow"), "--set", "recipe.patience=0", cwd=tmp_path)
    wait_for(lambda: list(tmp_path.glob("out/*/*/*/run/config.json")) != [])
    process.kill()
    process.communicate(timeout=30)
    wait_for(lambda: not others_of(process.pid), 10)


def test_two_commands_on_one_folder_share_the_cells(tmp_path: Path) -> None:
    asked = ("--task", "digits", *losses("cross-entropy", "nca-stable"), "--seeds", "3", "--epochs", "2")
    both = [start(*asked, "--out", "out", cwd=tmp_path) for _ in range(2)]
    answers = [process.communicate(timeout=200) for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    first, second = (json.loads(out) for out, _ in answers)
    alone = compare(*asked, "--out", "alone", cwd=tmp_path)[1]
    assert table_of(first) == table_of(second) == table_of(alone)
    started = [{cell["folder"]: cell["started"] for cell in document["cells"]} for document in (first, second)]
    assert started[0] == started[1]  # none was computed twice


def test_a_damaged_record_is_computed_again_and_said(tmp_path: Path) -> None:
    asked = (*SMALL, *losses("cross-entropy"))
    first = compare(*asked, cwd=tmp_path)[1]
    path = tmp_path / first["cells"][0]["folder"] / "cell.json"
    path.write_text(path.read_text()[:50])
    code, second, said = compare(*asked, cwd=tmp_path)
    assert code == 0
    assert "the cell counts as missing, and is computed anew" in said
    assert table_of(first) == table_of(second)


def test_published_results_stand_in_their_place(tmp_path: Path) -> None:
    from losszoo.cli.compare_table import _lines
    from losszoo.registry.registry import installed
    from losszoo.runs.comparison import Row

    task = installed().task("abalone-age")
    rows = [Row("mine", "loss", 2.1, 0.01, 5, 5, None, 0, 0, {"done": 5}, 1.0, 9.0)]
    names = [cells[0] for cells, _ in _lines(task, rows)]
    assert names.index("ModernNCA") < names.index("mine") < names.index("TabR")
    assert [cells[-1] for cells, _ in _lines(task, rows) if cells[0] == "XGBoost"] == ["published [1]"]


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
        (["--task", "digits", "--loss", "nca", "--epochs", "1", "--set", "recipe.epochs=2"], "epochs is given twice"),
        (["--task", "digits", "--loss", "nca", "--jobs", "0"], "'--jobs': 0 is not in the range"),
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
    command = [sys.executable, "-m", "losszoo", "compare", *SMALL, *losses("cross-entropy")]
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
