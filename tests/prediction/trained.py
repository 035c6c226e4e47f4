"""Small runs that predict, shared by the tests of this folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import losszoo

NET = """
from torch import nn

class Net(nn.Module):
    def __init__(self, in_features, width=16):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(in_features, width), nn.ReLU())

    def forward(self, x):
        return self.body(x)
"""


def run(loss: Any, task: Any, folder: Path, **options: Any) -> losszoo.RunResult:
    """Two epochs."""
    return losszoo.run(loss, task, **{"epochs": 2, "out": folder / "runs", **options})


def churn(folder: Path, rows: int = 240, name: str = "churn.csv") -> Path:
    """Numbers with gaps, words, yes and no; a fifth of the rows is a test part that the file names."""
    draws = np.random.default_rng(0)
    lines = ["age,income,city,member,churned,part"]
    for row in range(rows):
        age, member = draws.normal(45, 10), draws.choice(["yes", "no"])
        gone = draws.random() < 1 / (1 + np.exp(0.3 * (age - 45)))
        income = "" if row % 9 == 4 else f"{draws.lognormal(10, 1):.0f}"
        city = draws.choice(["Rome", "Paris", ""])
        part = ("train", "train", "train", "val", "test")[row % 5]
        lines.append(f"{age:.1f},{income},{city},{member},{'gone' if gone else 'stays'},{part}")
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def of_part(path: Path, part: str) -> Path:
    """The rows of one part, with other columns around them and without the column of parts."""
    head, *rows = path.read_text(encoding="utf-8").splitlines()
    names = head.split(",")[:-1]
    chosen = [row.split(",")[:-1] for row in rows if row.endswith(part)]
    turned = [",".join(["note", *reversed(names)]), *(",".join(["x", *reversed(cells)]) for cells in chosen)]
    out = path.with_name(f"{part}.csv")
    out.write_text("\n".join(turned) + "\n", encoding="utf-8")
    return out
