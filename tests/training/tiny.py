"""Small tasks that a test can bend: tables of a few rows, prepared without a registry."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from losszoo import Recipe, Setup, Split, Splits, Task, TaskSpec
from losszoo.training.data.prepared_data import Prepared, prepare

Array = npt.NDArray[Any]
CPU = torch.device("cpu")
METRIC = {"multiclass": "accuracy", "binary": "accuracy", "regression": "rmse", "retrieval": "recall_at_1"}


def spec(kind: str) -> TaskSpec:
    metric = METRIC.get(kind, "knn_accuracy" if kind == "views" else "iou")
    direction = "min" if kind == "regression" else "max"
    target = "somewhere:Tiny"
    return TaskSpec(name="tiny", target=target, kind=kind, summary="small", metric=metric, direction=direction)


class Tiny(Task):
    """Three parts as given; each is (inputs, targets)."""

    def __init__(self, kind: str, *parts: Any, numeric: int | None = None) -> None:
        self.spec = spec(kind)
        self.parts = parts
        self.numeric = numeric

    def splits(self, seed: int = 0) -> Splits:
        return Splits(*(Split(*part) for part in self.parts))

    def setup(self, signature: str) -> Setup:
        return Setup(trunk="linear", recipe=Recipe())


def table(rows: int, columns: int = 3, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)


def labelled(labels: list[int], seed: int = 0) -> tuple[Array, Array]:
    """Rows that lie apart by label, so that they can be learned."""
    targets = np.array(labels, dtype=np.int64)
    return table(len(labels), seed=seed) + 3 * targets[:, None].astype(np.float32), targets


def prepared(kind: str, *parts: Any, numeric: int | None = None) -> Prepared:
    return prepare(Tiny(kind, *parts, numeric=numeric), 0, CPU)
