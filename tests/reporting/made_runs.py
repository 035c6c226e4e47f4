"""Folders of runs as losszoo writes them, made by hand: no training, and numbers that a test can foresee."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HOSTILE = (
    "<img src=x onerror=pwned=1>",
    "</script><script>pwned=1</script>",
    '<a href="javascript:pwned=1">click</a>',
    "<b>bold</b> &lt;i&gt; &amp; %{meta.key} %{x}",
    "\"'`}{ $x^2$ <!-- \u2028 \x1b[31m \ud800",
)


def write(path: Path, content: Any) -> Path:
    """A JSON file, its folders too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def result(task: str, loss: str, seed: int, value: float, **more: Any) -> dict[str, Any]:
    """As ``RunResult.to_dict`` has it."""
    metrics = {"rmse": value, "mae": value / 2} if task == "diabetes" else {"accuracy": value}
    guard = {"nonfinite": 0, "skipped": 0, "rollbacks": 0, "clipped": 2, "first": None}
    return {
        "loss": loss,
        "task": task,
        "seed": seed,
        "status": "completed",
        "metrics": dict.fromkeys(("train", "val", "test"), metrics),
        "epochs": 3,
        "steps": 6,
        "run_dir": "x",
        "seconds": 2.0 + seed,
        "guard": guard,
        **more,
    }


def history(task: str, epochs: int = 3, level: float = 1.0) -> list[dict[str, Any]]:
    """A line for each epoch: the loss falls, the metric rises."""
    metric = "rmse" if task == "diabetes" else "accuracy"
    return [
        {
            "epoch": e,
            "epochs": epochs,
            "loss": level / (e + 1),
            "grad_norm": 1.0,
            "steps": 2,
            "clipped": 1,
            "bad_steps": 0,
            "lr": 0.001,
            "val": {metric: 0.5 + 0.1 * e},
            "seconds": 1.0 * e,
        }
        for e in range(epochs)
    ]


STEPS = {
    "step": [1, 2, 3, 4, 5, 6],
    "epoch": [0, 0, 1, 1, 2, 2],
    "loss": [1.0, 0.9, None, 0.7, 0.6, 0.5],
    "grad_norm": [4.0, 2.0, None, 1.0, 0.5, 0.25],
    "clipped": [1, 1, 0, 0, 0, 0],
    "bad": [0, 0, 1, 0, 0, 0],
}
PLANE = {
    "part": "test",
    "method": "pca",
    "x": [0.0, 1.0, 2.0, 3.0],
    "y": [1.0, 0.0, 1.0, 0.0],
    "targets": [0, 1, 1, 0],
    "classes": ["cat", "dog"],
}
EVENT = {"step": 3, "epoch": 1, "where": "gradient", "op": "log", "source": "my_loss.py:7", "bundle": "x/step-3.pt"}


def run_folder(folder: Path, task: str, loss: str, seed: int, value: float = 0.5, **more: Any) -> Path:
    """A finished run; ``more`` goes into the result."""
    config = {"losszoo": "0.1.0", "loss": loss, "task": task, "seed": seed, "recipe": {"lr": 0.001}}
    write(folder / "config.json", config)
    write(folder / "history.json", history(task))
    write(folder / "steps.json", STEPS)
    write(folder / "result.json", result(task, loss, seed, value, **more))
    return folder


def cell(root: Path, task: str, loss: str, seed: int, value: float | None = 0.5, /, **more: Any) -> Path:
    """A cell of a comparison: done with a value, or as ``more`` says."""
    folder = root / task / f"{abs(hash(loss)):x}" / f"seed-{seed}"
    kind = more.get("kind", "loss")
    if kind == "loss" and value is not None:
        run_folder(folder / "run", task, loss, seed, value)
    record = {
        "format": 1,
        "task": task,
        "loss": loss,
        "seed": seed,
        "kind": kind,
        "status": "done",
        "error": None,
        "config": {"loss": loss, "task": task, "seed": seed},
        "result": None if value is None else result(task, loss, seed, value),
        "seconds": 9.0,
        "peak_memory_mb": 100.0 + seed,
        "started": "",
        "ended": "",
        **more,
    }
    write(folder / "cell.json", record)
    return folder


def comparison(root: Path, task: str = "digits") -> Path:
    """Two losses over three seeds, an embedding, a baseline, an event, a cell that failed."""
    for seed, (value, less) in enumerate(((0.90, 0.60), (0.92, 0.64), (0.94, 0.62))):
        cell(root, task, "better", seed, value)
        event = {"nonfinite": 2, "skipped": 2, "rollbacks": 0, "clipped": 2, "first": EVENT if seed == 1 else None}
        folder = cell(root, task, "worse", seed, less, result=result(task, "worse", seed, less, guard=event))
        write(folder / "run" / "embedding.json", PLANE)
    cell(root, task, "knn", 0, 0.85, kind="baseline", result={"metrics": {"test": {"accuracy": 0.85}}, "seconds": 0.1})
    cell(root, task, "broken", 0, None, status="failed", error={"type": "ValueError", "message": "no\nsuch <thing>"})
    return root
