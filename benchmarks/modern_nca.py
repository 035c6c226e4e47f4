"""ModernNCA as its authors describe it, in plain torch, against the zoo's: the same split, in turn, on one machine.

Prints a markdown table: test accuracy, epochs and seconds of each seed, from the data in memory to the accuracy, and
how many times faster the zoo's is. Needs the data of abalone. By CPU time it may share the machine, with one thread.

    python benchmarks/modern_nca.py [--seeds 5] [--threads 2]
"""

from __future__ import annotations

import argparse
import copy
import math
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import losszoo

TEMPERATURE = 1.0


class Rows(NamedTuple):
    """One part of the data: (N, 10) standardised inputs, (N,) age groups."""

    inputs: Tensor
    targets: Tensor


class Outcome(NamedTuple):
    """What one training run gave: test accuracy, epochs, seconds on the clock and of the processor."""

    accuracy: float
    epochs: float
    wall: float
    cpu: float


class Encoder(nn.Module):
    """PLR-lite embedding of the numbers, beside the one-hot columns, and one linear layer."""

    def __init__(self, numbers: int, others: int, frequencies: int = 77, width: int = 34, dim: int = 128) -> None:
        super().__init__()
        self.numbers = numbers
        self.frequencies = nn.Parameter(torch.normal(0.0, 0.0443, (numbers, frequencies)))
        self.mix = nn.Linear(2 * frequencies, width)
        self.out = nn.Linear(numbers * width + others, dim)

    def forward(self, inputs: Tensor) -> Tensor:
        angles = 2 * math.pi * self.frequencies * inputs[:, : self.numbers, None]
        periodic = torch.cat([torch.cos(angles), torch.sin(angles)], -1)
        embedded = F.relu(self.mix(periodic)).flatten(1)
        features: Tensor = self.out(torch.cat([embedded, inputs[:, self.numbers :]], 1))
        return features


def shares(queries: Tensor, candidates: Tensor, targets: Tensor, *, leave_out: bool) -> Tensor:
    """(N, 3) weights of the classes among the candidates; with ``leave_out`` query i is candidate i."""
    distances = torch.cdist(queries, candidates) / TEMPERATURE
    if leave_out:
        distances.fill_diagonal_(torch.inf)
    return torch.softmax(-distances, 1) @ F.one_hot(targets, 3).to(queries.dtype)


def reference(seed: int, *, batch_size: int = 1024, sample_rate: float = 0.5, patience: int = 20) -> Outcome:
    """Train by the published recipe, and score the epoch that was best on validation."""
    wall, cpu = time.perf_counter(), time.process_time()
    train, val, test, numbers = split()
    torch.manual_seed(seed)
    model = Encoder(numbers, train.inputs.shape[1] - numbers)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=2e-4)
    best, best_epoch, best_state = -1.0, 0, copy.deepcopy(model.state_dict())
    for epoch in range(200):
        for rows in torch.split(torch.randperm(len(train.targets)), batch_size):
            optimizer.zero_grad()
            step_loss(model, train, rows, sample_rate).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        accuracy = score(model, train, val)
        if accuracy > best:
            best, best_epoch, best_state = accuracy, epoch, copy.deepcopy(model.state_dict())
        elif epoch - best_epoch >= patience:
            break
    model.load_state_dict(best_state)
    accuracy = score(model, train, test)
    return Outcome(accuracy, epoch + 1, time.perf_counter() - wall, time.process_time() - cpu)


def step_loss(model: Encoder, train: Rows, rows: Tensor, sample_rate: float) -> Tensor:
    outside = torch.ones(len(train.targets), dtype=torch.bool).index_fill_(0, rows, False).nonzero().squeeze(1)
    drawn = outside[torch.randperm(len(outside))[: int(len(outside) * sample_rate)]]
    queries, others = model(train.inputs[rows]), model(train.inputs[drawn])
    targets = train.targets[torch.cat([rows, drawn])]
    weights = shares(queries, torch.cat([queries, others]), targets, leave_out=True)
    return F.nll_loss(torch.log(weights + 1e-7), train.targets[rows])


@torch.no_grad()
def score(model: Encoder, train: Rows, part: Rows) -> float:
    """Accuracy with every training row as candidate."""
    weights = shares(model(part.inputs), model(train.inputs), train.targets, leave_out=False)
    return float((weights.argmax(1) == part.targets).float().mean())


def split() -> tuple[Rows, Rows, Rows, int]:
    """Train, validation, test, and how many leading columns are numbers, standardised by the training rows."""
    task = losszoo.load_task("abalone")
    splits, numbers = task.splits(0), task.numeric or 0
    columns = splits.train.inputs[:, :numbers].astype(float)
    mean, deviation = columns.mean(0), columns.std(0)
    parts = []
    for part in (splits.train, splits.val, splits.test):
        inputs = part.inputs.astype(float)
        inputs[:, :numbers] = (inputs[:, :numbers] - mean) / deviation
        parts.append(Rows(torch.from_numpy(inputs).float(), torch.from_numpy(part.targets)))
    train, val, test = parts
    return train, val, test, numbers


def ours(seed: int) -> Outcome:
    """The zoo's, by the recipe of the task."""
    with tempfile.TemporaryDirectory() as out:
        wall, cpu = time.perf_counter(), time.process_time()
        result = losszoo.run("modern-nca", "abalone", seed=seed, out=out)
        taken = time.perf_counter() - wall, time.process_time() - cpu
    return Outcome(result.metrics["test"]["accuracy"], result.epochs, *taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print("| seed | reference | losszoo | times faster (by CPU time) |\n|---|---|---|---|")
    pairs = []
    for seed, (theirs, mine) in enumerate(in_turn(options.seeds)):
        pairs.append((theirs, mine))
        print_row(str(seed), theirs, mine)
    print_row("mean", *(mean(side) for side in zip(*pairs, strict=True)))


def in_turn(seeds: int) -> Iterator[tuple[Outcome, Outcome]]:
    """The reference and the zoo's, for seeds 0 and on."""
    reference(0), ours(0)  # the first ones load what the others find loaded
    for seed in range(seeds):
        yield reference(seed), ours(seed)


def mean(outcomes: Iterable[Outcome]) -> Outcome:
    """Of each number."""
    return Outcome(*(statistics.fmean(numbers) for numbers in zip(*outcomes, strict=True)))


def print_row(name: str, theirs: Outcome, mine: Outcome) -> None:
    said = (
        f"{side.accuracy:.4f}, {side.epochs:.3g} epochs, {side.wall:.2f} s ({side.cpu:.2f} s CPU)"
        for side in (theirs, mine)
    )
    faster = f"{theirs.wall / mine.wall:.1f} ({theirs.cpu / mine.cpu:.1f})"
    print(f"| {name} | {' | '.join(said)} | {faster} |", flush=True)


if __name__ == "__main__":
    main()
