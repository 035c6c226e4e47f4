"""One class for every row is no result: run, compare and tune say so, and no loss is said to lead by it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.metrics import average_precision_score, get_scorer

import losszoo
from losszoo.cli.main import main
from losszoo.training.evaluation.one_class import score_of_one_class


@pytest.fixture(scope="module")
def rare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is rare cannot be told from the input."""
    draws = np.random.default_rng(0)
    rows = [f"{draws.normal():.3f},{'yes' if row % 20 == 0 else 'no'}" for row in range(400)]
    path = tmp_path_factory.mktemp("rare") / "rare.csv"
    path.write_text("\n".join(["x,y", *rows]), encoding="utf-8")
    return path


SAID = "row is predicted as 'no', which 95.0 % of them are; --class-weight balanced, another --metric"


def test_a_run_says_that_it_predicts_one_class(rare: Path, tmp_path: Path) -> None:
    words = ["--loss", "bce", "--task", str(rare), "--target", "y", "--epochs", "2", "--out", str(tmp_path)]
    done = CliRunner().invoke(main, ["run", *words])
    assert f"note: every test {SAID}" in done.stderr, done.output
    task = losszoo.Task.from_table(rare, target="y")
    result = losszoo.run("bce", task, epochs=2, out=tmp_path)
    assert result.one_class == {"name": "no", "share": 0.95, "part": "test"}
    assert losszoo.RunResult.from_dict(result.to_dict()).one_class == result.one_class
    assert sum(SAID in note for note in result.notes) == 1
    healthy = losszoo.run("cross-entropy", "digits", epochs=2, out=tmp_path)
    assert (healthy.one_class, healthy.notes) == ({}, ())


def test_a_comparison_names_no_leader_by_one_class(rare: Path, tmp_path: Path) -> None:
    task = losszoo.Task.from_table(rare, target="y")
    for metric, single in (("f1", 2 * 0.05 / 1.05),):
        found = losszoo.compare(["bce"], [task], seeds=2, epochs=2, metric=metric, out=tmp_path / metric)
        said = (
            f"no loss is better on rare than one class for every row, which gives {metric} {single:.4f}; the best, bce"
        )
        assert found.answer.startswith(said), found.answer
        assert " leads " not in found.answer
        assert [f"bce on rare, seed 0, 1: every test {SAID}" in note for note in found.notes] == [True]
    fine = losszoo.compare(["cross-entropy"], ["breast-cancer"], seeds=1, epochs=3, out=tmp_path / "fine")
    assert "cross-entropy leads" in fine.answer
    assert not fine.notes


def test_a_tuning_says_that_its_best_trial_predicts_one_class(rare: Path, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    words = ["--loss", "bce", "--task", str(rare), "--target", "y", "--epochs", "2", "--trials", "1"]
    done = CliRunner().invoke(main, ["tune", *words, "--metric", "f1", "--out", str(tmp_path)])
    assert "note: every validation row is predicted as 'no'" in done.stdout, done.output


@pytest.mark.parametrize(
    "metric", ["accuracy", "balanced_accuracy", "f1", "f1_macro", "f1_weighted", "f1_micro", "matthews_corrcoef"]
)
@pytest.mark.parametrize("counts", [[90, 10], [10, 90], [50, 50]])
def test_what_one_class_gives_is_what_scikit_learn_says(metric: str, counts: list[int]) -> None:
    targets = np.repeat([0, 1], counts)
    score = get_scorer(metric)._score_func
    options = get_scorer(metric)._kwargs
    values = [score(targets, np.full_like(targets, label), **options) for label in (0, 1)]
    assert score_of_one_class(metric, counts) == pytest.approx(max(values))
    flat = average_precision_score(targets, np.zeros(len(targets)))
    assert score_of_one_class("average_precision", counts) == pytest.approx(flat)
