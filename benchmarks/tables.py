"""Does the default recipe of a table keep up with gradient boosting? On the same splits, by accuracy on test rows.

    pip install -e ".[tables]" statsmodels
    python benchmarks/tables.py --seeds 5

Five tables that come with scikit-learn and statsmodels; nothing is downloaded. losszoo trains its default network on
the training rows and stops by the validation rows. HistGradientBoostingClassifier, with its defaults, is fitted to the
training rows, and once more to training and validation rows together.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import statsmodels.api as statsmodels
import torch
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.ensemble import HistGradientBoostingClassifier

import losszoo


def from_sklearn(load: Callable[..., object]) -> tuple[pd.DataFrame, str]:
    frame = load(as_frame=True).frame  # type: ignore[call-arg]
    return frame, "target"


def affairs() -> tuple[pd.DataFrame, str]:
    frame = statsmodels.datasets.fair.load_pandas().data
    return frame.assign(affairs=np.where(frame["affairs"] > 0, "yes", "no")), "affairs"


def election() -> tuple[pd.DataFrame, str]:
    frame = statsmodels.datasets.anes96.load_pandas().data
    return frame.assign(vote=np.where(frame["vote"] > 0, "Dole", "Clinton")), "vote"


TABLES: dict[str, Callable[[], tuple[pd.DataFrame, str]]] = {
    "breast-cancer": lambda: from_sklearn(load_breast_cancer),
    "wine": lambda: from_sklearn(load_wine),
    "digits": lambda: from_sklearn(load_digits),
    "affairs": affairs,
    "election": election,
}


def measure(frame: pd.DataFrame, target: str, seed: int) -> dict[str, float]:
    """Accuracy on the test rows of one split."""
    task = losszoo.Task.from_table(frame, target=target, kind=None if frame[target].dtype == object else "multiclass")
    loss = "bce" if task.spec.kind == "binary" else "cross-entropy"
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        result = losszoo.run(loss, task, seed=seed, out=folder, set={"task.split": seed})
    took = time.perf_counter() - began
    train, val, test = task.splits(seed)
    boosted = HistGradientBoostingClassifier(random_state=seed).fit(train.inputs, train.targets)
    rows, labels = np.concatenate([train.inputs, val.inputs]), np.concatenate([train.targets, val.targets])
    more = HistGradientBoostingClassifier(random_state=seed).fit(rows, labels)
    return {
        "losszoo": 100 * result.metrics["test"]["accuracy"],
        "boosting": 100 * boosted.score(test.inputs, test.targets),
        "boosting, training and validation rows": 100 * more.score(test.inputs, test.targets),
        "seconds": took,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--table", action="append", choices=sorted(TABLES))
    options = parser.parse_args()
    torch.set_num_threads(1)
    means = {}
    for name in options.table or TABLES:
        frame, target = TABLES[name]()
        measured = [measure(frame, target, seed) for seed in range(options.seeds)]
        means[name] = {what: float(np.mean([m[what] for m in measured])) for what in measured[0]}
        print(name, {what: round(value, 2) for what, value in means[name].items()}, file=sys.stderr, flush=True)
    print(json.dumps(means, indent=2))


if __name__ == "__main__":
    main()
