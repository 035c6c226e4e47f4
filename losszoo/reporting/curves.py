"""Curves over epochs and steps, as plotly takes them; colours are the page's."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from losszoo.common.html import in_plot
from losszoo.reporting.downsample import chosen, every, rounded
from losszoo.reporting.leaderboard_data import Board, Entry
from losszoo.reporting.load_runs import Run
from losszoo.reporting.read_json import mapping, number, whole

Trace = dict[str, Any]
Curve = Sequence[tuple[int, float]]
# A training loss over more than this is drawn on a logarithmic axis.
_WIDE = 50.0
_FEW_POWERS = 3
# plotly repeats the name beside its hover text, unless it is given something else to say there.
_END = "<extra></extra>"
_BY_SEED = "The line is the mean over the seeds, the band one standard deviation either way."


@dataclass(frozen=True)
class Figure:
    """A plot.

    Args:
        identity: unique on the page.
        group: the legend that rules it.
        title: heading.
        caption: what is drawn, in a sentence; HTML.
        traces: each with ``meta``: key (of the legend), slot (of the colour), role, and view where it shows in one.
        layout: axes.
        kind: its form on the page: "wide", "half" or "square".
    """

    identity: str
    group: str
    title: str
    caption: str
    traces: list[Trace]
    layout: dict[str, Any]
    kind: str = "half"


def meta(entry: Entry, role: str, view: str | None = None) -> dict[str, Any]:
    """What the page's script needs to colour a trace, and to hide it."""
    return {"key": entry.slot, "slot": entry.slot, "role": role, "view": view}


def axis(title: str, **more: Any) -> dict[str, Any]:
    """An axis with its name and unit."""
    return {"title": {"text": in_plot(title)}, **more}


def curves(board: Board, group: str, points: int) -> list[Figure]:
    """Training loss, validation metric, and gradient norms; those for which there is nothing are left out.

    Args:
        board: of a task.
        group: of the figures.
        points: of a curve, at most.
    """
    figures = (of(board, group, points) for of in (_loss_figure, _metric_figure, _norm_figure))
    return [figure for figure in figures if figure.traces]


def _loss_figure(board: Board, group: str, points: int) -> Figure:
    traces = _over_epochs(board, lambda line: line.get("loss"), points)
    caption = f"Mean over the steps of each epoch; the scales of two losses need not be comparable. {_BY_SEED}"
    layout = {"xaxis": axis("epoch"), "yaxis": axis("training loss", **_scale(traces))}
    return Figure(f"{group}-loss", group, "Training loss", caption, traces, layout)


def _metric_figure(board: Board, group: str, points: int) -> Figure:
    traces = _over_epochs(board, lambda line: mapping(line.get("val")).get(board.metric), points)
    name = board.metric.replace("_", " ")
    layout = {"xaxis": axis("epoch"), "yaxis": axis(f"validation {name}")}
    return Figure(f"{group}-metric", group, f"Validation {name}", f"After every epoch. {_BY_SEED}", traces, layout)


def _norm_figure(board: Board, group: str, points: int) -> Figure:
    traces = [trace for entry in board.entries for trace in _norms(entry, points)]
    caption = (
        "Before clipping, step by step; one seed of each loss, or all under <i>single seeds</i>. "
        "A triangle marks a clipped step, a cross one that was not taken: its loss or gradient was not finite."
    )
    across, up = axis("step", zeroline=False), axis("gradient norm (L2)", **log_axis(_drawn(traces)))
    return Figure(f"{group}-norms", group, "Gradient norm", caption, traces, {"xaxis": across, "yaxis": up}, "wide")


def log_axis(values: Sequence[float]) -> dict[str, Any]:
    """Of a logarithmic axis; over a few powers of ten it is labelled at 1, 2 and 5 of each."""
    few = bool(values) and max(values) < 10**_FEW_POWERS * min(values)
    return {"type": "log", **({"dtick": "D2"} if few else {})}


def _drawn(traces: Sequence[Trace]) -> list[float]:
    return [y for trace in traces if trace["meta"]["role"] == "line" for y in trace["y"] if y is not None]


def _scale(traces: Sequence[Trace]) -> dict[str, Any]:
    values = _drawn(traces)
    wide = bool(values) and min(values) > 0 and max(values) > _WIDE * min(values)
    return log_axis(values) if wide else {}


