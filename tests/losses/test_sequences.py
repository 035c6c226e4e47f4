"""A list is taken as a sequence of any class: a tuple, an array, the lists of a YAML library."""

from __future__ import annotations

from collections import UserList
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import losszoo
from losszoo.comparison.compare_options import CompareRequest, check
from losszoo.training.settings import parse_overrides
from losszoo.tuning.search_options import split_items

WAYS = [list, tuple, UserList, np.array]


@pytest.mark.parametrize("way", WAYS)
def test_parameters_of_a_loss(way: Any) -> None:
    x, y = torch.tensor([[1.0, 0.0], [0.5, 2.0]]), torch.tensor([0, 1])
    expected = torch.nn.functional.cross_entropy(x, y, weight=torch.tensor([1.0, 3.0]))
    loss = losszoo.create("cross-entropy", weight=way([1.0, 3.0]))
    assert torch.allclose(loss(x, y), expected)
    assert torch.allclose(losszoo.create("cross-entropy", weight=(1, 3))(x, y), expected)


@pytest.mark.parametrize("way", WAYS)
def test_members_of_a_comparison(way: Any) -> None:
    members = check(CompareRequest(way(["bce", "cross-entropy"]), way(["digits"]), way([3, 4])))
    assert members.losses == ("bce", "cross-entropy")
    assert [task.name for task in members.tasks] == ["digits"]
    assert members.seeds == (3, 4)
    assert check(CompareRequest("bce", "digits", np.int64(2))).seeds == (0, 1)  # type: ignore[arg-type]


@pytest.mark.parametrize("way", WAYS)
def test_ranges_of_a_search(way: Any) -> None:
    assert split_items(way(["recipe.lr=1e-4:1e-2:log"])) == {"recipe.lr": "1e-4:1e-2:log"}
    assert split_items({"model.dim": way([32, 64])}) == {"model.dim": "32,64"}


def test_settings_and_parts_of_a_run(tmp_path: Path) -> None:
    """The list is recorded as a list, and the run resumes."""
    settings = {"loss.weight": UserList([1.0] * 9 + [2.0])}
    result = losszoo.run("cross-entropy", "digits", epochs=1, set=settings, parts=UserList(["val"]), out=tmp_path)
    assert list(result.metrics) == ["val"]
    Path(result.run_dir, "result.json").unlink()
    assert losszoo.run(resume=result.run_dir).metrics["val"] == result.metrics["val"]
    assert parse_overrides(UserList(["recipe.lr=0.1"])).recipe == {"lr": 0.1}


@pytest.mark.parametrize("way", [list, tuple, UserList])
def test_modules_inputs_and_columns(way: Any) -> None:
    module = torch.nn.Linear(1, 1)
    guard = losszoo.Guard(way([module]), torch.optim.SGD(module.parameters(), lr=0.1), bundles=None)
    assert list(guard.modules) == [module]
    x = torch.tensor([1.0])
    assert losszoo.create("mse + mae").evaluate({"regression": way([x, x])}) == 0
    rows = torch.tensor([[1.0], [2.0]])
    value = losszoo.accumulate(losszoo.create("mse"), module, way([rows[:1], rows[1:]]), way([rows[:1], rows[1:]]))
    assert torch.allclose(value, torch.nn.functional.mse_loss(module(rows), rows))
    found = losszoo.examine(
        "mse", example=lambda: way([torch.randn(3), torch.randn(3)]), dtypes=way(["float32"]), effort=1
    )
    assert found.verdict in ("healthy", "undecided")
