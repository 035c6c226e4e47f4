"""Two half moons in the plane, one class each."""

import numpy as np

import losszoo

ROWS = 1000


class TwoMoons(losszoo.Task):
    """A point of the plane belongs to one of two interlocking half moons.

    Args:
        noise: deviation of the points from their moon, in (0, 1].
    """

    class_names = ("upper", "lower")

    def __init__(self, *, noise: float = 0.2) -> None:
        if not 0 < noise <= 1:
            raise losszoo.UsageError(f"task two-moons: noise must be in (0, 1], got {noise!r}")
        self.noise = noise

    def splits(self, seed: int = 0) -> losszoo.Splits:
        from sklearn.datasets import make_moons

        points, labels = make_moons(ROWS, noise=self.noise, random_state=seed)
        parts = np.split(np.arange(ROWS), [600, 800])  # make_moons has shuffled the rows
        points = points.astype(np.float32)
        return losszoo.Splits(*(losszoo.Split(points[rows], labels[rows]) for rows in parts))

    def setup(self, signature: str) -> losszoo.Setup:
        recipe = losszoo.Recipe(lr=1e-2, batch_size=64, epochs=20, patience=5)
        return losszoo.Setup(trunk="mlp", model={"dim": 16, "width": 32}, recipe=recipe)
