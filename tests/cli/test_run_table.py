"""What a run prints: its epochs, its result among the published ones, and what its guard saw."""

from __future__ import annotations

import dataclasses
import io
import re
import sys
from typing import Any

import pytest
from rich.console import Console

from losszoo import RunResult
from losszoo.cli.commands.run_command import hooks
from losszoo.cli.progress_bar import progress_bar
from losszoo.cli.shared_options import counted
from losszoo.cli.tables.result_table import show
from losszoo.registry.registry import installed


def result(accuracy: float, first: dict[str, Any] | None = None) -> RunResult:
    guard = {"nonfinite": 3 if first else 0, "skipped": 2, "rollbacks": 0, "clipped": 1, "first": first}
    metrics = {part: {"accuracy": accuracy} for part in ("train", "val", "test")}
    numbers = {"seed": 0, "epochs": 1, "steps": 20, "seconds": 1.0}
    texts = {"loss": "mine", "task": "abalone", "status": "stopped-early", "run_dir": "r" * 200}
    return RunResult(**texts, **numbers, metrics=metrics, guard=guard, stop_reason="no better accuracy")


def shown(run: RunResult, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    show(run, installed().task("abalone"), console)
    lines: list[str] = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert all(line == line.rstrip() for line in lines)
    return lines


def test_a_pipe_gets_whole_lines_and_a_short_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    long = dataclasses.replace(result(0.5), loss="bce + " * 50 + "bce")
    lines = shown(long)
    assert sum(f"{long.loss[:77]}... (this run)" in line for line in lines) == 1
    sources = {source for *_, source in installed().task("abalone").published}
    assert all(any(line.endswith(source) for line in lines) for source in sources)


def test_a_stopped_run_says_what_is_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    first = {"step": 7, "where": "loss", "op": None, "source": None, "bundle": "my runs/bundles/7.pt"}
    stopped = dataclasses.replace(result(0.5, first), status="stopped-by-guard")
    console = Console(file=io.StringIO())
    show(stopped, installed().task("abalone"), console, {"nca-ratio": "nca-stable"})
    assert console.file.getvalue().splitlines()[-3:] == [  # type: ignore[attr-defined]
        "next: nca-stable is the stable form of nca-ratio",
        "to repeat the failed step, and see why it failed:",
        "losszoo replay 'my runs/bundles/7.pt'",
    ]


def test_the_metric_that_decides_stands_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    both = {part: {"accuracy": 0.9, "average_precision": 0.8} for part in ("train", "val", "test")}
    console = Console(file=io.StringIO(), width=80)
    task = dataclasses.replace(installed().task("digits-rare"), metric="average_precision", published=())
    show(dataclasses.replace(result(0.9), metrics=both), task, console)
    assert re.search("average precision +accuracy", console.file.getvalue())  # type: ignore[attr-defined]


@pytest.mark.parametrize(("accuracy", "rank"), [(0.999, 0), (0.0, -1), (float("nan"), -1)])
def test_a_result_stands_among_the_published_ones(accuracy: float, rank: int) -> None:
    lines = shown(result(accuracy))
    start = lines.index(next(line for line in lines if line.startswith("test accuracy beside published results")))
    table = lines[start + 1 : start + 2 + len(installed().task("abalone").published)]
    assert table[rank].split() == ["mine", "(this", "run)", f"{accuracy:.4f}"]
    values = [float(re.findall(r"0\.\d{4}", line)[0]) for line in table if "[" in line]
    assert values == sorted(values, reverse=True)
    assert lines[0] == "mine on abalone, seed 0: stopped-early after 1 epoch, 20 steps, 1.0 s"
    assert lines[-2:] == ["guard: no non-finite step, 1 clipped", f"run folder: {'r' * 200}"]


def test_a_result_says_what_its_guard_saw() -> None:
    lines = shown(
        result(0.5, {"step": 7, "epoch": 0, "where": "loss", "op": "log", "source": "x.py:3", "bundle": ""}),
        200,
    )
    counts = "3 non-finite steps (2 skipped, 0 rolled back), 1 clipped"
    assert lines[-2] == f"guard: {counts}; the first in step 7: loss, log at x.py:3"


def test_a_terminal_sees_the_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    stream.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", stream)
    with progress_bar("[mine] on it", 2, "loading torch") as update:
        hooks(update)["on_stage"]("reading the data")
        hooks(update)["on_epoch"]({"epoch": 0, "epochs": 2, "loss": 1.5, "val": {"accuracy": 0.25}, "bad_steps": 3})
    assert all(
        word in stream.getvalue()
        for word in ("[mine] on it", "loading torch", "1/2", "loss 1.5000", "val accuracy 0.2500", "bad steps 3")
    )


def test_a_narrow_terminal_sees_fewer_things_and_all_of_them_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    stream.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("COLUMNS", "80")
    values = {"average_precision": 0.4015, "accuracy": 0.9688}
    with progress_bar("focal on churn", 5, "loading torch") as update:
        hooks(update)["on_epoch"]({"epoch": 1, "epochs": 5, "loss": 0.1551, "val": values, "bad_steps": 0})
    said = stream.getvalue()
    assert all(word in said for word in ("focal on churn", "2/5", "val average_precision 0.4015  loss", "0:00:0"))
    assert "\u2026" not in said


@pytest.mark.parametrize(
    ("count", "noun", "said"), [(1, "loss", "1 loss"), (2, "loss", "2 losses"), (0, "task", "0 tasks")]
)
def test_counted(count: int, noun: str, said: str) -> None:
    assert counted(count, noun) == said
