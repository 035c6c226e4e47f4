"""The sentence that ends a comparison is true: winners, ties, one seed, failed cells, the smallest as the best."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import losszoo
from losszoo.comparison.answer import answer_of
from losszoo.comparison.cell import Cell
from losszoo.comparison.comparison import Comparison, make_table, ranks_of
from losszoo.comparison.statistics import paired, seeds_to_tell
from losszoo.registry.specs import TaskSpec


def task(direction: str = "max", name: str = "mine") -> TaskSpec:
    return TaskSpec(name=name, target="m:T", kind="regression", summary="Rows.", metric="score", direction=direction)


def records(of: TaskSpec, values: dict[str, list[Any]]) -> dict[Cell, dict[str, Any]]:
    """By loss; ``None`` is a cell that has failed, and a name that begins with ``*`` is a baseline."""
    made = {}
    for name, given in values.items():
        kind = "baseline" if name.startswith("*") else "loss"
        for seed, value in enumerate(given):
            result = (
                None if value is None else {"metrics": {"test": {"score": value}}, "seconds": 1.0, "status": "done"}
            )
            cell = Cell(of.name, name.lstrip("*"), seed, kind, {}, {}, Path(f"{name}-{seed}"))
            made[cell] = {
                "status": "failed" if value is None else "done",
                "result": result,
                "seed": seed,
                "peak_memory_mb": None,
            }
    return made


def answered(values: dict[str, list[Any]], direction: str = "max") -> str:
    spec = task(direction)
    seeds = range(max(map(len, values.values())))
    return answer_of(spec, make_table(spec, records(spec, values), seeds))


# The intervals by hand, with t of 2 degrees of freedom: differences 0.2, 0.3, 0.4 have deviation 0.1 and
# 0.3 +- 4.3027 * 0.1 / sqrt(3) = 0.0516 to 0.5484; -0.1, 0.1, 0.3 have 0.1 +- 4.3027 * 0.2 / sqrt(3).
# Of four: -0.000025 +- 3.1824 * 0.00015 / 2; a sixth of its deviation takes (1.96 + 0.842)^2 * 36 + 1.96^2 / 2 = 284.6.
APART: dict[str, list[Any]] = {"a": [0.6, 0.7, 0.8], "b": [0.4, 0.4, 0.4]}
CLOSE: dict[str, list[Any]] = {"a": [0.5, 0.7, 0.9], "b": [0.6, 0.6, 0.6]}


@pytest.mark.parametrize(
    ("values", "direction", "said"),
    [
        (
            APART,
            "max",
            "a is best on mine with score 0.7000 over 3 seeds; 0.3000 above b, the nearest (95 % interval 0.0516 to "
            "0.5484, 3 seeds)",
        ),
        (
            APART,
            "min",
            "b is best on mine with score 0.4000 over 3 seeds; 0.3000 below a, the nearest (95 % interval 0.0516 to "
            "0.5484, 3 seeds)",
        ),
        # d / s = 0.1 / 0.2: R's power.t.test(delta=.5, sd=1, power=.8, type="one.sample") says n = 33.37.
        (
            CLOSE,
            "max",
            "a leads on mine with score 0.7000 over 3 seeds; it is not told apart from b; b differs by -0.1000 (95 % "
            "interval -0.5968 to +0.3968); about 34 seeds would tell, if the difference is as large as it looks",
        ),
        (
            {"a": [0.6], "b": [0.5]},
            "max",
            "a leads on mine with score 0.6000 over 1 seed; it is not told apart from b; b differs by -0.1000 with one "
            "seed, which has no interval; take more seeds",
        ),
        (
            {"a": [0.5, 0.6], "b": [0.5, 0.6]},
            "max",
            "a leads on mine with score 0.5500 over 2 seeds; it is not told apart from b; b differs by +0.0000 with "
            "each of 2 seeds, so there is no interval",
        ),
        (
            {"a": [0.5, 0.6, 0.5, 0.6], "b": [0.5001, 0.5999, 0.5001, 0.5998]},
            "max",
            "a leads on mine with score 0.5500 over 4 seeds; it is not told apart from b; b differs by -0.0000 (95 % "
            "interval -0.0003 to +0.0002); about 285 seeds would tell, if the difference is as large as it looks",
        ),
        (
            {"a": [0.9, 0.1, 0.8, 0.2], "b": [0.1, 0.9, 0.2, 0.79999]},
            "max",
            "a leads on mine with score 0.5000 over 4 seeds; it is not told apart from b; b differs by -0.0000 (95 % "
            "interval -1.2992 to +1.2992), so little that no number of seeds worth training would tell",
        ),
        (
            {**APART, "c": [None, None, None], "d": [0.1, None, 0.301]},
            "max",
            "a is best on mine with score 0.7000 over 3 seeds; 0.3000 above b, the nearest (95 % interval 0.0516 to "
            "0.5484, 3 seeds); without a result: c",
        ),
        (
            {"a": [0.6, None]},
            "max",
            "a leads on mine with score 0.6000 over 1 of 2 seeds; there is no other row to compare it with",
        ),
        ({"a": [None, None]}, "max", "no row has a number for score on mine"),
        (
            {"a": [0.5, 0.5, 0.5], "lucky": [0.7, 0.8, None]},
            "max",
            "a leads on mine with score 0.5000 over 3 seeds; it is not told apart from lucky (2 of 3 seeds); lucky "
            "differs by +0.2500 (95 % interval -0.3853 to +0.8853); about 3 seeds would tell, if the difference is as "
            "large as it looks",
        ),
        (
            {"a": [0.5, 0.5, 0.5], "lucky": [0.7, 0.701, None]},
            "max",
            "a leads on mine with score 0.5000 over 3 seeds; it is not told apart from lucky (2 of 3 seeds); lucky "
            "differs by +0.2005 (95 % interval +0.1941 to +0.2069) on the 2 seeds that it has",
        ),
        (
            {"a": [0.6, 0.7, 0.8], "*knn": [0.95]},
            "max",
            "knn (baseline) is best on mine with score 0.9500; 0.2500 above a, the nearest (95 % interval 0.0016 to "
            "0.4984, 3 seeds); the best loss is a",
        ),
        (
            {"*knn": [0.95], "*boosting": [0.94], "a": [0.6, 0.7, 0.8]},
            "max",
            "knn (baseline) leads on mine with score 0.9500; it is not told apart from boosting (baseline); boosting "
            "(baseline) differs by -0.0100, and no seed changes a baseline; the best loss is a, -0.2500 to the best "
            "(95 % interval -0.4984 to -0.0016)",
        ),
        (
            {"a": [0.5], "b": [0.4], "c": [0.3], "d": [0.2], "e": [0.1]},
            "max",
            "a leads on mine with score 0.5000 over 1 seed; it is not told apart from b, c, d, 1 more; b differs by "
            "-0.1000 with one seed, which has no interval; take more seeds",
        ),
    ],
)
def test_the_sentence_is_true(values: dict[str, list[Any]], direction: str, said: str) -> None:
    assert answered(values, direction) == said


@pytest.mark.parametrize(("effect", "seeds"), [(1.0, 10), (0.5, 34), (0.2, 199)])
def test_the_number_of_seeds_is_that_of_r(effect: float, seeds: int) -> None:
    """power.t.test(delta=effect, sd=1, power=.8, type="one.sample"): n = 9.94, 33.37, 198.15."""
    values = {seed: effect + sign for seed, sign in enumerate((-1.0, 0.0, 1.0))}
    found = paired(values, dict.fromkeys(values, 0.0))
    assert found is not None
    assert seeds_to_tell(found) == seeds


def test_several_tasks_have_a_sentence_each_and_one_of_their_ranks() -> None:
    tasks = (task(name="one"), task("min", name="two"))
    tables = {spec.name: make_table(spec, records(spec, CLOSE), range(3)) for spec in tasks}
    found = Comparison(tasks, ("a", "b"), (0, 1, 2), "out", [], tables, ranks_of(tables, tasks), [], {})
    lines = found.answer.splitlines()
    assert [line.split(" with ")[0] for line in lines[:2]] == ["a leads on one", "b leads on two"]
    assert lines[2:] == ["over 2 tasks the best mean rank, 1.50, is that of a and b"]
    assert found.to_dict()["answer"] == found.answer


def test_the_result_of_compare_has_the_answer(tmp_path: Path) -> None:
    found = losszoo.compare(["mse"], ["diabetes"], seeds=1, epochs=1, out=tmp_path)
    (row,) = found.tables["diabetes"]
    assert found.answer == (
        f"mse leads on diabetes with rmse {row.mean:.4f} over 1 seed; there is no other row to compare it with"
    )
