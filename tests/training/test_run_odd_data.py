"""Runs on batches and data that are odd, and options that cannot be."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import Tiny, labelled, table
from training_runs import Run, history

import losszoo
from losszoo import UsageError
from losszoo.registry.plugin import Origin
from losszoo.registry.registry import installed
from losszoo.tasks.make_task import make_task
from losszoo.training.data.prepared_data import prepare
from losszoo.training.make_plan import make_plan
from losszoo.training.run_options import Options
from losszoo.training.step import BatchLoss

# Odd sizes and odd data.
# A loss of every signature, and a size of batches that leaves one row for the last.
LONELY = [
    ("cross-entropy", "breast-cancer", 121),
    ("bce", "breast-cancer", 121),
    ("mse", "diabetes", 281),
    ("smooth-segmentation", "digits-segmentation", 574),
    ("nca-stable", "breast-cancer", 121),
    ("sup-con", "breast-cancer", 121),
    ("triplet-all", "breast-cancer", 121),
    ("contrastive", "breast-cancer", 121),
    ("triplet", "breast-cancer", 121),
    ("info-nce", "breast-cancer", 121),
    ("modern-nca", "breast-cancer", 121),
    ("modern-nca", "diabetes", 281),
]


@pytest.mark.parametrize(("loss", "task", "size"), LONELY)
def test_a_last_batch_of_one_row(run: Run, loss: str, task: str, size: int) -> None:
    rows = len(make_task(task, {}).splits(0).train.inputs)
    assert rows % size == 1
    result = run(loss, task, epochs=1, set={"recipe.batch_size": size})
    assert (result.status, result.steps, result.guard["nonfinite"]) == ("completed", rows // size + 1, 0)


@pytest.mark.parametrize("loss", ["bce", "nca-stable", "modern-nca", "contrastive", "info-nce"])
def test_a_batch_larger_than_the_data(run: Run, loss: str) -> None:
    assert run(loss, epochs=2, set={"recipe.batch_size": 10**9}).steps == 2


class Odd(Tiny):
    """The task that a test has put into :attr:`given`."""

    given: tuple[str, Any] = ("multiclass", ())

    def __init__(self) -> None:
        kind, part = self.given
        super().__init__(kind, part, part, part)


@pytest.fixture
def odd(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def offer(kind: str, part: Any, metric: str | None = None) -> None:
        monkeypatch.setattr(Odd, "given", (kind, part))
        spec = losszoo.TaskSpec(
            name="odd",
            target=f"{__name__}:Odd",
            kind=kind,
            summary="what a test needs",
            metric=metric or Tiny(kind).spec.metric,
            direction="min" if kind == "regression" else "max",
        )
        monkeypatch.setitem(installed().tasks, "odd", spec)
        monkeypatch.setitem(installed().origins, ("task", "odd"), Origin("tests", "odd-tasks", "1"))

    return offer


BY_SIGNATURE = {
    "multiclass": "cross-entropy",
    "multilabel": "multilabel-soft-margin",
    "label-lists": "multilabel-margin",
    "negatives": "sampled-softmax",
    "ordinal": "coral",
    "conditional-ordinal": "corn",
    "vectors": "cosine-distance",
    "signed": "soft-margin",
    "distances": "hinge-embedding",
    "binary": "bce",
    "regression": "mse",
    "embedding": "nca-stable",
    "pair": "contrastive",
    "triplet": "triplet",
    "views": "info-nce",
    "neighbors": "modern-nca",
}


@pytest.mark.parametrize("signature", installed().taken_by("multiclass"))
def test_a_class_with_one_row(run: Run, odd: Callable[..., None], signature: str) -> None:
    odd("multiclass", labelled([0, 0, 0, 0, 1, 1, 1, 1, 2]))
    result = run(BY_SIGNATURE[signature], "odd", epochs=3, set={"recipe.batch_size": 4})
    assert (result.status, result.guard["nonfinite"]) == ("completed", 0)
    assert all(math.isfinite(part["accuracy"]) for part in result.metrics.values())


@pytest.mark.parametrize("loss", ["cross-entropy", "nca-stable", "info-nce", "modern-nca"])
def test_two_rows_and_a_constant_column(run: Run, odd: Callable[..., None], loss: str) -> None:
    inputs = np.array([[5.0, 1.0], [5.0, 2.0]], dtype=np.float32)
    odd("binary", (inputs, np.array([0, 1])))
    result = run(loss, "odd", epochs=2)
    assert (result.status, result.guard["nonfinite"]) == ("completed", 0)


def test_equal_rows_and_equal_targets(run: Run, odd: Callable[..., None]) -> None:
    odd("regression", (np.ones((6, 2), np.float32), np.full(6, 3.0, np.float32)))
    for loss in ("mse", "rmse", "modern-nca"):
        result = run(loss, "odd", epochs=2)
        assert (result.status, result.guard["nonfinite"]) == ("completed", 0)
        assert result.metrics["test"]["rmse"] < 3


def test_bad_data_are_named_before_anything_is_trained(run: Run, odd: Callable[..., None], tmp_path: Path) -> None:
    inputs, targets = labelled([0, 1, 0, 1])
    inputs[2, 1] = np.nan
    odd("binary", (inputs, targets))
    with pytest.raises(
        losszoo.DataError, match=r"task odd: train inputs must be finite.*, got nan in row 2, column 1 \("
    ):
        run("bce", "odd")
    assert not list(tmp_path.iterdir())


def test_a_task_whose_metric_nobody_measures(run: Run, odd: Callable[..., None]) -> None:
    odd("binary", labelled([0, 1, 0, 1]), metric="r2")
    with pytest.raises(
        UsageError, match="task odd of plugin tests, odd-tasks 1: metric of a binary task must be one of"
    ):
        run("bce", "odd")


def test_a_metric_that_cannot_be_measured_stops_nothing(run: Run, odd: Callable[..., None]) -> None:
    class NoPositives(Odd):
        def splits(self, seed: int = 0) -> losszoo.Splits:
            train = losszoo.Split(*labelled([0, 1, 0, 1]))
            rest = losszoo.Split(table(3), np.zeros(3, np.int64))
            return losszoo.Splits(train, rest, rest)

    odd("binary", (), metric="average_precision")
    globals()["Odd"], kept = NoPositives, Odd
    try:
        result = run("bce", "odd", epochs=3)
    finally:
        globals()["Odd"] = kept
    assert result.epochs == 3
    assert result.to_dict()["metrics"]["val"]["average_precision"] is None
    assert [line["val"]["average_precision"] for line in history(result)] == [None] * 3


def test_prepared_data_are_those_of_the_split(run: Run) -> None:
    first, other = (prepare(make_task("diabetes", {}), split, torch.device("cpu")) for split in (0, 1))
    assert not torch.equal(first.train.inputs, other.train.inputs)
    assert run("mse", "diabetes", epochs=1, set={"task.split": 1}).to_dict()["task"] == "diabetes"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 1, "set": {"recipe.epochs": 2}}, "epochs must be given once"),
        ({"seed": True}, "seed must be a whole number"),
        ({"seed": 2**32}, r"seed must be a whole number in \[0, 2\^32\)"),
    ],
)
def test_options_that_cannot_be(run: Run, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run("mae", "diabetes", **options)


def test_a_loss_of_ones_own_inside_a_combiner(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "inner.py"
    path.write_text("import torch\n\ndef mine(x, y):\n    return torch.nn.functional.cross_entropy(x, y)\n")
    assert run(f"uncertainty({path}:mine, 0.5*cross-entropy)", "digits", epochs=1).status == "completed"


def test_a_term_that_is_off_does_not_take_the_graph_from_the_others(tmp_path: Path) -> None:
    """The first term of the sum weighs 0 in the first epoch: the trunk learns from the second one all the same."""
    plan = make_plan("linear(0, 1, epochs=20)*sup-con + cross-entropy", "digits", Options(out=tmp_path))
    plan.loss.set_epoch(0)
    BatchLoss(plan, torch.arange(40)).total().backward()
    assert all(parameter.grad is not None for parameter in plan.model.parameters())