def _over_epochs(board: Board, of: Callable[[Mapping[str, Any]], Any], points: int) -> list[Trace]:
    traces: list[Trace] = []
    for entry in board.entries:
        seeds = [(run, curve) for run in entry.runs if (curve := _curve(run, of))]
        if seeds:
            traces += _mean_and_band(entry, [curve for _, curve in seeds], points)
            traces += [_line(entry, curve, points, "seeds", _seed_name(entry, run)) for run, curve in seeds]
    return traces


def _curve(run: Run, of: Callable[[Mapping[str, Any]], Any]) -> Curve:
    told = ((whole(line.get("epoch"), i), number(of(line))) for i, line in enumerate(run.history))
    return [(epoch, value) for epoch, value in told if value is not None]


def _seed_name(entry: Entry, run: Run) -> str:
    return entry.label if run.seed is None else f"{entry.label}, seed {run.seed}"


def _mean_and_band(entry: Entry, seeds: Sequence[Curve], points: int) -> Iterator[Trace]:
    """Over the seeds that still run in an epoch."""
    at: dict[int, list[float]] = {}
    for curve in seeds:
        for epoch, value in curve:
            at.setdefault(epoch, []).append(value)
    epochs = sorted(at)
    means = [statistics.fmean(at[epoch]) for epoch in epochs]
    kept = chosen(means, points)
    if len(seeds) > 1:
        widths = {i: statistics.stdev(own) if len(own := at[epochs[i]]) > 1 else 0.0 for i in kept}
        lower, upper = (
            [(epochs[i], _lowest(at[epochs[i]], means[i] - widths[i])) for i in kept],
            [(epochs[i], means[i] + widths[i]) for i in reversed(kept)],
        )
        yield {**_points([*lower, *upper]), "mode": "lines", "hoverinfo": "skip", "meta": meta(entry, "band", "mean")}
    yield _line(entry, [(epochs[i], means[i]) for i in kept], points, "mean", entry.label)


def _lowest(values: Sequence[float], low: float) -> float:
    """A band around positive values stays positive, so that a logarithmic axis can show it."""
    return max(low, min(values)) if min(values) > 0 >= low else low


def _points(pairs: Sequence[tuple[int, float | None]]) -> Trace:
    return {"type": "scatter", "x": [x for x, _ in pairs], "y": [rounded(y) for _, y in pairs]}


def _line(entry: Entry, curve: Curve, points: int, view: str | None, name: str, unit: str = "epoch") -> Trace:
    kept = [curve[i] for i in chosen([value for _, value in curve], points)]
    return {
        **_points(kept),
        "mode": "lines" if len(kept) > 1 else "markers",
        "name": in_plot(name),
        "hovertemplate": f"%{{fullData.name}}<br>{unit} %{{x}}: %{{y:.4g}}{_END}",
        "meta": meta(entry, "line", view),
    }


def _norms(entry: Entry, points: int) -> Iterator[Trace]:
    """The first seed in the one view, all of them in the other."""
    with_steps = [run for run in entry.runs if run.steps is not None]
    for i, run in enumerate(with_steps):
        yield from _norm_of(entry, run, points, None if i == 0 else "seeds")


def _norm_of(entry: Entry, run: Run, points: int, view: str | None) -> Iterator[Trace]:
    """The curve, and the marks on it."""
    steps = run.steps
    if steps is None:
        return
    name = _seed_name(entry, run)
    curve = [(step, norm) for step, norm in zip(steps.number, steps.norm, strict=True) if norm is not None and norm > 0]
    yield _line(entry, curve, points, view, name, "step")
    held = _held(steps.norm)
    for role, flags, said in (("clipped", steps.clipped, "clipped"), ("bad", steps.bad, "not finite, not taken")):
        places = [i for i, flag in enumerate(flags) if flag]
        kept = every(places, points // 2)
        if kept:
            of_all = f" ({len(places)} such steps, {len(kept)} shown)" if len(kept) < len(places) else ""
            yield {
                **_points([(steps.number[i], held[i]) for i in kept]),
                "mode": "markers",
                "name": in_plot(name),
                "customdata": [steps.epoch[i] for i in kept],
                "hovertemplate": f"%{{fullData.name}}<br>step %{{x}}, epoch %{{customdata}}: {said}{of_all}{_END}",
                "meta": meta(entry, role, view),
            }


def _held(norms: Sequence[float | None]) -> list[float]:
    """A norm that is not finite has no place on the axis: its mark stands where the curve was before, or begins."""
    held = next((norm for norm in norms if norm is not None and norm > 0), 1.0)
    places = []
    for norm in norms:
        held = norm if norm is not None and norm > 0 else held
        places.append(held)
    return places
