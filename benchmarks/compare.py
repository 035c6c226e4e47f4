"""What ``losszoo compare`` costs beside the runs, and what a second job gains. Prints a markdown table.

Whole commands, from start to end: eight cells of abalone with one job and with two, in turn. The own cost of a cell is
the time from the end of one cell to the end of the next, in one worker, less that of the same runs in a plain loop.
Needs the data of abalone and an idle machine of two cores.

    python benchmarks/compare.py [--rounds 3]
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

LOSSES = ("nca-stable", "cross-entropy", "modern-nca", "triplet-batch-hard")
# Runs of a tenth of a second, beside which a cost of its own would be seen.
QUICK = ("--task", "diabetes", "--loss", "mse", "--seeds", "21", "--epochs", "5", "--set", "recipe.patience=0")
LOOP = """
import json, sys, tempfile, time, torch, losszoo
torch.set_num_threads(1)
ends = []
with tempfile.TemporaryDirectory() as out:
    for seed in range(21):
        losszoo.run("mse", "diabetes", seed=seed, epochs=5, set=["recipe.patience=0"], out=out)
        ends.append(time.time())
print(json.dumps(ends))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    print("| what | asked | measured |\n|---|---|---|")
    for row in (jobs(rounds), own_cost(rounds)):
        print(f"| {' | '.join(row)} |", flush=True)


def jobs(rounds: int) -> tuple[str, str, str]:
    """Whole commands with one job and with two, in turn."""
    grid = ["--task", "abalone", "--seeds", "2", *(word for loss in LOSSES for word in ("--loss", loss))]
    one, two = [], []
    for _ in range(rounds):
        one.append(compare([*grid, "--jobs", "1"])[0])
        two.append(compare([*grid, "--jobs", "2"])[0])
    gains = [first / second for first, second in zip(one, two, strict=True)]
    said = f"{spread(gains)}x: {spread(one)} s with one job, {spread(two)} s with two"
    return "`compare --jobs 2` against `--jobs 1`, 8 cells of abalone", ">= 1.7x", said


def own_cost(rounds: int) -> tuple[str, str, str]:
    """A cell after the first, beside its run."""
    costs = []
    for _ in range(rounds):
        document = compare([*QUICK, "--jobs", "1"])[1]
        with_compare = each([datetime.fromisoformat(cell["ended"]).timestamp() for cell in document["cells"]])
        loop = subprocess.run([sys.executable, "-c", LOOP], capture_output=True, text=True, check=True)
        costs.append(with_compare - each(json.loads(loop.stdout)))
    return "own cost of a cell after the first", "< 0.3 s", f"{spread(costs, 1e3)} ms"


def each(ends: Sequence[float]) -> float:
    """Median of the times between two ends, without the first, which imports."""
    after_first = sorted(ends)[1:]
    return statistics.median(later - end for end, later in itertools.pairwise(after_first))


def compare(arguments: Sequence[str]) -> tuple[float, Any]:
    """Seconds from start to end, and the document."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "losszoo", "compare", *arguments, "--out", out, "--json"]
        started = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return time.perf_counter() - started, json.loads(done.stdout)


def spread(values: Sequence[float], unit: float = 1.0) -> str:
    """Median, least and most."""
    middle, least, most = (unit * value for value in (statistics.median(values), min(values), max(values)))
    return f"{middle:.3g} ({least:.3g} to {most:.3g})"


if __name__ == "__main__":
    main()
