"""A run as the report sees it, from a cell of a comparison or from a run folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from losszoo.reporting.read_json import Reader, columns, mapping, number, text, whole

# What a run that has ended in order says of itself; of all others the error is told.
DONE = "done"
UNFINISHED = "unfinished"
RUN_FILES = {"config.json", "history.json", "result.json"}


@dataclass(frozen=True)
class Steps:
    """The course of a run step by step; columns of equal length."""

    number: Sequence[int]
    epoch: Sequence[int]
    norm: Sequence[float | None]
    clipped: Sequence[bool]
    bad: Sequence[bool]


@dataclass(frozen=True)
class Plane:
    """An embedding in two dimensions; of a regression, ``classes`` is empty."""

    x: Sequence[float]
    y: Sequence[float]
    targets: Sequence[float]
    classes: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run.

    Args:
        task: its name.
        loss: its text, or the name of a baseline.
        seed: None where it is not known.
        kind: "loss" or "baseline".
        status: "done", "failed", "timeout", "killed", "missing" or "unfinished".
        folder: of the run.
        result: the record of a run that has ended.
        config: everything that decides the result.
        history: a line for each epoch.
        seconds: of training; of the whole cell where that is all that is known.
        peak: megabytes of memory, where it was measured.
        error: why there is no result, in words.
        steps: where they were written.
        plane: where the loss has an embedding.
    """

    task: str
    loss: str
    seed: int | None
    kind: str
    status: str
    folder: Path
    result: Mapping[str, Any]
    config: Mapping[str, Any]
    history: Sequence[Mapping[str, Any]]
    seconds: float | None
    peak: float | None = None
    error: str = ""
    steps: Steps | None = None
    plane: Plane | None = None

    @property
    def test(self) -> dict[str, float | None]:
        """The metrics of the test part."""
        return {name: number(value) for name, value in mapping(mapping(self.result.get("metrics")).get("test")).items()}

    @property
    def guard(self) -> Mapping[str, Any]:
        """What the guard has counted."""
        return mapping(self.result.get("guard"))

    @property
    def split(self) -> int:
        """Of the data; a run folder and a cell name it in different places."""
        options, settings = mapping(self.config.get("task_options")), mapping(self.config.get("set"))
        return whole(options.get("split", settings.get("task.split")))

    @property
    def data(self) -> Mapping[str, Any]:
        """Which data of one's own it was trained on: file, checksum, target; empty for an installed task."""
        return mapping(self.config.get("task_source") or self.config.get("task_identity"))

    @property
    def stopped(self) -> bool:
        """Whether the guard or the user ended it."""
        return self.result.get("status") in ("stopped-by-guard", "interrupted")


def read_cell(folder: Path, reader: Reader) -> Run | None:
    """The run of a cell; None where its record is damaged."""
    cell = reader.json(folder / "cell.json", dict)
    task, loss = text(cell.get("task")), text(cell.get("loss"))
    if not (task and loss):
        if cell:
            reader.note(folder / "cell.json", "damaged: it names no task and loss")
        return None
    kind = "baseline" if cell.get("kind") == "baseline" else "loss"
    result, error = mapping(cell.get("result")), mapping(cell.get("error"))
    status, run = text(cell.get("status")) or UNFINISHED, folder / "run"
    measured = number(result.get("seconds"))
    return Run(
        task=task,
        loss=loss,
        seed=_seed(cell.get("seed")),
        kind=kind,
        status=status,
        folder=run,
        result=result,
        config=mapping(cell.get("config")),
        seconds=number(cell.get("seconds")) if measured is None else measured,
        peak=number(cell.get("peak_memory_mb")),
        error=": ".join(filter(None, (text(error.get("type")), text(error.get("message"))))),
        **(_course(run, reader, status == DONE) if kind == "loss" else {"history": ()}),
    )


def read_run(folder: Path, reader: Reader) -> Run | None:
    """The run of a run folder; None where nothing says what was trained."""
    before = len(reader.notes)
    config = reader.json(folder / "config.json", dict)
    result = reader.json(folder / "result.json", dict)
    task, loss = (text(result.get(name)) or text(config.get(name)) for name in ("task", "loss"))
    if not (task and loss):
        if not (folder / "history.json").is_file() and len(reader.notes) == before:
            return None  # the config.json of another program
        reader.note(folder, "no run: neither config.json nor result.json names a task and a loss")
        return None
    return Run(
        task=task,
        loss=loss,
        seed=_seed(result.get("seed", config.get("seed"))),
        kind="loss",
        status=DONE if result else UNFINISHED,
        folder=folder,
        result=result,
        config=config,
        seconds=number(result.get("seconds")),
        error="" if result else "there is no result: it was killed, or is still running",
        **_course(folder, reader, bool(result)),
    )


def _seed(value: Any) -> int | None:
    return None if number(value) is None else whole(value)


def _course(folder: Path, reader: Reader, ended: bool) -> dict[str, Any]:
    """History, steps and embedding of a run folder, as far as they are there."""
    lines = reader.json(folder / "history.json", list, required=ended)
    return {
        "history": tuple(line for line in lines if isinstance(line, Mapping)),
        "steps": _steps(folder / "steps.json", reader),
        "plane": _plane(folder / "embedding.json", reader),
    }


def _columns(path: Path, reader: Reader, names: Sequence[str]) -> tuple[Mapping[str, Any], list[Sequence[Any]] | None]:
    """A table of a run folder, and its columns where they are whole; an empty table is no fault."""
    table = reader.json(path, dict)
    cells = columns(table, names)
    if cells is None and table and table.get(names[0]) != []:
        reader.note(path, "damaged: its columns differ in length")
    return table, cells


def _steps(path: Path, reader: Reader) -> Steps | None:
    _, cells = _columns(path, reader, ("step", "epoch", "grad_norm", "clipped", "bad"))
    if cells is None:
        return None
    step, epoch, norm, clipped, bad = cells
    return Steps(
        [whole(value) for value in step],
        [whole(value) for value in epoch],
        [number(value) for value in norm],
        [bool(value) for value in clipped],
        [bool(value) for value in bad],
    )


def _plane(path: Path, reader: Reader) -> Plane | None:
    table, cells = _columns(path, reader, ("x", "y", "targets"))
    if cells is None:
        return None
    rows = [row for row in zip(*(map(number, column) for column in cells), strict=True) if None not in row]
    classes = table.get("classes")
    names = [text(name) for name in classes] if isinstance(classes, list) else []
    if not rows:
        return None
    x, y, targets = zip(*rows, strict=True)
    return Plane(x, y, targets, names)
