"""Any loss on any task it fits: every stable loss is trained on every fitting task, without one bad number.

The whole table takes minutes and has the marker ``sweep``; a row for each signature is always run.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import losszoo
from losszoo import LossSpec, TaskSpec
from losszoo.registry.compatibility import COMBINER, tasks_for
from losszoo.registry.registry import installed

# Two losses for each natural signature, or kind of task, to stand beside a penalty or inside a combiner.
BESIDE = {
    "multiclass": ("cross-entropy", "nca-stable"),
    "binary": ("bce", "cross-entropy"),
    "multilabel": ("bce", "focal"),
    "regression": ("mse", "huber"),
    "segmentation": ("dice", "smoothness"),
    "embedding": ("nca-stable", "triplet-batch-hard"),
    "views": ("info-nce", "info-nce(temperature=0.5)"),
    "preference": ("bradley-terry", "ipo"),
    "counts": ("poisson-nll", "tweedie"),
    "ordinal": ("coral", "ordered-logit"),
    "boxes": ("giou", "ciou"),
    "ranking": ("ranknet", "listnet"),
    "survival": ("cox", "weibull-aft"),
}
# Signatures whose inputs no bundled task has: their losses are for a loop of one's own.
OWN_LOOP = {"distillation", "divergence", "latent", "samples"}
# Of each signature one loss, on a task that trains in a second.
SMALL = [
    ("cross-entropy", "digits"),
    ("coral", "digits"),
    ("corn", "digits"),
    ("bce", "breast-cancer"),
    ("bce", "digits"),
    ("huber", "diabetes"),
    ("mse", "breast-cancer"),
    ("focal", "digits-properties"),
    ("huber", "breast-cancer-worst"),
    ("smooth-segmentation", "digits-segmentation"),
    ("cross-entropy", "digits-semantic"),
    ("0.5*dice + 0.5*cross-entropy(weight=[0.2, 1, 1])", "digits-semantic"),
    ("nca-stable", "digits-retrieval"),
    ("contrastive", "breast-cancer"),
    ("triplet", "digits-rare"),
    ("info-nce", "digits-views"),
    ("kto", "breast-cancer"),
    ("bpr", "digits"),
    ("soft-margin", "breast-cancer"),
    ("hinge-embedding", "breast-cancer"),
    ("zlpr", "digits-properties"),
    ("multilabel-margin", "digits-properties"),
    ("giou", "digits-boxes"),
    ("cox", "gbsg2"),
    ("weibull-aft", "gbsg2"),
    ("logistic-hazard", "gbsg2"),
    ("deephit", "gbsg2"),
    ("cosine-distance", "breast-cancer-worst"),
    ("modern-nca", "breast-cancer"),
    ("modern-nca", "diabetes"),
    ("bce + 1e-4*elastic-net", "breast-cancer"),
    ("uncertainty(dice, bce)", "digits-segmentation"),
    ("linear(0, 1, epochs=2)*nca + cross-entropy", "digits"),
]


def expressions(loss: LossSpec, task: TaskSpec) -> Iterator[str]:
    """How a loss is written to be trained on a task; nothing where it does not fit."""
    first, second = BESIDE.get(task.kind) or BESIDE[installed().kinds[task.kind].natural]
    if COMBINER in loss.tags:
        yield f"{loss.name}({first}, {second})"
    elif loss.signature == "penalty":
        yield f"{first} + 1e-4*{loss.name}"
    elif installed().fits(loss.signature, task.kind):
        yield loss.name


def pairs() -> list[Any]:
    """Every stable loss with every task that it fits."""
    return [
        pytest.param(text, task.name, marks=[pytest.mark.needs_abalone] if task.name.startswith("abalone") else [])
        for task in losszoo.list_tasks()
        for loss in losszoo.list_losses()
        if loss.status == "stable"
        for text in expressions(loss, task)
    ]


@pytest.mark.sweep
@pytest.mark.parametrize(("loss", "task"), pairs())
def test_every_loss_on_every_task_it_fits(loss: str, task: str, tmp_path: Path) -> None:
    check(losszoo.run(loss, task, epochs=2, out=tmp_path), epochs=2)


@pytest.mark.parametrize(("loss", "task"), SMALL)
def test_each_signature_trains(loss: str, task: str, tmp_path: Path) -> None:
    check(losszoo.run(loss, task, epochs=1, out=tmp_path), epochs=1)


def test_the_table_holds_every_stable_loss() -> None:
    stable = [spec for spec in losszoo.list_losses() if spec.status == "stable"]
    assert {spec.signature for spec in stable if not tasks_for(installed(), spec.signature)} - {"penalty"} == OWN_LOOP
    for spec in stable:
        if spec.signature in OWN_LOOP:
            continue
        assert any(True for task in losszoo.list_tasks() for _ in expressions(spec, task)), spec.name
    assert len(pairs()) > 4 * len(stable)


def check(result: losszoo.RunResult, epochs: int) -> None:
    """Not one number that is not finite, in the result and in the history."""
    assert (result.status, result.epochs, result.guard["nonfinite"]) == ("completed", epochs, 0)
    assert set(result.metrics) == {"train", "val", "test"}
    history = json.loads(Path(result.run_dir, "history.json").read_text())
    assert [line["steps"] for line in history] == [result.steps // epochs] * epochs
    numbers = list(leaves([result.metrics, history]))
    assert len(numbers) > 10 * epochs
    # What is not finite is written as null.
    assert all(isinstance(number, int | float) and math.isfinite(number) for number in numbers)


def leaves(tree: Any) -> Iterator[Any]:
    """Everything in nested dicts and lists that is neither."""
    if isinstance(tree, dict | list):
        for item in tree.values() if isinstance(tree, dict) else tree:
            yield from leaves(item)
    else:
        yield tree
