"""Dots: embeddings in the plane, and what quality costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from losszoo.common.html import in_plot
from losszoo.reporting.curves import Figure, Trace, axis, log_axis, meta
from losszoo.reporting.downsample import rounded
from losszoo.reporting.leaderboard_data import Board, Entry
from losszoo.reporting.load_runs import Plane

# A page of more pictures than this is scrolled past.
MOST_PLANES = 24
_SLOW = 20.0
_BARE = {"showticklabels": False, "zeroline": False, "ticks": ""}


def cost(board: Board, group: str) -> list[Figure]:
    """Seconds of a run against the test metric; a dot for each loss, or for each seed."""
    traces = [trace for entry in board.entries for trace in _costs(entry)]
    if not traces:
        return []
    spent = [x for trace in traces for x in trace["x"]]
    wide = min(spent) > 0 and max(spent) > _SLOW * min(spent)
    across = log_axis(spent) if wide else {"rangemode": "tozero"}
    name = board.metric.replace("_", " ")
    better = "up" if board.direction == "max" else "down"
    return [
        Figure(
            f"{group}-cost",
            group,
            "Cost against quality",
            f"Better is {better} and to the left. Bars are one standard deviation over the seeds; "
            "a diamond is a baseline.",
            traces,
            {
                "xaxis": axis("seconds a run", **across),
                "yaxis": axis(f"test {name}"),
            },
            "wide",
        )
    ]


def _costs(entry: Entry) -> Iterator[Trace]:
    """The mean in one view, single seeds in the other."""
    seeds = [(run, run.test.get(entry.metric)) for run in entry.done if run.seconds is not None]
    known = [(run.seconds, value, run.seed) for run, value in seeds if value is not None]
    mean, seconds = entry.mean(), entry.seconds
    if not known or mean is None or seconds is None:
        return
    shape = "diamond" if entry.kind == "baseline" else "circle"
    common = {"type": "scatter", "mode": "markers", "name": in_plot(entry.label)}
    yield {
        **common,
        "x": [rounded(seconds)],
        "y": [rounded(mean)],
        "error_y": {"type": "data", "array": [rounded(entry.spread or 0.0)], "thickness": 1.5, "width": 4},
        "marker": {"symbol": shape, "size": 11},
        "hovertemplate": "%{fullData.name}<br>%{y:.4f} in %{x:.3g} s<extra></extra>",
        "meta": meta(entry, "dot", "mean"),
    }
    yield {
        **common,
        "x": [rounded(x) for x, _, _ in known],
        "y": [rounded(y) for _, y, _ in known],
        "customdata": [seed for *_, seed in known],
        "marker": {"symbol": shape, "size": 8},
        "hovertemplate": "%{fullData.name}, seed %{customdata}<br>%{y:.4f} in %{x:.3g} s<extra></extra>",
        "meta": meta(entry, "dot", "seeds"),
    }


def classes_of(board: Board) -> list[str]:
    """The classes of the embeddings of a task, in the order of their labels; empty for a regression."""
    named: list[Sequence[str]] = [run.plane.classes for entry in board.entries for run in entry.runs if run.plane]
    longest: Sequence[str] = max(named, key=len) if named else ()
    return list(longest)


def planes(board: Board, group: str) -> list[Figure]:
    """The embedding of each loss that has one, of its first seed."""
    found = [(entry, run) for entry in board.entries for run in [next((r for r in entry.runs if r.plane), None)] if run]
    return [
        Figure(
            f"{group}-{entry.slot}",
            group,
            entry.label,
            "" if run.seed is None else f"seed {run.seed}, {len(run.plane.x)} test rows",
            list(_dots(run.plane)),
            {
                "xaxis": axis("first component", **_BARE),
                # A unit is as long on one axis as on the other: distances are what an embedding is about.
                "yaxis": axis("second component", scaleanchor="x", scaleratio=1, **_BARE),
                "margin": {"l": 28, "b": 28},
            },
            "square",
        )
        for entry, run in found[:MOST_PLANES]
        if run.plane
    ]


def _dots(plane: Plane) -> Iterator[Trace]:
    common: dict[str, Any] = {"type": "scatter", "mode": "markers"}
    if not plane.classes:
        yield {
            **common,
            "x": plane.x,
            "y": plane.y,
            "marker": {"color": plane.targets, "colorscale": "Cividis", "showscale": True, "size": 5},
            "hovertemplate": "target %{marker.color:.4g}<extra></extra>",
            "meta": {"role": "number"},
        }
        return
    for label in sorted(set(plane.targets)):
        rows = [i for i, target in enumerate(plane.targets) if target == label]
        key = int(label)
        yield {
            **common,
            "x": _at(plane.x, rows),
            "y": _at(plane.y, rows),
            "name": in_plot(plane.classes[key] if 0 <= key < len(plane.classes) else f"class {key}"),
            "marker": {"size": 5},
            "hovertemplate": "%{fullData.name}<extra></extra>",
            "meta": {"key": key, "slot": key, "role": "class"},
        }


def _at(values: Sequence[float], rows: Sequence[int]) -> list[float]:
    return [values[i] for i in rows]
