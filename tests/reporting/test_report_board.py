"""What the leaderboard says of the runs that it shows: differences to their best, and ranks over their tasks."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_runs import cell, comparison, run_folder, write

from losszoo.comparison.compare import compare
from losszoo.reporting.curves import curves
from losszoo.reporting.find_runs import search
from losszoo.reporting.leaderboard_data import Board, boards, ranks_of


def told(board: Board) -> dict[str, tuple[float, int]]:
    """The difference of each label, and over how many pairs."""
    return {e.label: (round(e.difference.mean, 9), e.difference.n) for e in board.entries if e.difference}


def test_differences_are_to_the_best_with_the_interval_of_the_paired_t_test(tmp_path: Path) -> None:
    """scipy 1.17.1: ttest_rel([0.60, 0.64, 0.62], [0.90, 0.92, 0.94]).confidence_interval(0.95)."""
    (board,) = boards(search(comparison(tmp_path)))
    assert told(board) == {"knn (baseline)": (-0.07, 3), "worse": (-0.3, 3)}
    found = next(entry.difference for entry in board.entries if entry.label == "worse")
    assert found is not None
    assert (found.low, found.high) == pytest.approx((-0.34968275, -0.25031725), rel=1e-7)


def test_two_comparisons_in_one_folder_have_one_best(tmp_path: Path) -> None:
    """The document of the second one knows nothing of the best loss, which only the first one held."""
    values = {"mse": None, "huber": None, "quantile": None}
    compare(["mse", "huber"], ["diabetes"], seeds=2, epochs=2, out=tmp_path)
    found = compare(["huber", "quantile"], ["diabetes"], seeds=2, epochs=2, out=tmp_path)
    whole = compare([*values], ["diabetes"], seeds=2, epochs=2, out=tmp_path).tables["diabetes"]
    (tmp_path / "comparison.json").write_text("{}")
    assert {row.loss for row in found.tables["diabetes"]} < set(values)
    (board,) = boards(search(tmp_path))
    assert [entry.label for entry in board.entries] == [row.label for row in whole]
    assert [entry.difference for entry in board.entries] == [row.difference for row in whole]


def test_run_folders_are_paired_by_seed_and_split(tmp_path: Path) -> None:
    for seed, value in enumerate((0.9, 0.8, 0.7)):
        run_folder(tmp_path / f"a{seed}", "digits", "a", seed, value)
        run_folder(tmp_path / f"b{seed}", "digits", "b", seed + 1, value - 0.15)
        folder = run_folder(tmp_path / f"c{seed}", "digits", "c", seed, 0.3)
        write(folder / "config.json", {"loss": "c", "task": "digits", "seed": seed, "task_options": {"split": 1}})
    (board,) = boards(search(tmp_path))
    assert told(board) == {"b": (-0.05, 2)}  # 0.75 - 0.8 and 0.65 - 0.7, of the seeds 1 and 2


def test_a_run_without_a_seed_has_no_pair(tmp_path: Path) -> None:
    for loss in ("a", "b"):
        folder = run_folder(tmp_path / loss, "digits", loss, 0)
        for name in ("config.json", "result.json"):
            text = (folder / name).read_text()
            (folder / name).write_text(text.replace('"seed": 0', '"seed": null'))
    (board,) = boards(search(tmp_path))
    assert told(board) == {}


def test_ranks_are_those_of_the_tasks_that_are_shown(tmp_path: Path) -> None:
    write(tmp_path / "comparison.json", {"ranks": {"knn": 1.0, "stale": 2.0}})
    for task, values in (("digits", (0.9, 0.8, 0.7)), ("diabetes", (3.0, 2.0, 4.0))):
        cell(tmp_path, task, "knn", 0, values[0])
        cell(tmp_path, task, "nca", 0, values[1])
        cell(tmp_path, task, "knn", 1, values[2], kind="baseline")
    cell(tmp_path, "digits", "once", 0, 1.0)
    found = boards(search(tmp_path))
    assert ranks_of(found) == {"knn": 1.5, "nca": 1.5, "knn (baseline)": 3.0}
    assert ranks_of(found[:1]) == {}


def test_the_step_that_stopped_a_run_has_a_cross(tmp_path: Path) -> None:
    """The plain ratio on abalone, which its guard stops by default."""
    import losszoo

    result = losszoo.run("nca-ratio", "abalone", out=tmp_path)
    assert result.status == "stopped-by-guard"
    (board,) = boards(search(tmp_path))
    norms = next(figure for figure in curves(board, "g", 800) if figure.title == "Gradient norm")
    (line,) = (trace for trace in norms.traces if trace["meta"]["role"] == "line")
    (cross,) = (trace for trace in norms.traces if trace["meta"]["role"] == "bad")
    assert cross["x"] == [result.steps] == [result.guard["first"]["step"]]
    assert cross["y"] == [line["y"][-1]]  # where the curve was before
    assert line["x"][-1] == result.steps - 1
