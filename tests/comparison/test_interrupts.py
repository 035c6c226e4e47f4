"""Commands that are interrupted, killed or started twice, and records that were cut off."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from comparing import SMALL, compare, losses, start, table_of, with_bad_losses
from waiting import PATIENCE, wait_for


def ended(folder: Path) -> int:
    records = [path.read_text() for path in folder.glob("out/*/*/*/cell.json")]
    return sum('"status": "done"' in text for text in records)


@pytest.mark.parametrize("whom", ["group", "command"])
def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(tmp_path: Path, whom: str) -> None:
    """Of a terminal, which interrupts a whole group, and of ``kill -INT``, which does not."""
    with_bad_losses(tmp_path)
    asked = ("--task", "digits", *losses("cross-entropy", "bad.py:slow"), "--seeds", "2", "--out", "out")
    process = start(*asked, "--epochs", "40", cwd=tmp_path)
    wait_for(lambda: ended(tmp_path) == 1)
    workers = workers_of(process)
    assert workers
    (os.killpg if whom == "group" else os.kill)(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    document = json.loads(out)
    assert document["error"]["type"] == "KeyboardInterrupt"
    assert "interrupted: 1 of 4 cells are done and kept in out; the same command computes" in err
    assert "Traceback" not in err
    assert ended(tmp_path) == 1
    wait_for(lambda: are_gone(workers))


def workers_of(process: subprocess.Popen[str]) -> list[str]:
    """The numbers of the processes that the command has started."""
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True, check=False
    )
    return listed.stdout.split()


def are_gone(numbers: list[str]) -> bool:
    shown = subprocess.run(["ps", "-o", "stat=", "-p", ",".join(numbers)], capture_output=True, text=True, check=False)
    return all(state.startswith("Z") for state in shown.stdout.split())


def test_a_killed_command_leaves_no_workers(tmp_path: Path) -> None:
    with_bad_losses(tmp_path)
    process = start(*SMALL, *losses("bad.py:slow"), "--set", "recipe.patience=0", cwd=tmp_path)
    wait_for(lambda: list(tmp_path.glob("out/*/*/*/run/config.json")) != [])
    workers = workers_of(process)
    assert workers
    process.kill()
    process.communicate(timeout=PATIENCE)
    wait_for(lambda: are_gone(workers))


def test_two_commands_on_one_folder_share_the_cells(tmp_path: Path) -> None:
    asked = ("--task", "digits", *losses("cross-entropy", "nca-stable"), "--seeds", "3", "--epochs", "2")
    both = [start(*asked, "--out", "out", cwd=tmp_path) for _ in range(2)]
    answers = [process.communicate(timeout=PATIENCE) for process in both]
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
