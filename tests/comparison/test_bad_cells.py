"""Losses that raise, hang, die or leave, and a disk that is full: each fails its own cell and no other."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from comparing import SMALL, by_loss, compare, losses, table_of, with_bad_losses


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
    code, document, said = compare(*SMALL, *named, "--jobs", "2", "--timeout", "20", cwd=tmp_path)
    assert code == 1, said
    for cell in document["cells"]:
        assert cell["status"] == "timeout"
        assert cell["error"]["message"].startswith("stopped after 20 s at ")
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
