"""A comparison that is killed at any moment, and started again, ends with the table of one that never was."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from comparing import compare, start, table_of
from waiting import PATIENCE

GRID = (
    *("--task", "digits", "--loss", "cross-entropy", "--loss", "nca-stable"),
    *("--seeds", "2", "--epochs", "3", "--jobs", "2", "--out", "out"),
)

# How many grids the sweep kills.
KILLED = int(os.environ.get("LOSSZOO_KILLED", "5"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, float]:
    """The table of a grid that was never killed, and how long it takes."""
    started = time.perf_counter()
    code, document, said = compare(*GRID, cwd=tmp_path_factory.mktemp("whole"))
    assert code == 0, said
    return table_of(document), time.perf_counter() - started


def kill(process: subprocess.Popen[str], after: float, group: bool) -> None:
    """The command with its workers, or the command alone."""
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        (os.killpg if group else os.kill)(process.pid, signal.SIGKILL)
    process.communicate(timeout=PATIENCE)


def killed_and_gone_on(folder: Path, draw: random.Random, seconds: float) -> Any:
    process = start(*GRID, cwd=folder)
    kill(process, draw.uniform(0.2, 1.0) * seconds, group=draw.random() < 0.5)
    code, document, said = compare(*GRID, cwd=folder)
    assert code == 0, said
    return table_of(document)


@pytest.mark.parametrize("seed", range(2))
def test_a_killed_grid_ends_with_the_same_table(tmp_path: Path, whole: tuple[Any, float], seed: int) -> None:
    table, seconds = whole
    assert killed_and_gone_on(tmp_path, random.Random(seed), seconds) == table


@pytest.mark.sweep
@pytest.mark.parametrize("seed", range(100, 100 + KILLED))
def test_killed_grids_end_with_the_same_table(tmp_path: Path, whole: tuple[Any, float], seed: int) -> None:
    """Five of them; LOSSZOO_KILLED=20 makes it twenty."""
    table, seconds = whole
    assert killed_and_gone_on(tmp_path, random.Random(seed), seconds) == table
