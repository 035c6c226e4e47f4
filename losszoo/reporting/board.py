"""The leaderboard of a task: runs gathered by loss, best first."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from losszoo.registry.registry import installed
from losszoo.reporting.reading import mapping, number, sequence, text, whole
from losszoo.reporting.runs import DONE, Run
from losszoo.reporting.search import Found

# Of a task that is not installed: the names of errors, of which less is better.
_LESS_IS_BETTER = ("rmse", "mae", "mse", "loss", "error")
# Differ between any two runs, and decide nothing about a loss.
_NOT_A_SETTING = ("seed", "format", "threads", "losszoo", "torch", "code", "loss", "task", "world", "device")
_MOST_SETTINGS = 3


@dataclass(frozen=True)
class Difference:
    """Paired, to the best: its mean over common seeds, and the interval that holds it."""

    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Entry:
    """A loss on a task, over all its seeds.

    Args:
        label: the text of the loss, with what sets it apart where it was run with several settings.
        slot: its place on the board among the losses, or behind all of them: colour and dash follow from it.
        runs: by seed.
        metric: that decides.
        difference: to the best loss, where the comparison tells.
    """

    label: str
    slot: int
    runs: tuple[Run, ...]
    metric: str
    difference: Difference | None = None

    @property
    def kind(self) -> str:
        """ "loss" or "baseline"."""
        return self.runs[0].kind

    @property
    def done(self) -> list[Run]:
        """The runs that have a result."""
        return [run for run in self.runs if run.status == DONE]

    def values(self, metric: str) -> list[float]:
        """Of a metric on the test part, over the seeds that have one."""
        return [value for run in self.done if (value := run.test.get(metric)) is not None]

    def mean(self, metric: str | None = None) -> float | None:
        """Over the seeds."""
        return mean_of(self.values(metric or self.metric))

    @property
    def spread(self) -> float | None:
        """The standard deviation over the seeds; None for one alone."""
        values = self.values(self.metric)
        return statistics.stdev(values) if len(values) > 1 else None

    @property
    def nonfinite(self) -> int:
        """Non-finite steps of all runs."""
        return sum(whole(run.guard.get("nonfinite")) for run in self.runs)

    @property
    def seconds(self) -> float | None:
        """Of a run, on average."""
        return mean_of([run.seconds for run in self.done if run.seconds is not None])

    @property
    def peak(self) -> float | None:
        """Megabytes of the run that took most."""
        return max((run.peak for run in self.done if run.peak is not None), default=None)


@dataclass(frozen=True)
class Board:
    """All losses of a task.

    Args:
        task: its name.
        summary: one line; empty where the task is not installed.
        metric: that decides.
        direction: "max" or "min".
        metrics: all of the test part, the deciding one first.
        entries: best first; those without any result at the end.
        published: results of others, as (method, value, spread or None, source).
    """

    task: str
    summary: str
    metric: str
    direction: str
    metrics: tuple[str, ...]
    entries: tuple[Entry, ...]
    published: tuple[tuple[str, float, float | None, str], ...]


def mean_of(values: Sequence[float]) -> float | None:
    """The mean; None of nothing."""
    return statistics.fmean(values) if values else None


def boards(found: Found) -> list[Board]:
    """A board for each task, in the order of their names."""
    tasks: dict[str, list[Run]] = {}
    for run in found.runs:
        tasks.setdefault(run.task, []).append(run)
    return [_board(task, runs, found) for task, runs in sorted(tasks.items())]


def _board(task: str, runs: list[Run], found: Found) -> Board:
    spec = installed().tasks.get(task)
    names = list(dict.fromkeys(name for run in runs for name in run.test))
    metric = spec.metric if spec else next(iter(names), "metric")
    less = spec.direction == "min" if spec else metric in _LESS_IS_BETTER
    differences = _differences(mapping(found.comparison.get("tables")).get(task))
    entries = [
        Entry(label, 0, tuple(own), metric, differences.get((own[0].kind, own[0].loss)))
        for label, own in _gathered(runs, found).items()
    ]
    return Board(
        task,
        spec.summary if spec else "",
        metric,
        "min" if less else "max",
        (metric, *(name for name in names if name != metric)),
        _in_order(entries, less),
        spec.published if spec else (),
    )


def _in_order(entries: Sequence[Entry], less: bool) -> tuple[Entry, ...]:
    """Best first, each with its slot."""

    def place(entry: Entry) -> tuple[bool, float, str]:
        mean = entry.mean()
        return mean is None, (mean or 0.0) * (1 if less else -1), entry.label

    ordered = sorted(entries, key=place)
    # Baselines have no curves: the colours that are easiest to tell apart go to the losses.
    slots = {entry.label: slot for slot, entry in enumerate(sorted(ordered, key=lambda e: e.kind == "baseline"))}
    return tuple(replace(entry, slot=slots[entry.label]) for entry in ordered)


def _gathered(runs: Sequence[Run], found: Found) -> dict[str, list[Run]]:
    """Runs by label; of a seed that was run twice with the same settings, the later one counts."""
    alike: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        alike.setdefault((run.kind, run.loss), []).append(run)
    labelled: dict[str, dict[int | Path | None, Run]] = {}
    for (kind, loss), own in alike.items():
        for run, settings in zip(own, _told_apart(own), strict=True):
            label = " ".join(filter(None, (loss, "(baseline)" if kind == "baseline" else "", settings)))
            by_seed = labelled.setdefault(label, {})
            seed = run.folder if run.seed is None else run.seed
            if seed in by_seed:
                name = by_seed[seed].folder
                found.notes.append(f"{name.name}: left out, {label} with seed {seed} was run again later")
            by_seed[seed] = run
    return {label: sorted(own.values(), key=lambda run: run.seed or 0) for label, own in labelled.items()}


def _told_apart(runs: Sequence[Run]) -> Iterator[str]:
    """For each run of a loss, the settings in which they differ: ``recipe.lr=0.01``."""
    flat = [dict(_flat(run.config)) for run in runs]
    known = [settings for settings in flat if settings]
    keys = sorted({key for settings in known for key in settings})
    differing = [key for key in keys if len({settings.get(key, "") for settings in known}) > 1]
    for settings in flat:
        told = [f"{key}={settings.get(key, '')}" for key in differing[:_MOST_SETTINGS] if settings]
        yield f"[{', '.join(told)}{', …' if told and len(differing) > _MOST_SETTINGS else ''}]" if told else ""


def _flat(config: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    for key, value in config.items():
        if depth == 0 and key in _NOT_A_SETTING:
            continue
        if isinstance(value, Mapping) and depth < 4:
            yield from _flat(value, f"{prefix}{key}.", depth + 1)
        else:
            yield f"{prefix}{key}", str(value)


def _differences(rows: Any) -> dict[tuple[str, str], Difference]:
    """What the comparison says of each loss and baseline against the best."""
    told = {}
    for row in map(mapping, sequence(rows)):
        given = mapping(row.get("difference"))
        mean, low, high = (number(given.get(name)) for name in ("mean", "low", "high"))
        if mean is not None:
            told[text(row.get("kind")) or "loss", text(row.get("loss"))] = Difference(mean, low, high)
    return told
