"""A table with several targets: labels of yes and no, or numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from make_tables import write

import losszoo
from losszoo import DataError, UsageError
from losszoo.cli.main import main

pandas = pytest.importorskip("pandas")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(100, 2))
FRAME = {
    "a": X[:, 0],
    "b": X[:, 1],
    "wet": np.where(X[:, 0] > 0, "yes", "no"),
    "cold": X[:, 1] > 0,
    "late": (X.sum(1) > 1).astype(int),
    "rain": 20 * X[:, 0] + 100,
    "wind": X[:, 1] - X[:, 0],
    "city": np.where(X[:, 0] > 0.5, "Rome", "Paris"),
    "day": ["2024-01-30"] * 100,
}


def frame(*names: str, **changed: Any) -> Any:
    return pandas.DataFrame({"a": FRAME["a"], "b": FRAME["b"], **{name: FRAME[name] for name in names}, **changed})


def table(given: Any, target: Any, **options: Any) -> Any:
    return losszoo.Task.from_table(given, target, **options)


@pytest.mark.parametrize(
    ("targets", "options", "kind", "metric"),
    [
        (["wet", "cold", "late"], {}, "multilabel", "macro_f1"),
        (["late", "wet"], {"kind": "multilabel"}, "multilabel", "macro_f1"),
        (["rain", "wind"], {}, "multi-output", "r2"),
        (["rain", "late"], {}, "multi-output", "r2"),
        (["late", "cold"], {"kind": "multi-output"}, "multi-output", "r2"),
    ],
)
def test_the_columns_tell_the_kind(targets: list[str], options: Any, kind: str, metric: str) -> None:
    made = table(frame(*targets), targets, **options)
    assert (made.spec.kind, made.spec.metric, made.class_names) == (kind, metric, tuple(targets))
    expected = np.stack([np.isin(FRAME[name], ("yes",)) if name == "wet" else FRAME[name] for name in targets], 1)
    np.testing.assert_allclose(made.targets, expected.astype(np.float64), rtol=1e-6)
    assert made.splits().train.inputs.shape == (64, 2)
    assert made.describe()["columns"][-1]["name"] == "b"


def test_a_row_without_one_of_the_targets_is_left_out_and_counted() -> None:
    gaps = np.where(np.arange(100) < 3, np.nan, FRAME["wind"])
    more = np.where(np.arange(100) == 99, np.nan, FRAME["rain"])
    made = table(frame(wind=gaps, rain=more), ("wind", "rain"))
    assert made.targets.shape == (96, 2)
    assert "4 rows without wind or rain: left out" in made.notes


def test_sets_of_labels_are_held_in_their_shares() -> None:
    # 60 rows of one set, 30 of another, 10 of a third: 64, 16 and 20 % of each.
    first = np.repeat([0, 1, 1], [60, 30, 10])
    second = np.repeat([0, 0, 1], [60, 30, 10])
    for seed in range(3):
        parts = table(frame(first=first, second=second), ["first", "second"]).splits(seed)
        for part, share in zip(parts, (0.64, 0.16, 0.2), strict=True):
            counts = np.bincount(part.targets.sum(1), minlength=3)
            np.testing.assert_allclose(counts, share * np.array([60, 30, 10]), atol=1)


def test_a_set_of_labels_of_one_row_is_no_obstacle() -> None:
    first, second = (np.arange(100) == 7).astype(int), (np.arange(100) % 2).astype(int)
    parts = table(frame(first=first, second=second), ["first", "second"]).splits()
    assert sum(part.targets[:, 0].sum() for part in parts) == 1


@pytest.mark.parametrize(
    ("targets", "options", "said"),
    [
        (
            ["wet", "rain"],
            {},
            "targets must all hold yes and no, or all hold numbers, got yes and no in wet and numbers",
        ),
        (["late", "city"], {}, "target city must hold yes and no, or numbers, beside other targets, got words"),
        (["late", "day"], {}, "target day must hold yes and no, or numbers, beside other targets, got dates"),
        (["late", "rain"], {"kind": "multilabel"}, "target rain of a multilabel task must hold 0 and 1, or yes and no"),
        (
            ["late", "wet"],
            {"kind": "binary"},
            "several targets must be one of multilabel, multi-output, got 'binary'; ",
        ),
        ("late", {"kind": "multilabel"}, "regression, got 'multilabel'; that is a kind of several targets"),
        (["late", "late"], {}, "target must be another column each time, got 'late' twice"),
        ([], {}, "target must be a column or several, got none"),
        (["late", "wett"], {}, "target must be a column of the DataFrame, got 'wett': did you mean wet?"),
        (["late", "wet"], {"drop": ["wet"]}, "drop must be another column than the target, got 'wet' for both"),
        (["late", "wet"], {"split": "late"}, "split must be another column than the target, got 'late' for both"),
        (["late", "same"], {}, "target same must have at least two values, got 0 in every row"),
    ],
)
def test_targets_that_do_not_go_together_are_refused(targets: Any, options: Any, said: str) -> None:
    given = frame("wet", "late", "rain", "city", "day", same=np.zeros(100))
    with pytest.raises((UsageError, DataError), match=said):
        table(given, targets, **options)


def test_a_copy_of_one_of_the_targets_is_told() -> None:
    made = table(frame("late", "wet", copied=FRAME["late"]), ["wet", "late"])
    assert made.notes == ("copied: each of its values has one value of late; if it is known only later, drop it",)


def said(*words: str) -> str:
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.stderr
    return done.stdout


def test_one_command_trains_on_several_targets_and_resumes(tmp_path: Path) -> None:
    rows = (",".join(map(str, row)) for row in zip(*(FRAME[n] for n in ("a", "b", "wet", "cold")), strict=True))
    path = str(write(tmp_path / "days.csv", "a,b,wet,cold", *rows))
    targets = ("--target", "wet", "--target", "cold")
    run = ("run", "--loss", "focal", "--task", path, *targets, "--epochs", "2", "--json")
    first = json.loads(said(*run, "--out", str(tmp_path)))
    assert sorted(first["metrics"]["test"]) == ["average_precision", "macro_f1", "micro_f1", "subset_accuracy"]
    assert table(path, ["wet", "cold"]).flags() == ("--task", path, *targets)
    assert json.loads(said("run", "--resume", first["run_dir"], "--json"))["metrics"] == first["metrics"]
    yes = [int(np.sum(FRAME["wet"] == "yes")), int(np.sum(FRAME["cold"]))]
    assert f"wet {yes[0]} ({yes[0]}.0 %), cold {yes[1]} ({yes[1]}.0 %)" in said("info", path, *targets)
    numbers = ("info", path, "--target", "a", "--target", "b")
    assert json.loads(said(*numbers, "--json"))["ranges"]["a"] == pytest.approx([X[:, 0].min(), X[:, 0].max()])
    assert f"b from {X[:, 1].min():g} to {X[:, 1].max():g}" in said(*numbers)
