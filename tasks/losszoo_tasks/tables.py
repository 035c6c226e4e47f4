"""Small tables that come with scikit-learn."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from losszoo import Recipe, Setup, Split, Splits, Task
from losszoo_tasks.splitting import frozen, parts

Array = npt.NDArray[Any]


@lru_cache(maxsize=1)
def load_cancer() -> tuple[Array, Array]:
    """(569, 30) float32 and (569,) int64."""
    from sklearn.datasets import load_breast_cancer

    inputs, labels = load_breast_cancer(return_X_y=True)
    return frozen(inputs.astype(np.float32)), frozen(labels.astype(np.int64))


@lru_cache(maxsize=1)
def load_worst() -> tuple[Array, Array]:
    """(569, 10) means and (569, 10) largest values of the same measurements, float32."""
    inputs, _ = load_cancer()
    return frozen(inputs[:, :10].copy()), frozen(inputs[:, 20:].copy())


@lru_cache(maxsize=1)
def load_progression() -> tuple[Array, Array]:
    """(442, 10) and (442,) float32."""
    from sklearn.datasets import load_diabetes

    # Unscaled: scikit-learn's scaled form has seen the rows that are held out here.
    inputs, progression = load_diabetes(return_X_y=True, scaled=False)
    return frozen(inputs.astype(np.float32)), frozen(progression.astype(np.float32))


class BreastCancer(Task):
    """Malignant or benign; 63 % are benign."""

    class_names: tuple[str, ...] = ("malignant", "benign")

    def splits(self, seed: int = 0) -> Splits:
        inputs, labels = load_cancer()
        return Splits(*(Split(inputs[rows], labels[rows]) for rows in parts(labels, seed)))

    def setup(self, signature: str) -> Setup:
        recipe = Recipe(lr=1e-3, weight_decay=1e-3, batch_size=64, epochs=60, patience=20, sample_rate=1.0)
        return Setup(trunk="mlp", model={"dim": 32, "width": 64, "depth": 1}, recipe=recipe)


class BreastCancerWorst(BreastCancer):
    """Ten numbers, in units of their own: from 0.06 to 4,254."""

    class_names = (
        *("radius", "texture", "perimeter", "area", "smoothness"),
        *("compactness", "concavity", "concave points", "symmetry", "fractal dimension"),
    )

    def splits(self, seed: int = 0) -> Splits:
        inputs, largest = load_worst()
        return Splits(*(Split(inputs[rows], largest[rows]) for rows in parts(len(inputs), seed)))


class Diabetes(Task):
    """A number from 25 to 346."""

    def splits(self, seed: int = 0) -> Splits:
        inputs, progression = load_progression()
        return Splits(*(Split(inputs[rows], progression[rows]) for rows in parts(len(inputs), seed)))

    def setup(self, signature: str) -> Setup:
        recipe = Recipe(lr=3e-3, weight_decay=1e-2, batch_size=64, epochs=100, patience=20, sample_rate=1.0)
        return Setup(trunk="mlp", model={"dim": 32, "width": 64, "depth": 1}, recipe=recipe)
