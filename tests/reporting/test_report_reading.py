"""What is found in a folder, and what is made of files that are damaged, missing or none of ours."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from made_runs import PLANE, STEPS, cell, comparison, history, result, run_folder, write

from losszoo.common import files
from losszoo.errors import UsageError
from losszoo.reporting.find_runs import MOST_FOLDERS, RunsInFolder, search
from losszoo.reporting.leaderboard_data import boards
from losszoo.reporting.read_json import number


def labels(found: RunsInFolder) -> list[str]:
    return [entry.label for board in boards(found) for entry in board.entries]


def test_a_comparison(tmp_path: Path) -> None:
    found = search(comparison(tmp_path))
    assert len(found.runs) == 8
    assert found.notes == []
    (board,) = boards(found)
    assert (board.task, board.metric, board.direction) == ("digits", "accuracy", "max")
    assert [entry.label for entry in board.entries] == ["better", "knn (baseline)", "worse", "broken"]
    best, baseline, worse, broken = board.entries
    assert best.mean() == pytest.approx(0.92)
    assert best.spread == pytest.approx(0.02)  # of 0.90, 0.92, 0.94, with n - 1
    assert (best.seconds, best.peak, best.nonfinite, len(best.done)) == (3.0, 102.0, 0, 3)
    assert (baseline.kind, baseline.spread, baseline.seconds) == ("baseline", None, 0.1)
    assert worse.nonfinite == 6
    assert (broken.mean(), broken.runs[0].error) == (None, "ValueError: no\nsuch <thing>")
    plane, steps = worse.runs[0].plane, worse.runs[0].steps
    assert plane is not None
    assert steps is not None
    assert (plane.classes, list(plane.targets)) == (["cat", "dog"], [0.0, 1.0, 1.0, 0.0])
    assert steps.norm == [4.0, 2.0, None, 1.0, 0.5, 0.25]


def test_less_is_better_where_the_task_says_so(tmp_path: Path) -> None:
    for loss, value in (("far", 9.0), ("near", 3.0)):
        run_folder(tmp_path / loss, "diabetes", loss, 0, value)
        run_folder(tmp_path / "unknown" / loss, "somebody-elses", loss, 0, value)
    first, second = boards(search(tmp_path))
    assert ([e.label for e in first.entries], first.metrics) == (["near", "far"], ("rmse", "mae"))
    assert ([e.label for e in second.entries], second.metric) == (["far", "near"], "accuracy")


def test_a_run_folder_and_a_folder_of_them(tmp_path: Path) -> None:
    alone = run_folder(tmp_path / "runs" / "digits" / "bce" / "20260101-seed0-x", "digits", "bce", 0)
    assert [run.loss for run in search(alone).runs] == ["bce"]
    assert [run.loss for run in search(tmp_path).runs] == ["bce"]


def test_an_unfinished_run_is_told(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", "digits", "bce", 0)
    (folder / "result.json").unlink()
    (folder / "history.json").unlink()
    (run,) = search(tmp_path).runs
    assert (run.status, run.error) == ("unfinished", "there is no result: it was killed, or is still running")


def test_settings_tell_runs_of_a_loss_apart(tmp_path: Path) -> None:
    for i, rate in enumerate((0.001, 0.01)):
        folder = run_folder(tmp_path / str(i), "digits", "bce", 0)
        write(
            folder / "config.json", {"loss": "bce", "task": "digits", "torch": str(i), "recipe": {"lr": rate, "e": 3}}
        )
    assert labels(search(tmp_path)) == ["bce [recipe.lr=0.001]", "bce [recipe.lr=0.01]"]


def test_many_settings_are_not_all_told(tmp_path: Path) -> None:
    for i in range(2):
        folder = run_folder(tmp_path / str(i), "digits", "bce", 0)
        write(folder / "config.json", {"loss": "bce", "task": "digits", **dict.fromkeys("abcde", i)})
    assert labels(search(tmp_path)) == ["bce [a=0, b=0, c=0, …]", "bce [a=1, b=1, c=1, …]"]


def test_of_a_seed_run_twice_the_later_counts(tmp_path: Path) -> None:
    for name, value in (("20260101-seed0", 0.1), ("20260102-seed0", 0.2)):
        run_folder(tmp_path / name, "digits", "bce", 0, value)
    found = search(tmp_path)
    (board,) = boards(found)
    assert board.entries[0].values("accuracy") == [0.2]
    assert found.notes == ["20260101-seed0: left out, bce with seed 0 was run again later"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("history.json", '[{"epoch": 0, "lo', "damaged: "),
        ("history.json", "{}", "damaged: it holds no list"),
        ("history.json", None, "missing"),
        ("steps.json", {**STEPS, "bad": [0]}, "damaged: its columns differ in length"),
        ("steps.json", "[" * 100_000, "damaged: "),
        ("embedding.json", {**PLANE, "x": [1.0]}, "damaged: its columns differ in length"),
        ("embedding.json", '"\xff', "damaged: "),
        ("result.json", "", "damaged: "),
    ],
)
def test_a_damaged_file_is_a_note(tmp_path: Path, name: str, content: Any, said: str) -> None:
    folder = run_folder(tmp_path / "run", "digits", "bce", 0)
    if content is None:
        (folder / name).unlink()
    else:
        write(folder / name, content)
    found = search(tmp_path)
    assert len(found.runs) == 1
    (note,) = found.notes
    assert note.startswith(f"run/{name}: {said}")


def test_a_damaged_cell_is_a_note(tmp_path: Path) -> None:
    comparison(tmp_path)
    write(tmp_path / "digits" / "x" / "seed-0" / "cell.json", "{")
    write(tmp_path / "digits" / "x" / "seed-1" / "cell.json", {"format": 7})
    found = search(tmp_path)
    assert len(found.runs) == 8
    assert [note.split(": ")[0] for note in found.notes] == ["digits/x/seed-0/cell.json", "digits/x/seed-1/cell.json"]


def test_values_of_any_kind_do_no_harm(tmp_path: Path) -> None:
    for i, odd in enumerate([None, "text", [], {}, True, 10**400, -1, 1e308]):
        record = result("digits", f"run-{i}", i, 0.5)
        cell(tmp_path, "digits", f"loss-{i}", i, 0.5, result=dict.fromkeys(record, odd), config=odd, seconds=odd)
        folder = run_folder(tmp_path / "runs" / str(i), "digits", f"run-{i}", i)
        write(folder / "result.json", {**record, "metrics": {"test": {"accuracy": odd}}, "guard": odd, "seconds": odd})
        write(folder / "history.json", [dict.fromkeys(history("digits")[0], odd), odd])
        write(folder / "steps.json", {key: [odd] * 2 for key in STEPS})
        write(folder / "embedding.json", {**PLANE, **{key: [odd] * 2 for key in ("x", "y", "targets", "classes")}})
    assert len(labels(search(tmp_path))) == 16


def test_links_pipes_and_large_files_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = run_folder(tmp_path / "elsewhere", "digits", "other", 0)
    folder = run_folder(tmp_path / "here" / "run", "digits", "bce", 0)
    (tmp_path / "here" / "link").symlink_to(elsewhere)
    (tmp_path / "here" / "loop").symlink_to(tmp_path / "here")
    (folder / "steps.json").unlink()
    os.mkfifo(folder / "steps.json")
    (folder / "history.json").unlink()
    (folder / "history.json").symlink_to(elsewhere / "history.json")
    monkeypatch.setattr(files, "LARGEST_JSON", 1000)
    write(folder / "embedding.json", {"x": "1" * 1000})
    (run,) = (found := search(tmp_path / "here")).runs
    assert (run.loss, run.steps, run.history) == ("bce", None, ())
    assert [note.split(": ")[1] for note in found.notes] == ["missing", "damaged"]
    assert "a file of 0 MB, where at most 0 are read" in found.notes[1]


def test_somebody_elses_config_is_no_run(tmp_path: Path) -> None:
    write(tmp_path / "web" / "config.json", {"compilerOptions": {}})
    write(tmp_path / "broken" / "config.json", "{")
    run_folder(tmp_path / "web" / "deeper" / "run", "digits", "bce", 0)
    found = search(tmp_path)
    assert ([run.loss for run in found.runs], found.notes) == (["bce"], [])


def test_a_history_that_nobody_owns_is_a_note(tmp_path: Path) -> None:
    run_folder(tmp_path / "run", "digits", "bce", 0)
    write(tmp_path / "lost" / "history.json", [])
    assert search(tmp_path).notes == ["lost: no run: neither config.json nor result.json names a task and a loss"]


def test_a_search_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_folder(tmp_path / "a", "digits", "bce", 0)
    run_folder(tmp_path / "b" / "/".join("123456789"), "digits", "deep", 0)
    assert [run.loss for run in search(tmp_path).runs] == ["bce"]
    monkeypatch.setattr("losszoo.reporting.find_runs.MOST_FOLDERS", 2)
    assert search(tmp_path).notes == [".: more than 2 folders; the others were not read"]
    assert MOST_FOLDERS == 20_000


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read(tmp_path: Path) -> None:
    run_folder(tmp_path / "a", "digits", "bce", 0)
    (tmp_path / "b").mkdir(mode=0)
    assert search(tmp_path).notes == ["b: Permission denied"]


def test_nothing_found(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"DIR must be a comparison folder .*, which holds no cell\.json"):
        search(tmp_path)
    write(tmp_path / "cell.json", "{")
    with pytest.raises(UsageError, match=r"\n  cell.json: damaged: "):
        search(tmp_path)
    with pytest.raises(UsageError, match=r"DIR must be a folder, got .* \(a file\)"):
        search(tmp_path / "cell.json")
    with pytest.raises(UsageError, match=r"DIR must be a folder, got .* \(no such folder\)"):
        search(tmp_path / "nowhere")


def test_numbers() -> None:
    assert [number(value) for value in (1, 2.5, True, "1", None, 1e200, json.loads("1e999"))] == [
        *(1.0, 2.5, None, None, None, None, None),
    ]
