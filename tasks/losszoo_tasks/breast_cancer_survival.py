"""How long patients with breast cancer stay well, of whom more than half were lost from sight."""

from __future__ import annotations

import csv
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt

from losszoo import Recipe, Setup, Split, Splits, Task
from losszoo_tasks.splitting import frozen, parts

Array = npt.NDArray[Any]

YEAR = 365.25


@lru_cache(maxsize=1)
def load_patients() -> tuple[Array, Array]:
    """(686, 8) float32: six numbers, then hormonal therapy and after menopause, 0 or 1; (686, 2) years and events."""
    text = files("losszoo_tasks").joinpath("data", "gbsg2.csv").read_text("utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    inputs = [
        [
            *(float(row[name]) for name in ("age", "tsize")),
            float(len(row["tgrade"])),  # I, II, III
            # Counts and concentrations over three decades.
            *(np.log1p(float(row[name])) for name in ("pnodes", "progrec", "estrec")),
            float(row["horTh"] == "yes"),
            float(row["menostat"] == "Post"),
        ]
        for row in rows
    ]
    targets = [[float(row["time"]) / YEAR, float(row["cens"])] for row in rows]
    return frozen(np.array(inputs, dtype=np.float32)), frozen(np.array(targets, dtype=np.float32))


class Gbsg2(Task):
    """686 patients, 299 events in up to 7.3 years; the parts hold the same share of events."""

    numeric = 6

    def splits(self, seed: int = 0) -> Splits:
        inputs, targets = load_patients()
        return Splits(*(Split(inputs[rows], targets[rows]) for rows in parts(targets[:, 1].astype(int), seed)))

    def setup(self, signature: str) -> Setup:
        recipe = Recipe(lr=3e-3, weight_decay=1e-2, batch_size=128, epochs=60, patience=15)
        return Setup(trunk="mlp", model={"dim": 16, "width": 32, "depth": 1}, recipe=recipe)
