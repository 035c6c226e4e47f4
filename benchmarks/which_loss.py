"""The figures of docs/which-loss.md: five problems of data, the losses that are said to help, and what they give.

    python benchmarks/which_loss.py           # prints the tables
    python benchmarks/which_loss.py --write   # puts them into docs/which-loss.md

Small on purpose: data of scikit-learn, one thread, an MLP with one hidden layer, at most 40 epochs, five seeds. A seed
is one split of the data, one draw of what is planted, and one start of the network; all losses share all three.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import accuracy_score, average_precision_score, mean_absolute_error, root_mean_squared_error

import losszoo
from losszoo.sklearn import LossClassifier, LossRegressor, LossTransformer

PAGE = Path(__file__).parents[1] / "docs" / "which-loss.md"
BEGIN, END = "<!-- measured: benchmarks/which_loss.py -->", "<!-- end -->"
SEEDS = range(5)
SETTINGS = {"epochs": 40, "lr": 3e-3}
Scores = Mapping[str, float]
Rows = tuple[Any, Any]


def rows_of(name: str, seed: int, **options: Any) -> tuple[Rows, Rows]:
    """Training rows with those of validation, of which the estimators hold out some; and test rows."""
    parts = losszoo.load_task(name, **options).splits(seed)
    flat = [(part.inputs.reshape(len(part.inputs), -1), part.targets) for part in parts]
    (x, y), (x_val, y_val), test = flat
    return (np.concatenate([x, x_val]), np.concatenate([y, y_val])), test


def imbalance(loss: str, seed: int) -> Scores:
    (x, y), (x_test, y_test) = rows_of("digits-rare", seed, positives=0.03)
    model = LossClassifier(loss, random_state=seed, **SETTINGS).fit(x, y)
    scores = model.predict_proba(x_test)[:, 1]
    return {"average precision": average_precision_score(y_test, scores)}


def label_noise(share: float) -> Callable[[str, int], Scores]:
    def score(loss: str, seed: int) -> Scores:
        (x, y), (x_test, y_test) = rows_of("digits", seed)
        draws = np.random.default_rng(seed)
        wrong = draws.permutation(len(y)) < share * len(y)
        noisy = np.where(wrong, (y + draws.integers(1, 10, len(y))) % 10, y)
        model = LossClassifier(loss, random_state=seed, **SETTINGS).fit(x, noisy)
        return {"accuracy on clean rows": accuracy_score(y_test, model.predict(x_test))}

    return score


def outliers(loss: str, seed: int) -> Scores:
    (x, y), (x_test, y_test) = rows_of("diabetes", seed)
    draws = np.random.default_rng(seed)
    far = draws.permutation(len(y)) < 0.1 * len(y)
    model = LossRegressor(loss, random_state=seed, **SETTINGS).fit(x, np.where(far, 10 * y, y))
    predicted = model.predict(x_test)
    return {"rmse": root_mean_squared_error(y_test, predicted), "mae": mean_absolute_error(y_test, predicted)}


def ordered(loss: str, seed: int) -> Scores:
    """Five classes of equal size; a loss of regression predicts the number of the class, which is rounded."""
    (x, y), (x_test, y_test) = rows_of("diabetes", seed)
    ends = np.quantile(y, [0.2, 0.4, 0.6, 0.8])
    labels, wanted = np.digitize(y, ends), np.digitize(y_test, ends)
    regression = losszoo.list_losses(search=loss)[0].signature == "regression"
    estimator = LossRegressor if regression else LossClassifier
    model = estimator(loss, random_state=seed, **SETTINGS).fit(x, labels.astype(float) if regression else labels)
    predicted = np.clip(np.round(model.predict(x_test)), 0, 4)
    return {
        "classes off": mean_absolute_error(wanted, predicted),
        "accuracy": accuracy_score(wanted, predicted.astype(int)),
    }


def retrieval(loss: str, seed: int) -> Scores:
    (x, y), (x_test, y_test) = rows_of("digits-retrieval", seed)
    features = x_test
    if loss != "pixels":
        features = LossTransformer(loss, dim=16, random_state=seed, **SETTINGS).fit(x, y).transform(x_test)
    return {
        "recall at 1": losszoo.metrics.recall_at_1(features, y_test),
        "MAP at R": losszoo.metrics.map_at_r(features, y_test),
    }


LABELS = (
    *("cross-entropy", "cross-entropy(label_smoothing=0.2)", "softmax-focal", "multiclass-hinge", "sparsemax"),
    *("nca", "nca-difference"),
)
CASES: tuple[tuple[str, Callable[[str, int], Scores], tuple[str, ...]], ...] = (
    (
        "3 % positives (digits-rare)",
        imbalance,
        ("bce", "focal", "focal(alpha=0.25)", "focal(alpha=0.75)", "hinge", "modern-nca"),
    ),
    ("20 % of the labels are wrong (digits)", label_noise(0.2), LABELS),
    ("40 % of the labels are wrong (digits)", label_noise(0.4), LABELS),
    (
        "10 % of the targets are ten times too large (diabetes)",
        outliers,
        ("mse", "mae", "huber", "log-cosh", "quantile"),
    ),
    ("five ordered classes (diabetes)", ordered, ("cross-entropy", "multiclass-hinge", "mse", "mae")),
    (
        "classes that training has not (digits-retrieval)",
        retrieval,
        ("pixels", "linear-cross-entropy", "triplet-batch-hard", "triplet-semi-hard", "sup-con", "nca-stable"),
    ),
)


def table(title: str, score: Callable[[str, int], Scores], losses: tuple[str, ...]) -> Iterator[str]:
    """Mean and standard deviation over the seeds, and the mean difference to the first loss with its interval."""
    from losszoo.comparison.statistics import deviation, mean, paired

    results = {loss: [score(loss, seed) for seed in SEEDS] for loss in losses}
    metrics = list(results[losses[0]][0])
    yield f"**{title}**\n"
    heads = [name for metric in metrics for name in (metric, f"minus {losses[0]}, 95 %")]
    yield "| loss | " + " | ".join(heads) + " |"
    yield "|---" * (len(heads) + 1) + "|"
    for loss, found in results.items():
        cells = []
        for metric in metrics:
            own = {seed: scores[metric] for seed, scores in enumerate(found)}
            first = {seed: scores[metric] for seed, scores in enumerate(results[losses[0]])}
            digits = 3 if max(own.values()) < 10 else 1
            gap = paired(own, first)
            values = list(own.values())
            cells.append(f"{mean(values):.{digits}f} +- {deviation(values):.{digits}f}")
            known = loss != losses[0] and gap is not None and gap.low is not None
            cells.append(f"{gap.low:+.{digits}f} to {gap.high:+.{digits}f}" if known else "")  # type: ignore[union-attr]
        yield f"| `{loss}` | " + " | ".join(cells) + " |"
    yield ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the tables into docs/which-loss.md")
    write = parser.parse_args().write
    torch.set_num_threads(1)
    started = time.process_time()
    lines = []
    for case in CASES:
        for line in table(*case):
            print(line, flush=True)
            lines.append(line)
    spent = time.process_time() - started
    versions = f"Python {platform.python_version()}, torch {torch.__version__.split('+')[0]}"
    lines.append(
        f"Measured by `python benchmarks/which_loss.py --write`: {platform.system()} on {platform.machine()}, "
        f"one thread, {versions}, five seeds, {spent / 60:.0f} min of CPU time."
    )
    print(lines[-1])
    if write:
        text = PAGE.read_text("utf-8")
        before, after = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
        PAGE.write_text(before + "\n\n" + "\n".join(lines) + "\n\n" + after, "utf-8")


if __name__ == "__main__":
    main()
