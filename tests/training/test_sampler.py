"""How the rows of an epoch are drawn."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import losszoo
from losszoo import Split, Splits, UsageError
from losszoo.tasks.task import Recipe
from losszoo.training.data.prepared_data import Part, Prepared
from losszoo.training.data.sampler import drawn, per_class

LABELS = torch.tensor([0] * 60 + [1] * 20 + [2] * 3 + [3] * 17)


def data_of(labels: torch.Tensor = LABELS) -> Prepared:
    part = Part(torch.zeros(len(labels), 1), labels)
    counts = tuple(float(count) for count in labels.bincount())
    return Prepared(part, part, part, "multiclass", len(counts), class_counts=counts)


def source(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_every_batch_holds_m_of_each_of_its_classes() -> None:
    recipe = Recipe(sampler="m-per-class", per_class=4, batch_size=12)
    rows = drawn(recipe, data_of(), source())
    batches = torch.split(LABELS[rows], 12)
    assert len(batches) == 9  # 100 rows, as many batches as without a sampler
    seen: set[int] = set()
    for labels in batches:
        present, counts = np.unique(labels.numpy(), return_counts=True)
        assert counts.tolist() == [4, 4, 4]
        seen |= set(present.tolist())
    assert seen == {0, 1, 2, 3}
    # Without replacement where there are rows enough.
    for batch in torch.split(rows, 12):
        many = batch[LABELS[batch] != 2]
        assert len(set(many.tolist())) == len(many)


def test_weighted_draws_each_class_as_often() -> None:
    rows = torch.cat([drawn(Recipe(sampler="weighted"), data_of(), source(seed)) for seed in range(100)])
    assert len(rows) == 100 * len(LABELS)
    # 10,000 draws with probability 1/4: four standard deviations of the binomial.
    np.testing.assert_allclose(LABELS[rows].bincount(), 2500, atol=4 * np.sqrt(10_000 * 0.25 * 0.75))


@pytest.mark.parametrize("sampler", ["random", "weighted", "m-per-class"])
def test_the_same_seed_draws_the_same(sampler: str) -> None:
    recipe = Recipe(sampler=sampler, batch_size=8)
    first, again, other = (drawn(recipe, data_of(), source(seed)).tolist() for seed in (3, 3, 4))
    assert first == again != other


def test_labels_that_no_row_has_are_left_out() -> None:
    labels = torch.tensor([0, 0, 5, 5])
    assert set(labels[per_class(labels, 2, 2, 3, source())].tolist()) == {0, 5}


class Few(losszoo.Task):
    """Four classes of 20 rows."""

    spec = losszoo.TaskSpec(name="few", target="x:Few", kind="multiclass", summary="Rows.", metric="accuracy")

    def splits(self, seed: int = 0) -> Splits:
        labels = np.arange(80) % 4
        rows = np.random.default_rng(0).normal(size=(80, 3)).astype(np.float32) + labels[:, None]
        return Splits(*[Split(rows, labels)] * 3)

    def setup(self, signature: str) -> losszoo.Setup:
        recipe = Recipe(batch_size=16, epochs=3, lr=1e-2)
        return losszoo.Setup(trunk="mlp", model={"dim": 4, "width": 8, "depth": 1}, recipe=recipe)


@pytest.mark.parametrize(
    ("loss", "settings", "said"),
    [
        ("sup-con", {"per_class": 4}, "recipe.per_class must go with recipe.sampler=m-per-class, got 4 with random"),
        (
            "sup-con",
            {"sampler": "m-per-class", "per_class": 5},
            "multiple of recipe.per_class, 5, .* got 16; .*=15",
        ),
        ("sup-con", {"sampler": "m-per-class", "per_class": 2}, r"at most 2 x 4 classes, got 16; say .*batch_size=8"),
        ("modern-nca", {"sampler": "weighted"}, "must be random for a loss that draws candidates from all rows"),
        ("sup-con", {"sampler": "balanced"}, "recipe.sampler must be one of random, weighted, m-per-class"),
    ],
)
def test_what_cannot_be_drawn_is_refused(tmp_path: Path, loss: str, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        losszoo.run(loss, Few(), set={f"recipe.{key}": x for key, x in settings.items()}, out=tmp_path)
    assert not list(tmp_path.iterdir())


KILLED = """
import os, signal, sys, losszoo
def stop(line):
    if line["epoch"] == 1:
        os.kill(os.getpid(), signal.SIGKILL)
losszoo.run("sup-con", "digits", epochs=3, run_dir=sys.argv[1], checkpoint_seconds=0, on_epoch=stop,
            set={"recipe.sampler": "m-per-class", "recipe.per_class": 20, "recipe.batch_size": 200})
"""


def test_a_killed_run_resumes_to_the_bit(tmp_path: Path) -> None:
    settings = {"recipe.sampler": "m-per-class", "recipe.per_class": 20, "recipe.batch_size": 200}
    whole = losszoo.run("sup-con", "digits", epochs=3, run_dir=tmp_path / "whole", set=settings)
    command = [sys.executable, "-c", KILLED, str(tmp_path / "killed")]
    killed = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}, check=False)
    assert killed.returncode == -9
    assert losszoo.run(resume=tmp_path / "killed").metrics == whole.metrics
    steps = [json.loads((tmp_path / name / "steps.json").read_text())["loss"] for name in ("whole", "killed")]
    assert steps[0] == steps[1]
