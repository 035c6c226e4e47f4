"""The zoo's best loss on abalone, tuned on validation rows alone, against the ModernNCA of its authors in plain torch.

The losses are searched by ``losszoo.tune``; the value of a trial is the mean validation metric over the splits 0 to 4,
seed 0. What is best there is trained with seeds 0 to 2 on each split, and so are the reference and the zoo's own
proposal; only then are the test rows looked at. Prints two markdown tables: for the splits 0 to 4, and for the splits 5
to 9, which were not searched on. Each has the mean test metric, its spread over the splits, and the difference
to the reference, paired by split and seed, with a 95 % interval.

The seeds of one split share its test rows, so an interval is that of the means of the splits. Student's takes them as
independent, which they are not: all splits are drawn from the same 4177 rows. Beside it stands the one with the
correction of Nadeau and Bengio, "Inference for the Generalization Error", Machine Learning 52, 2003, which adds the
ratio of test to training rows to 1 / (number of splits). For the same reason rows of the test parts of the splits 5 to
9 have been validation rows of the search, one by one; no test part has been so as a whole.

Needs the data of abalone and the extra ``tune``. The study is kept in ``--out``: repeat the command to continue.

    python benchmarks/tuned.py [--task abalone] [--task abalone-age] [--trials 50] [--out tuned]
"""

from __future__ import annotations

import argparse
import copy
import tempfile
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from modern_nca import TEMPERATURE, Encoder
from scipy import stats
from torch import Tensor
from torch.nn import functional as F

import losszoo

SEARCHED_SPLITS, FRESH_SPLITS, SEEDS = range(5), range(5, 10), range(3)
EPOCHS, PATIENCE, BATCH, SAMPLE_RATE = 200, 20, 1024, 0.5

# What is searched, chosen by the validation rows among the families of the zoo; the trunk is fixed for each.
_MLP = {"model.trunk": "mlp", "recipe.epochs": 80, "recipe.patience": 10, "recipe.batch_size": 256}
_RANGES = {
    "recipe.lr": "1e-3:2e-2:log",
    "recipe.weight_decay": "1e-4:3:log",
    "model.dropout": "0:0.5",
    "model.width": "32:160:log",
    "model.dim": "16:96:log",
    "model.depth": "1,2",
}
SEARCHED: dict[str, tuple[str, dict[str, Any], dict[str, str]]] = {
    "abalone": ("cross-entropy", _MLP, {**_RANGES, "loss.label_smoothing": "0:0.2"}),
    "abalone-age": ("mse", _MLP, _RANGES),
}


class Part(NamedTuple):
    """Inputs, standardised by the training rows; (N, K) one-hot classes or (N, 1) standardised numbers; raw targets."""

    inputs: Tensor
    values: Tensor
    targets: Tensor


class Data(NamedTuple):
    """A split as the reference takes it: ``numbers`` leading columns, and the deviation of numeric targets or 0."""

    train: Part
    val: Part
    test: Part
    numbers: int
    deviation: float


class Scores(NamedTuple):
    """The deciding metric on the validation and the test rows."""

    val: float
    test: float


def load(task_name: str, split: int) -> Data:
    task = losszoo.load_task(task_name)
    splits, numbers = task.splits(split), task.numeric or 0
    columns = splits.train.inputs[:, :numbers].astype(float)
    mean, deviation = columns.mean(0), columns.std(0)
    middle, spread = splits.train.targets.mean(), splits.train.targets.std()
    parts = []
    for part in splits:
        inputs = part.inputs.astype(float)
        inputs[:, :numbers] = (inputs[:, :numbers] - mean) / deviation
        targets = torch.from_numpy(part.targets)
        values = F.one_hot(targets).float() if task.class_names else ((targets - middle) / spread)[:, None]
        parts.append(Part(torch.from_numpy(inputs).float(), values.float(), targets))
    train, val, test = parts
    return Data(train, val, test, numbers, 0.0 if task.class_names else float(spread))


def reference(data: Data, seed: int) -> Scores:
    """Train by the published recipe; the epoch that is best on validation is scored."""
    torch.manual_seed(seed)
    train = data.train
    model = Encoder(data.numbers, train.inputs.shape[1] - data.numbers)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=2e-4)
    best, best_epoch, best_state = -float("inf"), 0, copy.deepcopy(model.state_dict())
    for epoch in range(EPOCHS):
        for rows in torch.split(torch.randperm(len(train.targets)), BATCH):
            optimizer.zero_grad()
            step_loss(model, data, rows).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        value = goodness(score(model, data, data.val), data)
        if value > best:
            best, best_epoch, best_state = value, epoch, copy.deepcopy(model.state_dict())
        elif epoch - best_epoch >= PATIENCE:
            break
    model.load_state_dict(best_state)
    return Scores(score(model, data, data.val), score(model, data, data.test))


def goodness(metric: float, data: Data) -> float:
    """The larger, the better."""
    return -metric if data.deviation else metric


def soft_neighbours(queries: Tensor, candidates: Tensor, values: Tensor, *, leave_out: bool) -> Tensor:
    """(N, K) weighted means of the candidates' values; with ``leave_out`` query i is candidate i."""
    distances = torch.cdist(queries, candidates) / TEMPERATURE
    if leave_out:
        distances.fill_diagonal_(torch.inf)
    return torch.softmax(-distances, 1) @ values


