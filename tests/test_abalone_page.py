"""docs/abalone.md says what benchmarks/abalone_results.json holds, and what holds there can be measured again."""

from __future__ import annotations

import json
import re
import statistics
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from doc_blocks import DOCS, ROOT

from losszoo import UsageError
from losszoo_tasks.abalone import Abalone, AbaloneAge

BENCHMARKS = ROOT / "benchmarks"
RESULTS = json.loads((BENCHMARKS / "abalone_results.json").read_text(encoding="utf-8"))
PAGE = (DOCS / "abalone.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def scripts() -> Iterator[Any]:
    """The scripts of the page, which import one another from their folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        import abalone
        import abalone_book
        import abalone_nan
        import abalone_page
        import abalone_trainings

        yield SimpleNamespace(
            run=abalone, book=abalone_book, nan=abalone_nan, page=abalone_page, trainings=abalone_trainings
        )
        for name in [name for name in sys.modules if name.split("_")[0] == "abalone"]:
            del sys.modules[name]


def test_the_page_is_that_of_the_results(scripts: Any) -> None:
    assert scripts.page.filled(PAGE, RESULTS) == PAGE


def test_no_measured_number_stands_outside_the_parts() -> None:
    """What is typed would stay as it is when the results change."""
    typed = re.sub(r"<!-- abalone: .*?<!-- end -->", "", PAGE, flags=re.DOTALL)
    typed = re.sub(r"```.*?```|`[^`]*`", "", typed, flags=re.DOTALL)
    assert re.findall(r"\d+\.\d+", typed) == []


def test_a_page_without_a_part_is_refused(scripts: Any) -> None:
    with pytest.raises(SystemExit, match=r"abalone.md must have a part 'answer', got none"):
        scripts.page.filled("", RESULTS)


def test_every_training_is_in_the_results_and_on_the_page(scripts: Any) -> None:
    trainings, rows = scripts.trainings, scripts.trainings
    assert {run["training"] for run in RESULTS["runs"]} == set(trainings.TRAININGS)
    branches = [row for pair in rows.BRANCHES for row in pair]
    shown = {row.training for row in (*rows.WALK, *rows.LOSSES, *rows.BACK, *branches, rows.MODERN)}
    assert set(trainings.TRAININGS) == shown
    seeds = {(run["training"], run["seed"]) for run in RESULTS["runs"] if run["split"] == 0}
    assert seeds == {(name, seed) for name in trainings.TRAININGS for seed in range(5)}


def test_the_walk_changes_one_thing_at_a_time(scripts: Any) -> None:
    """Settings that stay are the same; of a training that follows another, one setting is new, or the loss is."""
    plain, made = scripts.trainings.PLAIN, scripts.trainings.TRAININGS
    changed = []
    for before, after in (("share", "sex"), ("sex", "wide"), ("wide", "plr")):
        one, two = made[before].settings, made[after].settings
        assert made[before].loss == made[after].loss
        changed.append([key for key in {**one, **two} if one.get(key) != two.get(key)])
    assert changed == [["task.sex"], ["model.dim"], ["model.trunk"]]
    assert all(made[name].settings is plain for name in ("ratio", "difference", "epsilon", "stable", "nca", "share"))
    assert {key: made["half"].settings[key] for key in made["plr"].settings} == made["plr"].settings


@pytest.mark.needs_abalone
@pytest.mark.parametrize(("name", "seed"), [("difference", 0), ("zoo", 1)])
def test_a_slice_comes_out_again(scripts: Any, name: str, seed: int) -> None:
    """One run, within the spread of the committed ones."""
    torch.set_num_threads(1)
    found = scripts.run.measure(scripts.trainings.TRAININGS[name], seed, 0)
    runs = [run for run in RESULTS["runs"] if run["training"] == name and run["split"] == 0]
    committed = next(run for run in runs if run["seed"] == seed)
    assert (found["status"], set(found)) == (committed["status"], set(committed) - {"training"})
    for rule in ("k=3", "soft"):
        scores = [run["test"]["last"][rule] for run in runs]
        wide = max(statistics.stdev(scores), 0.01)
        # Another last bit is another draw, so it is held against all draws of the training and not against one.
        assert found["test"]["last"][rule] == pytest.approx(statistics.mean(scores), abs=2 * wide)


def test_intervals_are_those_of_scipy(scripts: Any) -> None:
    from scipy.stats import ttest_rel

    after, before = [0.61, 0.63, 0.60, 0.64, 0.62], [0.60, 0.60, 0.61, 0.60, 0.59]
    theirs = ttest_rel(after, before).confidence_interval(0.95)
    mine = scripts.book.paired(after, before)
    assert mine[1:] == pytest.approx((100 * theirs.low, 100 * theirs.high), abs=0.005)
    assert str(mine) == f"{mine.mean:+.1f} ({mine.low:+.1f} to {mine.high:+.1f})"


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        ([(1, 2), (0.5, 3)], "better"),
        ([(-2, -1), (-3, -0.5)], "worse"),
        ([(1, 2), (-1, 3)], "open"),
        ([(1, 2), (-3, -1)], "open"),
        ([(-1, 2), (-1, 3)], "noise"),
        ([(1, 2), None], "open"),
        ([(-1, 1), None], "noise"),
    ],
)
def test_verdicts(scripts: Any, bounds: list[tuple[float, float] | None], said: str) -> None:
    found = [None if b is None else scripts.book.Interval(sum(b) / 2, *b) for b in bounds]
    assert scripts.book.verdict(found) == said


def test_a_look_at_a_batch(scripts: Any) -> None:
    """Three points on a line, by hand."""
    seen = scripts.nan.look(torch.tensor([[0.0], [3.0], [7.0]]), torch.tensor([0, 0, 1]))
    assert (seen.largest, seen.smallest) == (7.0, 3.0)
    # Row 1: e^-4 / (e^-3 + e^-4); row 0: e^-7 / (e^-3 + e^-7). The third row has no positive.
    assert seen.different == pytest.approx(-np.log1p(np.exp(4)), abs=1e-6)
    assert seen.same == pytest.approx(-np.log1p(np.exp(-1)), abs=1e-6)
    assert seen.norm == pytest.approx(np.std([0, 3, 7]), abs=1e-6)


def test_limits_of_float32(scripts: Any) -> None:
    """Just above each limit float32 holds, just below it breaks; torch itself is the witness."""
    for over in (0.01, -0.01):
        p = torch.tensor(np.exp(scripts.nan.QUOTIENT_LIMIT + over), dtype=torch.float32, requires_grad=True)
        (1 / p).log().backward()
        assert bool(torch.isfinite(p.grad)) == (over > 0)
        p = torch.tensor(np.exp(scripts.nan.LOG_LIMIT + over), dtype=torch.float32).requires_grad_()
        (p.log() / 32).backward()
        assert bool(torch.isfinite(p.grad)) == (over > 0)
        assert bool(torch.tensor(np.exp(scripts.nan.UNDERFLOW + over), dtype=torch.float32) > 0) == (over > 0)


def test_one_seed_makes_no_interval(
    scripts: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["abalone.py", "--seeds", "1"])
    with pytest.raises(SystemExit, match="2"):
        scripts.run.main()
    assert "an interval needs two seeds and two splits, got 1 and 5" in capsys.readouterr().err


@pytest.mark.needs_abalone
def test_a_watched_run_that_is_another_is_refused(scripts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripts.nan, "watched", lambda *_: (7, []))
    with pytest.raises(RuntimeError, match="a watched run must stop where the other does, got 7 and 84 steps"):
        scripts.nan.stop_of("quotient", 0, {**scripts.trainings.PLAIN, "recipe.epochs": 1})


def test_the_quotient_stops_where_its_slope_overflows(scripts: Any) -> None:
    """The step that fails is the first in which a share falls below the limit."""
    stops = [one for one in RESULTS["ratio"]["stops"] if one["form"] == "quotient"]
    assert len(stops) == 5
    for one in stops:
        assert (one["where"], one["op"], one["reproduced"]) == ("gradient", "div", True)
        assert one["last"]["different"] < scripts.nan.QUOTIENT_LIMIT < one["before"]["different"]


@pytest.mark.needs_abalone
def test_sex_is_left_out() -> None:
    for whole, numbers in zip(Abalone().splits(2), Abalone(sex=False).splits(2), strict=True):
        np.testing.assert_array_equal(whole.inputs[:, :7], numbers.inputs)
        np.testing.assert_array_equal(whole.targets, numbers.targets)
    assert AbaloneAge(sex=False).splits().train.inputs.shape[1] == 7


@pytest.mark.parametrize("sex", ["no", 0, None])
def test_sex_is_checked(sex: Any) -> None:
    for task in (Abalone, AbaloneAge):
        with pytest.raises(UsageError, match=f"tasks of abalone: sex must be true or false, got {sex!r}"):
            task(sex=sex)
