"""Simulated patients."""

import numpy as np

import losszoo

ROWS = 1200


class SimulatedSurvival(losszoo.Task):
    """Hazards that are proportional to the exponential of a weighted sum of six measurements.

    Args:
        censoring: rate at which patients are lost from sight, > 0.
    """

    def __init__(self, *, censoring: float = 0.5) -> None:
        if not censoring > 0:
            raise losszoo.UsageError(f"task simulated-survival: censoring must be > 0, got {censoring!r}")
        self.censoring = censoring

    def splits(self, seed: int = 0) -> losszoo.Splits:
        random = np.random.default_rng(seed)
        inputs = random.standard_normal((ROWS, 6)).astype(np.float32)
        risks = inputs @ np.array([1.0, -1.0, 0.5, 0.5, 0.0, 0.0], dtype=np.float32)
        event = random.exponential(np.exp(-risks))
        lost = random.exponential(1 / self.censoring, ROWS)
        targets = np.stack([np.minimum(event, lost), event <= lost], 1).astype(np.float32)
        parts = np.split(np.arange(ROWS), [800, 1000])
        return losszoo.Splits(*(losszoo.Split(inputs[rows], targets[rows]) for rows in parts))

    def setup(self, signature: str) -> losszoo.Setup:
        recipe = losszoo.Recipe(lr=1e-2, batch_size=128, epochs=20, patience=5)
        return losszoo.Setup(trunk="linear", recipe=recipe)
