"""``losszoo suggest``: what is said of the rows is so, losses come by their tags, and the command works."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.datasets import make_blobs

import losszoo
from losszoo.cli.main import main
from losszoo.suggestion.class_order import order_of
from losszoo.suggestion.traits import TAGS
from losszoo.tasks.tables.table_task import deciding_metric

pandas = pytest.importorskip("pandas")

DRAWS = np.random.default_rng(0)
X, GROUPS = make_blobs(600, n_features=4, centers=3, random_state=0)


def table(y: Any, kind: str | None = None) -> losszoo.Task:
    frame = pandas.DataFrame(X, columns=list("abcd")).assign(y=y)
    return losszoo.Task.from_table(frame, "y", kind=kind)


def names(words: str) -> Any:
    return np.array(words.split())[GROUPS]


def mislabelled(share: float) -> Any:
    """A share of the labels of well parted groups is another label."""
    wrong = DRAWS.permutation(len(GROUPS)) < share * len(GROUPS)
    return np.array(["a", "b", "c"])[np.where(wrong, (GROUPS + DRAWS.integers(1, 3, len(GROUPS))) % 3, GROUPS)]


def noisy(noise: Any) -> Any:
    return X @ [1.0, -2.0, 0.5, 1.0] + noise


ROWS = len(X)
BY_TRAIT: list[tuple[str, Callable[[], losszoo.Task], str, bool]] = [
    ("3 % of one class", lambda: table(np.where(np.arange(ROWS) % 33 == 0, "gone", "stays")), "imbalance", True),
    ("classes alike", lambda: table(names("red green blue")), "imbalance", False),
    ("words with an order", lambda: table(names("low medium high")), "order", True),
    ("numbers with an order", lambda: table(np.digitize(noisy(0), [-9, -3, 3, 9]), "multiclass"), "order", True),
    ("numbers that are mere names", lambda: losszoo.load_task("digits"), "order", False),
    ("clean labels", lambda: table(mislabelled(0.0)), "label noise", False),
    ("one label of five is wrong", lambda: table(mislabelled(0.2)), "label noise", True),
    ("normal errors", lambda: table(noisy(DRAWS.normal(size=ROWS))), "outliers", False),
    ("errors of Student's t, 1", lambda: table(noisy(10 * DRAWS.standard_t(1, ROWS))), "outliers", True),
    ("amounts of any size", lambda: table(np.exp(noisy(0) / 5)), "skew", True),
    ("amounts alike", lambda: table(50 + DRAWS.normal(size=ROWS)), "skew", False),
    ("counts", lambda: table(DRAWS.poisson(20, ROWS), "regression"), "counts", True),
    ("unseen classes", lambda: losszoo.load_task("digits-retrieval"), "new classes", True),
    ("few pixels", lambda: losszoo.load_task("digits-segmentation"), "imbalance", True),
]


@pytest.mark.parametrize(("task", "trait", "present"), [case[1:] for case in BY_TRAIT], ids=[c[0] for c in BY_TRAIT])
def test_a_trait_is_there_where_it_was_planted(task: Callable[[], losszoo.Task], trait: str, present: bool) -> None:
    found = losszoo.suggest(task())
    assert not any("the task has the tag" in t.text for t in found.traits)
    assert [t.present for t in found.traits if t.name == trait] == [present]
    assert json.loads(json.dumps(found.to_dict()))["losses"][0]["why"] == "baseline"
    assert 1 <= len(found.losses) <= 5
    tags = {spec.name: spec.tags for spec in losszoo.list_losses()}
    by_name = {t.name: t for t in found.traits}
    for loss in found.losses[1:]:
        assert loss.tag in tags[loss.name]
        assert loss.why == "another idea" or (by_name[loss.why].present and loss.tag in by_name[loss.why].tags)


def test_wrong_labels_are_counted_about_right() -> None:
    """The planted share is the independent number; the estimate may miss some, and adds few."""
    (trait,) = (t for t in losszoo.suggest(table(mislabelled(0.2))).traits if t.name == "label noise")
    assert 0.15 < trait.numbers["share"] < 0.22


def test_rows_of_a_group_are_held_out_together() -> None:
    """Forty groups of fifteen alike rows: beside its own group a row of a wrong label is no surprise to any model.

    Eight of the forty groups have the wrong label in all their rows.
    """
    draws = np.random.default_rng(3)
    group = np.repeat(np.arange(40), 15)
    places = np.array([[-3.0, 0.0], [3.0, 0.0]])[np.arange(40) % 2] + draws.normal(size=(40, 2))
    labels = np.where(np.isin(np.arange(40), draws.permutation(40)[:8]), 1, 0) ^ np.arange(40) % 2
    frame = pandas.DataFrame(places[group] + 0.01 * draws.normal(size=(600, 2)), columns=["a", "b"])
    frame = frame.assign(patient=group, y=np.array(["ill", "well"])[labels[group]])
    shares = [
        share_of_noise(losszoo.Task.from_table(frame, "y", **how))
        for how in ({"drop": ["patient"]}, {"group": "patient"})
    ]
    assert shares[0] == 0.0
    assert 0.1 < shares[1] < 0.3  # 0.2 of the groups


def share_of_noise(task: losszoo.Task) -> float:
    (trait,) = (t for t in losszoo.suggest(task).traits if t.name == "label noise")
    return trait.numbers["share"]


def test_classes_that_are_groups_are_not_judged() -> None:
    """A row whose class is in its own group alone is a surprise to any model."""
    task = losszoo.Task.from_arrays(X, names("red green blue"))
    task.row_groups = {"train": task.splits(0).train.targets}
    found = losszoo.suggest(task)
    assert not [t for t in found.traits if t.name == "label noise"]
    assert any("labels that a model contradicts: not looked at" in note for note in found.notes)


def test_zeros_are_counted_though_targets_are_standardised() -> None:
    """200 of the 600 targets are 0, so a third of any training part is, about."""
    y = np.where(GROUPS == 0, 0.0, 1e6 * np.abs(X[:, 0]) + 1.5)
    (trait,) = (t for t in losszoo.suggest(table(y)).traits if t.name == "skew")
    assert trait.numbers["zeros"] == pytest.approx(1 / 3, abs=0.05)
    assert not [t for t in losszoo.suggest(table(noisy(0))).traits if t.name in ("skew", "counts")]


@pytest.mark.parametrize(
    ("given", "order"),
    [
        (["high", "low", "medium"], ("low", "medium", "high")),
        (["Very Good", "good", "fair", "POOR"], ("POOR", "fair", "good", "Very Good")),
        (["10", "9", "-1"], ("-1", "9", "10")),
        ([">= 11 rings", "<= 8 rings", "9-10 rings"], ("<= 8 rings", "9-10 rings", ">= 11 rings")),
        (["65+", "18-34", "35-64"], ("18-34", "35-64", "65+")),
        (["low", "high"], None),
        (["red", "green", "blue"], None),
        (["low", "medium", "red"], None),
        (["medium", "moderate", "low"], None),
    ],
)
def test_an_order_is_told_only_where_names_tell_it(given: list[str], order: tuple[str, ...] | None) -> None:
    found = order_of(given)
    assert (found and found[0]) == order


PLUGIN = """
import losszoo

