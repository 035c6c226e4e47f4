"""The leaderboard of a task: runs gathered by loss, best first."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from losszoo.comparison.cell import named
from losszoo.comparison.statistics import Difference, Scores, deviation, mean, mean_ranks, place, to_the_best
from losszoo.errors import UsageError
from losszoo.registry.registry import installed
from losszoo.reporting.find_runs import RunsInFolder
from losszoo.reporting.load_runs import DONE, Run
from losszoo.reporting.read_json import whole
from losszoo.tasks.metric_choice import less_is_better, same_metric

# Differ between any two runs, and decide nothing about a loss.
_NOT_A_SETTING = ("seed", "format", "threads", "losszoo", "torch", "code", "loss", "task", "world", "device")
_MOST_SETTINGS = 3


@dataclass(frozen=True)
class Entry:
    """A loss on a task, over all its seeds.

    Args:
        label: the text of the loss, with what sets it apart where it was run with several settings.
        slot: its place on the board among the losses, or behind all of them: colour and dash follow from it.
        runs: by seed.
        metric: that decides.
        difference: to the best of those with most seeds, over the seeds of both; None for the best itself.
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
        return mean(self.values(metric or self.metric))

    @property
    def spread(self) -> float | None:
        """The standard deviation over the seeds; None for one alone."""
        return deviation(self.values(self.metric))

    def scores(self, seeds: Iterable[int]) -> Scores:
        """By seed and split, for a pair must share the data; a baseline stands at every seed."""
        known = [(run, value) for run in self.done if (value := run.test.get(self.metric)) is not None]
        if self.kind == "baseline":
            return Scores({(seed, run.split): value for run, value in known for seed in seeds}, constant=True)
        # A run without a seed has no pair.
        return Scores({(run.folder if run.seed is None else run.seed, run.split): value for run, value in known})

    @property
    def stopped(self) -> int:
        """Runs that have a result, and that the guard or the user ended."""
        return sum(run.stopped for run in self.done)

    @property
    def nonfinite(self) -> int:
        """Non-finite steps of all runs."""
        return sum(whole(run.guard.get("nonfinite")) for run in self.runs)

    @property
    def seconds(self) -> float | None:
        """Of a run, on average."""
        return mean([run.seconds for run in self.done if run.seconds is not None])

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

    @property
    def sources(self) -> list[str]:
        """Of the published results, in the order of their numbers."""
        return list(dict.fromkeys(source for *_, source in self.published))

    @property
    def ranked(self) -> list[Entry | tuple[str, float, float | None, str]]:
        """The losses and the published results, best first."""

        def value_of(row: Entry | tuple[str, float, float | None, str]) -> float:
            return place(row.mean() if isinstance(row, Entry) else row[1], self.direction)

        return sorted([*self.entries, *self.published], key=value_of)


def boards(folder: RunsInFolder, metric: str | None = None) -> list[Board]:
    """A board for each task, in the order of their names; data of one's own are another task where they differ.

    Args:
        folder: with the runs.
        metric: that decides; None: the one that has decided the runs of a task, else that of the task.

    Raises:
        UsageError: no run of a task has it.
    """
    tasks: dict[str, dict[str, list[Run]]] = {}
    for run in folder.runs:
        tasks.setdefault(run.task, {}).setdefault(json.dumps(run.data, sort_keys=True), []).append(run)
    named = {name: runs for task, alike in tasks.items() for name, runs in _data_apart(task, list(alike.values()))}
    return [_board(task, runs, folder, metric) for task, runs in sorted(named.items())]


def _data_apart(task: str, groups: Sequence[list[Run]]) -> Iterator[tuple[str, list[Run]]]:
    """Runs on different data of one name, each with a name that says what differs."""
    if len(groups) == 1:
        yield task, groups[0]
        return
    data = [runs[0].data for runs in groups]
    names = dict.fromkeys(name for one in data for name in one)
    differ = [name for name in names if len({json.dumps(one.get(name), sort_keys=True) for one in data}) > 1]
    # The checksum says nothing to a person: only where nothing else differs.
    telling = [name for name in differ if name != "sha256"] or differ
    for one, runs in zip(data, groups, strict=True):
        said = ", ".join(f"{name} {str(one[name])[-60:]}" for name in telling if one.get(name))
        yield f"{task} ({said or 'installed'})", runs


def _board(task: str, runs: list[Run], folder: RunsInFolder, asked: str | None) -> Board:
    spec = None if runs[0].data else installed().tasks.get(runs[0].task)
    names = list(dict.fromkeys(name for run in runs for name in run.test))
    own = spec.metric if spec else next(iter(names), "metric")
    metric = _decided(runs, own) if asked is None else same_metric(asked, names)
    if metric is None:
        raise UsageError(
            f"metric must be one that the runs on {task} have, {', '.join(names) or 'none'}, got {asked!r}; run them "
            f"with --metric {asked}"
        )
    less = spec.direction == "min" if spec and metric == spec.metric else less_is_better(metric)
    direction = "min" if less else "max"
    entries = [Entry(label, 0, tuple(own), metric) for label, own in _gathered(runs, folder).items()]
    return Board(
        task,
        spec.summary if spec else "",
        metric,
        direction,
        (metric, *(name for name in names if name != metric)),
        _compared(entries, direction),
        spec.published if spec and metric == spec.metric else (),
    )


def _decided(runs: Sequence[Run], own: str) -> str:
    """The metric by which all runs have chosen their best epoch; that of the task where they differ."""
    chosen = {str(asked[0]) if (asked := _listed(run.config.get("metric"))) else own for run in runs}
    return chosen.pop() if len(chosen) == 1 else own


def _listed(value: Any) -> Sequence[Any]:
    """A list as a file holds it; nothing where it holds something else."""
    return value if isinstance(value, list) else ()


def ranks_of(boards: Sequence[Board]) -> dict[str, float]:
    """The mean rank over several tasks, of the labels that have a number on all of them."""
    means = [{entry.label: value for entry in board.entries if (value := entry.mean()) is not None} for board in boards]
    return mean_ranks([(known, board.direction) for known, board in zip(means, boards, strict=True)])


def _compared(entries: Sequence[Entry], direction: str) -> tuple[Entry, ...]:
    """Best first, each with its slot and its difference to the best of those that are shown."""
    ordered = sorted(entries, key=lambda entry: (place(entry.mean(), direction), entry.label))
    # Baselines have no curves: the colours that are easiest to tell apart go to the losses.
    slots = {entry.label: slot for slot, entry in enumerate(sorted(ordered, key=lambda e: e.kind == "baseline"))}
    seeds = {run.seed for entry in entries if entry.kind == "loss" for run in entry.runs if run.seed is not None}
    differences = to_the_best({entry.label: entry.scores(seeds or {0}) for entry in ordered}, direction)
    return tuple(replace(e, slot=slots[e.label], difference=differences.get(e.label)) for e in ordered)


def _gathered(runs: Sequence[Run], folder: RunsInFolder) -> dict[str, list[Run]]:
    """Runs by label; of a seed that was run twice with the same settings, the later one counts."""
    alike: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        alike.setdefault((run.kind, run.loss), []).append(run)
    labelled: dict[str, dict[int | Path | None, Run]] = {}
    for (kind, loss), own in alike.items():
        for run, settings in zip(own, _told_apart(own), strict=True):
            label = " ".join(filter(None, (named(loss, kind), settings)))
            by_seed = labelled.setdefault(label, {})
            seed = run.folder if run.seed is None else run.seed
            if seed in by_seed:
                name = by_seed[seed].folder
                folder.notes.append(f"{name.name}: left out, {label} with seed {seed} was run again later")
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
