"""A run resumes from what it wrote, or not at all: single bits flipped, blocks of zeros, states that do not fit."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import losszoo
from losszoo import UsageError
from losszoo.common.files import DamagedError, read_json, save_atomically, write_json
from losszoo.training.run_folder.checkpoint import read_checkpoint
from losszoo.training.run_folder.resume import read_run

TRIALS = 200
BLOCK = 512


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was stopped after two of four epochs."""
    folder = tmp_path_factory.mktemp("runs") / "stopped"

    class StopError(Exception):
        pass

    def stop(line: Any) -> None:
        if line["epoch"] == 2:
            raise StopError

    with pytest.raises(StopError):
        losszoo.run("cross-entropy", "digits", epochs=4, run_dir=folder, on_epoch=stop, checkpoint_seconds=0)
    return folder


@pytest.fixture
def folder(stopped: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stopped, tmp_path / "run"))


def damages(content: bytes, source: random.Random) -> bytes:
    """One flipped bit, or one block of zeros, as a disk loses it."""
    damaged = bytearray(content)
    if source.random() < 0.6:
        damaged[source.randrange(len(content))] ^= 1 << source.randrange(8)
    else:
        start = source.randrange(len(content) // BLOCK) * BLOCK
        damaged[start : start + BLOCK] = bytes(BLOCK)
    return bytes(damaged)


def test_no_damage_of_a_checkpoint_is_read_in_silence(folder: Path) -> None:
    path, source = folder / "checkpoint.pt", random.Random(0)
    whole, refused = path.read_bytes(), 0
    for _ in range(TRIALS):
        damaged = damages(whole, source)
        path.write_bytes(damaged)
        if damaged == whole:  # the block held zeros before
            read_checkpoint(path)
            continue
        with pytest.raises(DamagedError, match=r"its checksum does not fit|it carries no checksum"):
            read_checkpoint(path)
        refused += 1
    assert refused > TRIALS // 2


def resumed(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "losszoo", "run", "--resume", str(folder), "--json"]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )


@pytest.mark.parametrize("name", ["checkpoint.pt", "config.json"])
def test_the_command_says_what_is_damaged(folder: Path, name: str) -> None:
    path, source = folder / name, random.Random(1)
    whole = path.read_bytes()
    path.write_bytes(damages(whole, source))
    done = resumed(folder)
    assert done.returncode == 2
    assert name in done.stderr
    assert "Traceback" not in done.stderr
    path.write_bytes(whole)
    assert resumed(folder).returncode == 0


def broken_state(folder: Path) -> None:
    state = torch.load(folder / "checkpoint.pt", weights_only=True)
    save_atomically(folder / "checkpoint.pt", {**state, "model": {}})


def other_state(folder: Path) -> None:
    save_atomically(folder / "checkpoint.pt", {"config": read_json(folder / "config.json")})


def no_state(folder: Path) -> None:
    save_atomically(folder / "checkpoint.pt", [1, 2])


def changed(name: str, **changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / name
        write_json(path, {**(read_json(path) if path.exists() else {}), **changes})

    return change


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (broken_state, r"the state in .*checkpoint\.pt must fit the run of config\.json, got the error "),
        (other_state, r"must fit the run of config\.json, got the error KeyError.*delete it to start the run again"),
        (no_state, "must be a whole checkpoint, got a list, and no state of a run"),
        (
            changed("config.json", task=3, model=[]),
            r"config\.json is damaged: its part 'task' is missing or of another",
        ),
        (changed("config.json", threads=10**9), r"config\.json is damaged: threads=1000000000, which is not in \[1, "),
        (
            changed("config.json", threads="2"),
            r"config\.json is damaged: its part 'threads' is missing or of another type",
        ),
        (
            changed("result.json", status="completed"),
            r"result\.json must be the result of a run, got the error KeyError",
        ),
        (changed("result.json", metrics=[]), r"result\.json must be the result of a run, got the error AttributeError"),
    ],
)
def test_a_whole_file_that_does_not_fit_is_a_sentence(folder: Path, damage: Callable[[Path], None], match: str) -> None:
    damage(folder)
    with pytest.raises(UsageError, match=match):
        losszoo.run(resume=folder)


def test_what_was_not_damaged_is_gone_on_with(folder: Path) -> None:
    assert read_run(folder).checkpoint is not None
    assert losszoo.run(resume=folder).epochs == 4


def test_a_damaged_cell_is_computed_anew(tmp_path: Path) -> None:
    """Nothing of a damaged record or checkpoint comes into the table."""
    how: dict[str, Any] = {"seeds": 1, "epochs": 1, "out": tmp_path}
    first = losszoo.compare(["cross-entropy"], ["digits"], **how)
    path = Path(first.cells[0]["folder"], "cell.json")
    path.write_text(path.read_text().replace('"accuracy": 0.', '"accuracy": 0.0'))
    again = losszoo.compare(["cross-entropy"], ["digits"], **how)
    assert again.tables["digits"][0].mean == first.tables["digits"][0].mean
    assert any("its checksum does not fit" in note and "computed anew" in note for note in again.notes)
