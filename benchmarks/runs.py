"""How long commands take and how well they train, beside what is asked of them. Prints a markdown table.

``losszoo list`` and a Python that imports only click and pluggy take turns, by the time of their processors;
everything else is a run from start to end. Needs the data of abalone and an idle machine. Python must be able to keep
compiled files (no PYTHONDONTWRITEBYTECODE), as after an installation by pip.

    python benchmarks/runs.py [--seeds 5] [--rounds 20]
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from modern_nca import in_turn, mean

LOSSZOO = (sys.executable, "-m", "losszoo")
BARE = (sys.executable, "-c", "import click, pluggy")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    print("| what | asked | measured |\n|---|---|---|")
    for row in (*listing(options.rounds), *training(options.seeds), against(options.seeds)):
        print(f"| {' | '.join(row)} |", flush=True)


def listing(rounds: int) -> list[tuple[str, str, str]]:
    """The command that is called most often, against the imports that it cannot do without."""
    bare, listed = [], []
    for _ in range(rounds + 1):
        bare.append(seconds(BARE))
        listed.append(seconds((*LOSSZOO, "list")))
    bare, listed = bare[1:], listed[1:]  # the first ones fill the disk cache
    ratio = statistics.median(two / one for one, two in zip(bare, listed, strict=True))
    imports = (sys.executable, "-X", "importtime", "-m", "losszoo", "list")
    loaded = subprocess.run(imports, capture_output=True, text=True, check=True).stderr
    torch = "torch imported" if re.search(r"\| +torch$", loaded, re.MULTILINE) else "torch not imported"
    return [
        ('`python -c "import click, pluggy"`', "", f"{spread(bare, 1e3)} ms"),
        ("`losszoo list`", "<= 2.3x, without torch", f"{spread(listed, 1e3)} ms; {ratio:.2f}x; {torch}"),
    ]


def training(seeds: int) -> list[tuple[str, str, str]]:
    cases = (
        ("nca-stable", "abalone", "accuracy", ">= 0.625; under 25 s start to end"),
        ("modern-nca", "abalone", "accuracy", ">= 0.648; training <= 4.3 s a seed, aim 2 s"),
        ("modern-nca", "abalone-age", "rmse", "<= 2.09"),
    )
    rows = []
    for loss, task, metric, asked in cases:
        results, whole = runs(loss, task, seeds)
        scores = [result["metrics"]["test"][metric] for result in results]
        trained = [result["seconds"] for result in results]
        said = f"test {metric} {statistics.mean(scores):.4f} +- {statistics.stdev(scores):.4f}, {seeds} seeds"
        took = f"training {spread(trained)} s, start to end {spread(whole)} s"
        rows.append((f"`losszoo run --loss {loss} --task {task}`", asked, f"{said}; {took}"))
    return rows


def against(seeds: int) -> tuple[str, str, str]:
    """The recipe of ModernNCA's authors in plain torch, and the zoo's, in turn in one process."""
    theirs, mine = (mean(side) for side in zip(*in_turn(seeds), strict=True))
    accuracies = f"test accuracy {theirs.accuracy:.4f} and {mine.accuracy:.4f}"
    took = f"{theirs.wall:.3g} s and {mine.wall:.3g} s a seed, {theirs.wall / mine.wall:.1f}x"
    said = f"{accuracies}, {seeds} seeds; {took}; by CPU time {theirs.cpu / mine.cpu:.1f}x"
    return "`modern-nca` on abalone against a plain torch reference", "the same accuracy; 3x faster a seed", said


def runs(loss: str, task: str, seeds: int) -> tuple[list[dict[str, Any]], list[float]]:
    """Results and seconds from start to end, for seeds 0 and on."""
    results, whole = [], []
    with tempfile.TemporaryDirectory() as out:
        for seed in range(seeds):
            command = (*LOSSZOO, "run", "--loss", loss, "--task", task, "--seed", str(seed), "--out", out, "--json")
            start = time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            whole.append(time.perf_counter() - start)
            results.append(json.loads(done.stdout))
    return results, whole


def seconds(command: Sequence[str]) -> float:
    """Of the processors, for the program and the system: other work on the machine counts little."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def spread(values: Sequence[float], unit: float = 1.0) -> str:
    """Median, least and most."""
    middle, least, most = (unit * value for value in (statistics.median(values), min(values), max(values)))
    return f"{middle:.3g} ({least:.3g} to {most:.3g})"


if __name__ == "__main__":
    main()
