"""Records on disk: whole or missing, of this config or refused; and who may write them."""

from __future__ import annotations

import errno
import fcntl
import json
import multiprocessing
import os
from pathlib import Path
from typing import Any

import pytest

from losszoo import UsageError
from losszoo.common.files import DamagedError, write_json
from losszoo.common.locks import HOLDER, LOCK, NoLocksError, check_locks, claim, holder_of, is_held, is_over, is_running
from losszoo.comparison.cell import Cell
from losszoo.comparison.compare import compare
from losszoo.comparison.existing_cells import done_already


def cell(folder: Path, seed: int = 0, **config: Any) -> Cell:
    config = {"torch": "2.9", "set": {}, "epochs": None, "code": {}, **config}
    made = Cell("digits", "nca", seed, "loss", config, {}, folder / f"seed-{seed}")
    made.folder.mkdir(exist_ok=True)
    return made


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    one = cell(tmp_path)
    assert one.read() is None
    one.write(one.new_record("done", result={"metrics": {"test": {"accuracy": float("nan")}}}))
    record = one.read()
    assert record is not None
    assert record["result"] == {"metrics": {"test": {"accuracy": None}}}
    assert done_already([one], tmp_path, False, []) == {one: record}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"format": 1, "task": "dig', "cannot be read"),
        ("", "cannot be read"),
        ("[1]", "carries no checksum"),
        ('{"format": 1, "status": "done"}', "carries no checksum"),
        ("[" * 100_000, "a file that is nested more than 64 deep"),
        ({"format": 1}, "has format 1 instead of 2"),
        ({"format": 2, "status": "done"}, "is not a record of a cell"),
    ],
)
def test_a_damaged_record_counts_as_missing_and_is_said(tmp_path: Path, text: Any, said: str) -> None:
    one = cell(tmp_path)
    if isinstance(text, str):
        (one.folder / "cell.json").write_text(text)
    else:
        write_json(one.folder / "cell.json", text)
    with pytest.raises(DamagedError, match=said):
        one.read()
    assert one.peek() is None
    notes: list[str] = []
    assert done_already([one], tmp_path, False, notes) == {}
    assert said in notes[0]
    assert "counts as missing" in notes[0]


def test_a_folder_of_another_config_is_refused_with_all_that_differs(tmp_path: Path) -> None:
    seeds = range(7)
    for seed in seeds:
        old = cell(tmp_path, seed, torch="2.8", epochs=5, code={"mine.py": "0123456789abcdef"})
        old.write(old.new_record("done"))
    new = [cell(tmp_path, seed, set={"recipe.lr": 0.1}, code={"mine.py": "fedcba9876543210"}) for seed in seeds]
    with pytest.raises(UsageError) as caught:
        done_already(new, tmp_path, False, [])
    assert str(caught.value) == (
        f"out must hold results of the same config, got {tmp_path}, which was made with another one (there -> here):\n"
        "  - nca on digits, seed 0, 1, 2, 3, 4 and 2 more\n"
        "      torch: 2.8 -> 2.9\n"
        "      epochs: 5 -> not set\n"
        "      code.mine.py: 0123456789... -> fedcba9876...\n"
        "      set.recipe.lr: not set -> 0.1\n"
        "choose another --out, or compute these cells anew with --fresh"
    )
    assert done_already(new, tmp_path, True, []) == {}


@pytest.mark.parametrize("status", ["failed", "timeout", "killed", "missing"])
def test_what_has_no_result_is_computed_again_whatever_its_config(tmp_path: Path, status: str) -> None:
    old = cell(tmp_path, torch="2.8")
    old.write(old.new_record(status))
    assert done_already([cell(tmp_path)], tmp_path, False, []) == {}


def hold(folder: Path, ready: Any, finish: Any) -> None:
    with claim(folder, "other") as ours:
        ready.put(ours)
        finish.wait(600)


def test_one_process_at_a_time_computes_a_cell(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready, finish = context.Queue(), context.Event()
    other = context.Process(target=hold, args=(tmp_path, ready, finish))
    other.start()
    assert ready.get(timeout=600)
    with claim(tmp_path, "mine") as ours:
        assert not ours
    assert is_held(tmp_path)
    assert is_running(tmp_path, "other")
    assert not is_running(tmp_path, "mine")
    other.kill()  # a lock of the system outlives no process
    other.join()
    assert not is_held(tmp_path)
    assert is_running(tmp_path, "other")  # it says so still: that process did not end in order
    with claim(tmp_path, "mine") as ours:
        assert ours
    assert is_over(tmp_path, "mine")


def test_a_holder_that_cannot_be_read_tells_nothing(tmp_path: Path) -> None:
    assert holder_of(tmp_path) == {}
    assert not is_held(tmp_path)
    for text in ("", "{", "[]"):
        (tmp_path / HOLDER).write_text(text)
        assert holder_of(tmp_path) == {}
    with claim(tmp_path, "mine"):
        assert json.loads((tmp_path / HOLDER).read_bytes())["state"] == "running"


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS])
def test_a_file_system_without_locks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """As an NFS mount whose lock service is not there. A mere file in place of a lock would outlive a dead process."""

    def flock(descriptor: int, operation: int) -> None:
        raise OSError(code, os.strerror(code))

    with claim(tmp_path, "mine"):
        pass
    monkeypatch.setattr(fcntl, "flock", flock)
    said = rf"must lie on a file system with locks, got {tmp_path} .*; choose another --out"
    for meet in (check_locks, is_held, lambda folder: claim(folder, "mine").__enter__()):
        with pytest.raises(NoLocksError, match=said):
            meet(tmp_path)
    with pytest.raises(UsageError, match="must lie on a file system with locks"):
        compare(["mse"], ["diabetes"], out=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} <= {LOCK, HOLDER}
