"""The same grid on Ray: the same table, dead workers, and clusters that are not there."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from comparing import by_loss, compare, table_of, with_bad_losses

from losszoo import UsageError
from losszoo.comparison import pool

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")
GRID = ("--task", "digits", "--epochs", "2", "--jobs", "2", "--backend", "ray")


@needs_ray
def test_ray_gives_the_table_of_local_processes(tmp_path: Path) -> None:
    named = ("--loss", "cross-entropy", "--loss", "nca-stable", "--seeds", "2")
    code, document, said = compare(*GRID, *named, "--out", "ray", cwd=tmp_path)
    assert code == 0, said
    local = compare(*GRID[:-2], *named, "--out", "local", cwd=tmp_path)[1]
    assert table_of(document) == table_of(local)


@needs_ray
def test_bad_cells_stop_no_other_on_ray(tmp_path: Path) -> None:
    with_bad_losses(tmp_path)
    statuses = {"fine": "done", "raises": "failed", "dies": "killed", "dies_once": "done"}
    named = [word for name in statuses for word in ("--loss", f"bad.py:{name}")]
    code, document, said = compare(*GRID, *named, "--seeds", "1", cwd=tmp_path)
    assert code == 1, said
    assert {name: cell["status"] for name, cell in by_loss(document).items()} == statuses


@needs_ray
def test_a_cell_that_hangs_is_ended_on_ray(tmp_path: Path) -> None:
    with_bad_losses(tmp_path)
    named = ("--loss", "bad.py:hangs_in_c", "--seeds", "1", "--timeout", "4")
    code, document, said = compare(*GRID, *named, cwd=tmp_path)
    assert code == 1, said
    assert [cell["status"] for cell in document["cells"]] == ["timeout"]


@needs_ray
@pytest.mark.parametrize(
    ("address", "said"),
    [
        (
            "127.0.0.1:1",
            r"got 127.0.0.1:1, which does not answer \(Connection refused\); start one with: ray start --head",
        ),
        ("nowhere", "address must be HOST:PORT, ray://HOST:PORT or auto, got 'nowhere'"),
        ("ray://127.0.0.1:1", "does not answer"),
    ],
)
def test_a_cluster_that_is_not_there_is_told_at_once(address: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        pool.check_pool("ray", address)


@needs_ray
def test_no_cluster_at_all_is_told_too(tmp_path: Path) -> None:
    named = ("--loss", "cross-entropy", "--seeds", "1", "--address", "auto")
    code, document, said = compare(*GRID, *named, cwd=tmp_path)
    if code == 0 or "is not authenticated" in document["error"]["message"]:
        pytest.skip("there is a cluster on this machine, as of a test beside this one")
    assert code == 2, said
    assert "start one with: ray start --head" in document["error"]["message"]
    assert "Traceback" not in said


def test_a_missing_ray_is_told_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec

    def without(name: str, package: str | None = None) -> Any:
        return None if name == "ray" else find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    with pytest.raises(UsageError, match=r'pip install "losszoo\[ray\]"'):
        pool.check_pool("ray", None)


def test_an_unknown_backend_is_refused() -> None:
    with pytest.raises(UsageError, match="backend must be one of local, ray, got 'dask'"):
        pool.check_pool("dask", None)
