"""Every stable loss on every task that it fits, with its defaults, three seeds: the table that ``losszoo info`` reads.

    python benchmarks/zoo.py --out zoo            # computes what is missing in the folder zoo; hours
    python benchmarks/zoo.py --out zoo --write    # and writes tasks/losszoo_tasks/measured.json
    python benchmarks/zoo.py --out zoo --task digits --task diabetes

Every run has the task's own recipe. A penalty stands in a sum, a combiner around two losses of the task: the first
baseline and another. What could not be measured is printed, and has no row.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
import torch

import losszoo
from losszoo import Comparison, LossSpec, TaskSpec
from losszoo.registry.compatibility import COMBINER, baseline_of
from losszoo.registry.registry import installed

FILE = Path(__file__).parents[1] / "tasks" / "losszoo_tasks" / "measured.json"
SEEDS = 3


def expression(loss: LossSpec, task: TaskSpec) -> str | None:
    """How a loss is written to be trained on a task; None where it does not fit."""
    registry = installed()
    if registry.fits(loss.signature, task.kind) and COMBINER not in loss.tags:
        return loss.name
    first = baseline_of(registry, task)
    if first is None:
        return None
    if COMBINER in loss.tags:
        second = next((other for other in fitting(task) if other.name != first.name), None)
        return second and f"{loss.name}({first.name}, {second.name})"
    return f"{first.name} + 1e-4*{loss.name}" if registry.penalizes(loss.signature) else None


def fitting(task: TaskSpec) -> Iterator[LossSpec]:
    """The losses of the signature that is natural to a task."""
    natural = installed().kinds[task.kind].natural
    return (loss for loss in losszoo.list_losses(signature=natural) if loss.status == "stable")


def measure(task: TaskSpec, out: Path, jobs: int) -> dict[str, Any]:
    """The rows of one task: for each loss the test metric of every seed."""
    stable = [loss for loss in losszoo.list_losses() if loss.status == "stable"]
    trained = {loss.name: text for loss in stable if (text := expression(loss, task))}
    result = losszoo.compare(list(trained.values()), [task.name], SEEDS, jobs=jobs, timeout=1800, out=out / task.name)
    return {"metric": task.metric, "direction": task.direction, "rows": list(rows(result, trained, task.metric))}


def rows(result: Comparison, trained: dict[str, str], metric: str) -> Iterator[dict[str, Any]]:
    for name, text in trained.items():
        cells = [cell for cell in result.cells if cell["loss"] == text]
        values = [cell["result"]["metrics"]["test"][metric] for cell in cells if cell["status"] == "done"]
        if len(values) == SEEDS and None not in values:
            yield {"loss": name, "expression": text, "values": [round(value, 6) for value in values]}
        else:
            print(f"{text}: {[cell.get('error') or cell['status'] for cell in cells]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--task", action="append", help="only this task; may be given again")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    tasks = [task for task in losszoo.list_tasks() if asked.task is None or task.name in asked.task]
    tables = {task.name: measure(task, asked.out, asked.jobs) for task in tasks}
    for name, table in tables.items():
        print(f"{name}: {len(table['rows'])} losses")
    if asked.write:
        before = json.loads(FILE.read_text("utf-8"))["tasks"] if FILE.exists() else {}
        document = {
            "command": "python benchmarks/zoo.py --write",
            "machine": f"{platform.machine()}, one thread a run",
            "versions": {
                "losszoo": losszoo.__version__,
                "python": platform.python_version(),
                **{library.__name__: library.__version__ for library in (torch, np, sklearn)},
            },
            "seeds": list(range(SEEDS)),
            "tasks": before | tables,
        }
        FILE.write_text(json.dumps(document, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
