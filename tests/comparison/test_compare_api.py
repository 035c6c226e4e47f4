"""``losszoo.compare`` from Python: what it gives, tells, and refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from losszoo import UsageError
from losszoo.common.files import read_json, write_json
from losszoo.comparison.compare import compare
from losszoo.comparison.compare_progress import Standing
from losszoo.comparison.grid import Grid
from losszoo.training.run_folder.run_folder import Record


def test_it_gives_tables_and_tells_how_far_it_has_come(tmp_path: Path) -> None:
    told: list[Standing] = []
    grids: list[Grid] = []
    found = compare(
        ["mse", "huber"], "diabetes", seeds=[4], epochs=2, out=tmp_path, on_progress=told.append, on_grid=grids.append
    )
    assert {row.loss for row in found.tables["diabetes"]} == {"mse", "huber"}
    assert found.failures == []
    assert found.ranks == {}
    assert [cell.seed for cell in grids[0].cells] == [4, 4]
    assert (told[0].ended, told[0].total) == (0, 2)
    assert (told[-1].ended, told[-1].total, told[-1].running) == (2, 2, ())
    again = compare(["mse"], ["diabetes"], seeds=[4], epochs=2, out=tmp_path)
    assert [dict(cell) for cell in again.cells] == [dict(cell) for cell in found.cells if cell["loss"] == "mse"]


def test_a_resumed_cell_goes_on_with_its_run(tmp_path: Path) -> None:
    """A record that says no more than that the cell was begun, and the run folder that is beside it."""
    first = compare(["mse"], ["diabetes"], seeds=1, epochs=2, out=tmp_path)
    folder = Path(first.cells[0]["folder"])
    marked = folder / "run" / "kept"
    marked.touch()
    record = read_json(folder / "cell.json")
    write_json(folder / "cell.json", {**record, "status": "missing"})
    second = compare(["mse"], ["diabetes"], seeds=1, epochs=2, out=tmp_path)
    assert marked.exists()
    assert second.cells[0]["result"]["metrics"] == first.cells[0]["result"]["metrics"]
    write_json(folder / "cell.json", {**record, "status": "killed"})
    (folder / "run" / "config.json").write_text("{")
    third = compare(["mse"], ["diabetes"], seeds=1, epochs=2, out=tmp_path)
    assert not marked.exists()  # what cannot be gone on with is begun anew
    assert third.cells[0]["result"]["metrics"] == first.cells[0]["result"]["metrics"]


REFUSES = """
from losszoo import UsageError
from losszoo.training.run_folder.run_folder import Record

def refuses(predictions, targets):
    with open("calls", "a") as calls:
        calls.write("x")
    raise UsageError("a loss that does not like its input")
"""


def test_an_error_of_the_loss_itself_does_not_begin_the_run_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(REFUSES)
    for times in (1, 2):
        (cell,) = compare(["own.py:refuses"], ["diabetes"], seeds=1, signature="regression", out="out").cells
        assert cell["status"] == "failed"
        assert "does not like its input" in cell["error"]["message"]
        assert Path("calls").read_text() == "x" * times


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("epochs", [2, 3])
def test_a_run_that_somebody_else_goes_on_with_is_left_alone(tmp_path: Path, epochs: int) -> None:
    """``losszoo run --resume`` by hand, in the folder of a cell that is asked for again, the same or with changes."""
    first = compare(["mse"], ["diabetes"], seeds=1, epochs=2, out=tmp_path)
    folder = Path(first.cells[0]["folder"])
    (folder / "run" / "result.json").unlink()
    write_json(folder / "cell.json", {**read_json(folder / "cell.json"), "status": "killed"})
    kept = files(folder / "run")
    with Record(folder / "run").claimed():
        (cell,) = compare(["mse"], ["diabetes"], seeds=1, epochs=epochs, out=tmp_path).cells
    assert cell["status"] == "failed"
    assert "got a second one: another is at work in" in cell["error"]["message"]
    assert files(folder / "run") == kept
    (cell,) = compare(["mse"], ["diabetes"], seeds=1, epochs=epochs, out=tmp_path).cells
    assert (cell["status"], cell["config"]["epochs"], cell["result"]["epochs"]) == ("done", epochs, epochs)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"jobs": 0}, "jobs must be a whole number >= 1, got 0"),
        ({"jobs": True}, "jobs must be a whole number"),
        ({"timeout": float("nan")}, "timeout must be a number of seconds > 0, got nan"),
        ({"out": ""}, "out must be the path of a folder"),
        ({"backend": "dask"}, "backend must be one of local, ray"),
        ({"epoch": 3}, "compare has no option 'epoch': did you mean epochs"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        compare(["mse"], ["diabetes"], **{"out": tmp_path, **changes})
