"""Measured results beside a task: what is read of them, and what ``losszoo info`` shows."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import losszoo
from losszoo.cli.main import main
from losszoo.registry.registry import installed
from losszoo.tasks.measured import measured_losses

ROWS = [
    {"loss": "focal", "expression": "focal", "values": [0.5, 0.7]},
    {"loss": "bce", "expression": "bce", "values": [0.8, 0.8]},
    {"loss": "cross-entropy", "expression": "cross-entropy", "values": [0.6, 0.6]},
    {"loss": "elastic-net", "expression": "bce + 1e-4*elastic-net", "values": [0.1]},
    {"loss": "of-a-plugin-that-is-gone", "expression": "x", "values": [0.9]},
    {"loss": "hinge", "expression": "hinge", "values": [0.7, None]},
]


def task(folder: Path, monkeypatch: pytest.MonkeyPatch, content: Any, direction: str = "max") -> losszoo.TaskSpec:
    """A task of a package that ships a table."""
    package = folder / f"shipped_{folder.name}"
    package.mkdir()
    (package / "__init__.py").write_text("raise AssertionError('imported')")
    (package / "measured.json").write_text(json.dumps(content))
    monkeypatch.syspath_prepend(folder)
    made = losszoo.TaskSpec(
        name="own", target=f"{package.name}.own:Own", kind="binary", summary="One.", metric="f1", direction=direction
    )
    monkeypatch.setitem(installed().tasks, "own", made)
    return made


def test_the_place_is_that_of_the_mean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Means 0.6, 0.8, 0.6, 0.1; of the seeds 0.5 and 0.7 the sample standard deviation is sqrt(0.02)."""
    own = task(tmp_path, monkeypatch, {"tasks": {"own": {"metric": "f1", "rows": ROWS}}})
    found = measured_losses(installed(), own)
    assert [(result.loss, result.place) for result in found] == [
        ("bce", 1),
        ("cross-entropy", 2),
        ("focal", 2),
        ("elastic-net", 4),
    ]
    assert {result.among for result in found} == {4}
    assert found[2].mean == pytest.approx(0.6)
    assert found[2].std == pytest.approx(0.02**0.5)
    assert (found[3].std, found[3].seeds) == (None, 1)


def test_a_smaller_error_stands_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = task(tmp_path, monkeypatch, {"tasks": {"own": {"metric": "f1", "rows": ROWS}}}, direction="min")
    assert [result.loss for result in measured_losses(installed(), own)][:2] == ["elastic-net", "cross-entropy"]


@pytest.mark.parametrize(
    "content",
    [{}, [], {"tasks": []}, {"tasks": {"own": {"metric": "accuracy", "rows": ROWS}}}, {"tasks": {"own": 3}}],
    ids=["no tasks", "a list", "tasks in a list", "another metric", "no table"],
)
def test_a_table_of_something_else_is_none(content: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert measured_losses(installed(), task(tmp_path, monkeypatch, content)) == []


@pytest.mark.parametrize("text", ["", "{", '{"tasks": {"own": {"metric": "f1", "rows": [{}, 3, {"loss": "bce"}]}}}'])
def test_a_damaged_table_stops_nothing(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = task(tmp_path, monkeypatch, {})
    (tmp_path / f"shipped_{tmp_path.name}" / "measured.json").write_text(text)
    assert measured_losses(installed(), own) == []


def test_info_shows_where_a_loss_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task(tmp_path, monkeypatch, {"tasks": {"own": {"metric": "f1", "rows": ROWS}}})
    page = CliRunner().invoke(main, ["info", "focal"]).stdout
    assert re.search(r"own +f1 +0\.6000 +\+- 0\.1414 +2nd of 4, 2 seeds", page)
    rows = json.loads(CliRunner().invoke(main, ["info", "focal", "--json"]).stdout)["measured"]
    (row,) = (row for row in rows if row["task"] == "own")
    assert (row["task"], row["place"], row["among"]) == ("own", 2, 4)