@losszoo.hookimpl
def losszoo_losses():
    return losszoo.losses_in("grades_plugin.losses")
"""
LOSS = '''
import torch
import losszoo

@losszoo.loss(signature="multiclass", tags=("ordinal",))
def squared_steps(logits, targets):
    r"""Squared distance of the expected label.

    .. math:: (E[k] - y)^2

    For grades.

    Args:
        logits: (N, C).
        targets: (N,) int64.

    Returns:
        One value per sample.

    Reference:
        None, "A test", 2026.
    """
    steps = torch.arange(logits.shape[1], dtype=logits.dtype)
    return ((logits.softmax(1) * steps).sum(1) - targets).square()
'''


def test_a_loss_of_anybody_is_suggested_by_its_tag_and_the_command_works(tmp_path: Path) -> None:
    """In real processes: the plugin is installed there, and the command is pasted into a shell as it is shown."""
    info, package = tmp_path / "grades_plugin-1.0.dist-info", tmp_path / "grades_plugin"
    info.mkdir()
    package.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: grades-plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[losszoo]\ngrades = grades_plugin\n")
    (package / "__init__.py").write_text(PLUGIN)
    (package / "losses.py").write_text(LOSS)
    frame = pandas.DataFrame(X[:90], columns=list("abcd")).assign(grade=names("low medium high")[:90])
    frame.loc[3, "grade"] = None
    frame.to_csv(tmp_path / "my grades.csv", index=False)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1", "COLUMNS": "80", "PATH": path}

    def shell(command: str) -> str:
        done = subprocess.run(
            ["/bin/sh", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    said = shell("losszoo suggest 'my grades.csv' --target grade")
    lines = said.splitlines()
    assert max(map(len, lines)) <= 80
    assert "  note: 1 row without grade: left out" in lines
    assert any(line.startswith("  squared-steps  order (tag ordinal): Squared distance") for line in lines)
    command = said[said.index("  losszoo compare --task 'my grades.csv' --target grade") :].rstrip("\n")
    assert " \\\n" in command
    assert command.endswith(" --seeds 5")
    document = json.loads(shell(f"{command} --seeds 1 --epochs 1 --json"))  # the last one counts
    assert document["failures"] == []
    assert document["losses"][:2] == ["cross-entropy", "squared-steps"]


def test_the_document_is_the_result() -> None:
    done = CliRunner().invoke(main, ["suggest", "diabetes", "--json"])
    assert done.exit_code == 0, done.output
    found = losszoo.suggest("diabetes")
    assert json.loads(done.stdout) == json.loads(json.dumps(found.to_dict()))
    assert found.command.startswith("losszoo compare --task diabetes --loss mse --loss ")
    assert any(
        note.startswith("counts: no installed loss for this kind of task has the tag counts") for note in found.notes
    )


def test_a_task_that_no_command_can_name_is_compared_in_python() -> None:
    found = losszoo.suggest(table(names("red green blue")))
    assert found.command == ""
    assert found.call.startswith("losszoo.compare(['cross-entropy', ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["digit"], "unknown task 'digit': did you mean digits"),
        (["digits", "--target", "y"], "--target must go with a table"),
        (["no.csv"], "a table must be given with its target, got no.csv; say --target COLUMN"),
    ],
)
def test_what_cannot_be_is_one_sentence(arguments: list[str], said: str) -> None:
    done = CliRunner().invoke(main, ["suggest", *arguments])
    assert done.exit_code == 2
    assert said in done.stderr


def test_the_page_has_the_tags_of_every_trait() -> None:
    page = (Path(__file__).parents[1] / "docs" / "which-loss.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| ([a-z ]+) \| [^|]+ \| (`[^|]+`) \|$", page, re.MULTILINE))
    assert {name: tuple(re.findall(r"`([a-z-]+)`", tags)) for name, tags in rows.items()} == dict(TAGS)


def test_the_session_of_the_page_names_the_metric_that_decides() -> None:
    """Its table is in no file: the shares of its classes tell the metric."""
    page = (Path(__file__).parents[1] / "docs" / "which-loss.md").read_text("utf-8")
    told, share = re.search(r"judged by (\w+) .*?gone ([\d.]+) %", page, re.DOTALL).groups()  # type: ignore[union-attr]
    gone = round(10 * float(share))
    assert told == deciding_metric("binary", np.repeat([0, 1], [gone, 1000 - gone]))[0]
