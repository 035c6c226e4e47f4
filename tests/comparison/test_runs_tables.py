"""From records to tables: order, reference, what counts, and ranks over tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from losszoo import TaskSpec
from losszoo.comparison.cell import Cell
from losszoo.comparison.comparison import make_table, ranks_of
from losszoo.comparison.row import Row

SEEDS = (0, 1, 2)


def task(name: str = "t", direction: str = "max") -> TaskSpec:
    kind, metric = ("multiclass", "accuracy") if direction == "max" else ("regression", "rmse")
    return TaskSpec(name=name, target="a.b:C", kind=kind, summary="s", metric=metric, direction=direction)


def record(metric: str, value: float | None, seed: int, **more: Any) -> dict[str, Any]:
    result = {
        "status": "completed",
        "metrics": {"test": {metric: value}},
        "seconds": 2.0,
        "guard": {"nonfinite": 0},
        **more.pop("result", {}),
    }
    return {"status": "done", "seed": seed, "result": result, "error": None, "peak_memory_mb": 10.0, **more}


def failed(seed: int, status: str = "failed") -> dict[str, Any]:
    error = {"type": "E", "message": "m"}
    return {"status": status, "seed": seed, "result": None, "error": error, "peak_memory_mb": None}


def cells(of: TaskSpec, values: dict[str, list[Any]], kind: str = "loss") -> dict[Cell, dict[str, Any]]:
    made = {}
    for loss, given in values.items():
        for seed, value in enumerate(given):
            cell = Cell(of.name, loss, seed, kind, {}, {}, Path(f"{loss}-{seed}"))
            made[cell] = value if isinstance(value, dict) else record(of.metric, value, seed)
    return made


def test_rows_come_best_first_with_their_difference_to_the_best() -> None:
    spec = task()
    rows = make_table(spec, cells(spec, {"a": [0.5, 0.6, 0.7], "b": [0.7, 0.8, 0.9]}), SEEDS)
    assert [(row.loss, row.n, row.asked) for row in rows] == [("b", 3, 3), ("a", 3, 3)]
    assert rows[0].difference is None
    assert rows[1].difference is not None
    assert rows[1].difference.mean == pytest.approx(-0.2)
    assert (rows[1].difference.low, rows[1].difference.n) == (None, 3)  # with every seed the same
    assert (rows[0].mean, rows[0].std) == pytest.approx((0.8, 0.1))
    assert (rows[0].seconds, rows[0].peak_memory_mb, rows[0].statuses) == (2.0, 10.0, {"done": 3})


def test_the_smallest_is_best_where_the_task_says_so() -> None:
    spec = task(direction="min")
    rows = make_table(spec, cells(spec, {"a": [2.0, 2.0, 2.0], "b": [3.0, 3.0, 3.0]}), SEEDS)
    assert [row.loss for row in rows] == ["a", "b"]
    assert rows[1].difference is not None
    assert rows[1].difference.mean == 1.0


def test_one_lucky_seed_is_no_yardstick() -> None:
    """The row with the best mean stands first; the others are compared to the best that has all its seeds."""
    spec = task()
    rows = make_table(spec, cells(spec, {"a": [0.5, 0.6, 0.7], "lucky": [0.9, failed(1), failed(2)]}), SEEDS)
    assert [row.loss for row in rows] == ["lucky", "a"]
    assert rows[1].difference is None
    assert rows[0].difference is not None
    assert (rows[0].difference.mean, rows[0].difference.n) == (pytest.approx(0.4), 1)
    assert rows[0].statuses == {"done": 1, "failed": 2}


def test_a_run_that_its_guard_stopped_counts_and_is_marked() -> None:
    spec = task()
    stopped = record("accuracy", 0.4, 1, result={"status": "stopped-by-guard", "guard": {"nonfinite": 3}})
    (row,) = make_table(spec, cells(spec, {"a": [0.6, stopped]}), SEEDS[:2])
    assert (row.mean, row.n, row.stopped, row.nonfinite) == (0.5, 2, 1, 3)


def test_what_is_no_number_is_not_counted() -> None:
    spec = task()
    rows = make_table(spec, cells(spec, {"none": [failed(0), None, failed(2, "killed")], "a": [0.5, 0.5, 0.5]}), SEEDS)
    assert [(row.loss, row.mean, row.n) for row in rows] == [("a", 0.5, 3), ("none", None, 0)]
    assert rows[1].difference is None
    assert rows[1].to_dict()["statuses"] == {"failed": 1, "done": 1, "killed": 1}


def test_a_grid_without_any_number_has_a_table() -> None:
    spec = task()
    (row,) = make_table(spec, cells(spec, {"a": [failed(0)]}), (0,))
    assert (row.mean, row.std, row.seconds, row.peak_memory_mb) == (None, None, None, None)


def test_a_baseline_is_the_same_for_every_seed() -> None:
    spec = task()
    records = cells(spec, {"a": [0.5, 0.6, 0.7]}) | cells(spec, {"knn": [0.4]}, "baseline")
    rows = make_table(spec, records, SEEDS)
    knn = rows[1]
    assert (knn.loss, knn.kind, knn.mean, knn.std, knn.n, knn.asked) == (
        *("knn", "baseline"),
        *(pytest.approx(0.4), None, 1, 1),
    )
    assert knn.difference is not None
    assert (knn.difference.mean, knn.difference.n) == (pytest.approx(-0.2), 3)


def test_two_baselines_are_one_pair_without_an_interval() -> None:
    spec = task()
    records = cells(spec, {"boosting": [0.9]}, "baseline") | cells(spec, {"knn": [0.4]}, "baseline")
    rows = make_table(spec, records, SEEDS)
    assert rows[1].difference is not None
    assert rows[1].difference.to_dict() == {"mean": pytest.approx(-0.5), "low": None, "high": None, "n": 1}


def row(loss: str, value: float | None, kind: str = "loss") -> Row:
    return Row(loss, kind, value, None, 1, 1, None, 0, 0, {}, None, None)


def test_ranks_are_over_those_that_are_done_everywhere() -> None:
    first, second = task("one"), task("two", "min")
    tables = {
        "one": [row("a", 0.9), row("b", 0.8), row("c", 0.99)],
        "two": [row("a", 3.0), row("b", 1.0), row("c", None)],
    }
    assert ranks_of(tables, (first, second)) == {"a": 1.5, "b": 1.5}
    assert ranks_of({"one": tables["one"]}, (first,)) == {}


def test_a_loss_with_the_name_of_a_baseline_has_a_rank_of_its_own() -> None:
    first, second = task("one"), task("two")
    rows = [row("knn", 0.9), row("nca", 0.8), row("knn", 0.7, "baseline")]
    found = ranks_of({"one": rows, "two": rows}, (first, second))
    assert found == {"knn": 1.0, "nca": 2.0, "knn (baseline)": 3.0}
