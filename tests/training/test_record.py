"""The run folder's files by themselves: names, whole files, what JSON can say, how many bundles are kept."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from losszoo.common.files import jsonable, save_atomically, slug, write_atomically
from losszoo.training.guard.crash_bundle import Bundles
from losszoo.training.run_folder.run_folder import Record


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("bce", "bce"),
        ("focal(gamma=2, alpha=0.25)", "focal-gamma-2-alpha-0.25"),
        ("./my_loss.py:MyLoss", "my-loss.py-MyLoss"),
        ("../../up/my_loss.py:MyLoss", "my-loss.py-MyLoss"),
        (r"C:\losses\my_loss.py:MyLoss", "my-loss.py-MyLoss"),
        ("0.5*/home/me/a.py:F + 1e-4*l2", "0.5-a.py-F-1e-4-l2"),
        ("..", "loss"),
        ("", "loss"),
        ("<lambda>", "lambda"),
        ("a" * 200, "a" * 80),
    ],
)
def test_names_of_folders(text: str, name: str) -> None:
    assert slug(text) == name


def test_two_runs_at_once_have_two_folders(tmp_path: Path) -> None:
    folders = [Record.fresh(tmp_path, "digits", "bce", 3).folder for _ in range(3)]
    assert len(set(folders)) == 3
    assert all(folder.parent == tmp_path / "digits" / "bce" and "-seed3-" in folder.name for folder in folders)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ({"a": (1, [2.5, None]), 3: True}, {"a": [1, [2.5, None]], "3": True}),
        ([math.nan, math.inf, -math.inf, 1e308], [None, None, None, 1e308]),
        ({"path": Path("a/b")}, {"path": "a/b"}),
    ],
)
def test_what_json_can_say(value: Any, plain: Any) -> None:
    assert jsonable(value) == plain
    json.dumps(jsonable(value), allow_nan=False)


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    save_atomically(path, {"epoch": 1})
    with pytest.raises(AttributeError, match="local"):
        save_atomically(path, {"epoch": 2, "broken": lambda: None})
    assert torch.load(path, weights_only=True) == {"epoch": 1}
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert [file.name for file in tmp_path.iterdir()] == ["state.pt"]


def test_a_few_bundles_are_enough(tmp_path: Path) -> None:
    bundles = Bundles(tmp_path)
    paths = [bundles.write({"step": step}, step) for step in range(5)]
    assert [path and path.name for path in paths] == ["step-0.pt", "step-1.pt", "step-2.pt", None, None]
    assert torch.load(str(paths[2]), weights_only=True) == {"step": 2}