def step_loss(model: Encoder, data: Data, rows: Tensor) -> Tensor:
    train = data.train
    outside = torch.ones(len(train.targets), dtype=torch.bool).index_fill_(0, rows, False).nonzero().squeeze(1)
    drawn = outside[torch.randperm(len(outside))[: int(len(outside) * SAMPLE_RATE)]]
    queries, others = model(train.inputs[rows]), model(train.inputs[drawn])
    values = train.values[torch.cat([rows, drawn])]
    predicted = soft_neighbours(queries, torch.cat([queries, others]), values, leave_out=True)
    if data.deviation:
        return F.mse_loss(predicted, train.values[rows])
    return F.nll_loss(torch.log(predicted + 1e-7), train.targets[rows])


@torch.no_grad()
def score(model: Encoder, data: Data, part: Part) -> float:
    """Accuracy, or root mean squared error in the unit of the targets; every training row is a candidate."""
    predicted = soft_neighbours(model(part.inputs), model(data.train.inputs), data.train.values, leave_out=False)
    if data.deviation:
        return float(F.mse_loss(predicted, part.values).sqrt()) * data.deviation
    return float((predicted.argmax(1) == part.targets).float().mean())


def zoo(loss: str, task: str, settings: dict[str, Any], split: int, seed: int) -> Scores:
    with tempfile.TemporaryDirectory() as out:
        result = losszoo.run(
            loss, task, seed=seed, set={**settings, "task.split": split}, out=out, parts=("val", "test")
        )
    metric = next(spec.metric for spec in losszoo.list_tasks() if spec.name == task)
    return Scores(result.metrics["val"][metric], result.metrics["test"][metric])


def tuned(task: str, trials: int, out: str) -> tuple[str, dict[str, Any]]:
    """The loss and the settings that are best on validation."""
    loss, fixed, ranges = SEARCHED[task]
    tuning = losszoo.tune(loss, task, trials=trials, splits=len(SEARCHED_SPLITS), set=fixed, search=ranges, out=out)
    best = tuning.best
    if best is None:
        raise SystemExit(f"no trial of {loss} on {task} was completed")
    default = "none" if tuning.default is None else f"{tuning.default:.4f}"
    print(f"\n{task}: {loss}, {tuning.counts}; validation {best.value:.4f}, with the proposed numbers {default}.")
    print(f"\n    {best.command}\n", flush=True)
    return best.loss, {key: value for key, value in best.settings.items() if key != "task.split"}


def measure(task: str, trials: int, out: str) -> None:
    """The tables of one task."""
    loss, settings = tuned(task, trials, out)
    ways: dict[str, Callable[[int, int, Data], Scores]] = {
        "reference ModernNCA, plain torch": lambda _, seed, data: reference(data, seed),
        "`modern-nca`, as the task proposes": lambda split, seed, _: zoo("modern-nca", task, {}, split, seed),
        f"`{loss.partition('(')[0]}`, tuned": lambda split, seed, _: zoo(loss, task, settings, split, seed),
    }
    for splits, about in ((SEARCHED_SPLITS, "searched on their validation rows"), (FRESH_SPLITS, "not searched on")):
        print(f"\n{task}, splits {splits[0]} to {splits[-1]}, {about}, {len(SEEDS)} seeds\n")
        print("| | validation | test | over splits | difference on test, 95 %, Student | Nadeau and Bengio |")
        print("|---|---|---|---|---|---|")
        loaded = [(split, load(task, split)) for split in splits]
        first: list[Scores] | None = None
        for name, way in ways.items():
            scores = [way(split, seed, data) for split, data in loaded for seed in SEEDS]
            print(f"| {name} | {' | '.join(row(scores, first, share(loaded[0][1])))} |", flush=True)
            first = first or scores


def share(data: Data) -> float:
    """Test rows by training rows."""
    return len(data.test.targets) / len(data.train.targets)


def row(scores: list[Scores], against: list[Scores] | None, shared: float) -> list[str]:
    val, test = (by_split(list(column)) for column in zip(*scores, strict=True))
    cells = [f"{val.mean():.4f}", f"{test.mean():.4f}", f"{test.std(ddof=1):.4f}"]
    if against is None:
        return [*cells, "", ""]
    differences = by_split([mine.test - theirs.test for mine, theirs in zip(scores, against, strict=True)])
    return [*cells, interval(differences), interval(differences, shared)]


def by_split(values: list[float]) -> np.ndarray[Any, Any]:
    """The mean over the seeds of each split."""
    means: np.ndarray[Any, Any] = np.array(values).reshape(-1, len(SEEDS)).mean(1)
    return means


def interval(values: np.ndarray[Any, Any], shared: float = 0.0) -> str:
    """Mean and half of the 95 % interval: Student's, or Nadeau and Bengio's, with test by training rows ``shared``."""
    spread = values.std(ddof=1) * np.sqrt(1 / len(values) + shared)
    half = stats.t.ppf(0.975, len(values) - 1) * spread
    return f"{values.mean():+.4f} +- {half:.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", action="append", choices=list(SEARCHED))
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--out", default="tuned")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for task in options.task or list(SEARCHED):
        measure(task, options.trials, options.out)


if __name__ == "__main__":
    main()
