"""Time and memory over size as a picture: a row of two panels for each loss, a line for each side."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from losszoo.bench.bench_result import Cell, Report, Row
from losszoo.bench.contender import ZOO
from losszoo.bench.workload import Size, axis_of
from losszoo.common.files import write_atomically
from losszoo.common.html import template
from losszoo.common.text import human_bytes, human_count, human_seconds
from losszoo.errors import UsageError

# Distinct to the colour-blind; the zoo's own is the dark one.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f")
_OWN = "#111111"
_STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.8,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "legend.frameon": False,
    # A "$" in a name is shown as a "$".
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "losszoo",
}
_LOST = {"memory": "out of memory", "killed": "killed", "timeout": "timeout", "raised": "raised"}


@dataclass(frozen=True)
class _Panel:
    """What one of the two panels of a loss shows."""

    title: str
    field: str
    unit: Any


@dataclass(frozen=True)
class _Name:
    """What is written where a line ends."""

    size: int
    height: float
    text: str
    colour: str


_PANELS = (_Panel("time", "seconds", human_seconds), _Panel("peak memory", "extra_bytes", human_bytes))
# Of text, in points.
_LINE = 11.0


def check_plotting() -> None:
    """matplotlib is there.

    Raises:
        UsageError: it is not.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise UsageError("matplotlib is not installed: pip install 'losszoo[bench]'") from None


def draw(report: Report, path: str, command: str, machine: str) -> None:
    """Write the picture.

    Args:
        report: what was measured.
        path: a file that ends in .html, .png or .svg.
        command: how it can be measured again.
        machine: what it was measured on.

    Raises:
        UsageError: the file cannot be written; nothing of it is left behind.
    """
    kind = Path(path).suffix[1:]
    content = _picture(report, kind, machine) if kind != "html" else _on_a_page(report, command, machine).encode()
    try:
        write_atomically(Path(path), content)
    except OSError as error:
        raise UsageError(
            f"plot must be a file that can be written, got {path} ({error.strerror or error}); choose another"
        ) from error


def _on_a_page(report: Report, command: str, machine: str) -> str:
    svg = _picture(report, "svg", "").decode()
    svg = svg[svg.index("<svg") :]
    title = f"losszoo bench: {', '.join(dict.fromkeys(row.loss for row in report.rows))}"
    page = template(__name__.rpartition(".")[0], "plot.html.jinja")
    return page.render(picture=svg, title=title, command=command, machine=machine)


def _picture(report: Report, kind: str, footer: str) -> bytes:
    import matplotlib
    from matplotlib.figure import Figure

    losses = list(dict.fromkeys((row.loss, row.dim) for row in report.rows))
    colours = _colours(report.rows)
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(10, 3.6 * len(losses) + 0.5), layout="constrained")
        grid = figure.subplots(len(losses), 2, squeeze=False)
        names: list[tuple[Any, list[_Name]]] = []
        for (loss, dim), axes in zip(losses, grid, strict=True):
            rows = [row for row in report.rows if (row.loss, row.dim) == (loss, dim)]
            for panel, axis in zip(_PANELS, axes, strict=True):
                axis.set_title(f"{loss}{'' if dim is None else f', D = {dim}'}: {panel.title}", wrap=True)
                names.append((axis, _fill(axis, rows, panel, colours)))
        if footer:
            figure.supxlabel(footer, fontsize=8, color="#777777", wrap=True)
        figure.draw_without_rendering()  # where a name stands in points is known once all has its place
        for axis, found in names:
            _write_names(axis, found)
        written = io.BytesIO()
        figure.savefig(written, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)
    return written.getvalue()


def _colours(rows: Sequence[Row]) -> dict[str, str]:
    """The same colour for a peer in every panel."""
    peers = dict.fromkeys(row.peer.name for row in rows if row.peer is not None)
    return {ZOO: _OWN} | {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(peers)}


def _fill(axis: Any, rows: Sequence[Row], panel: _Panel, colours: dict[str, str]) -> list[_Name]:
    """A line for each side; gives their names with the places where they end."""
    names = []
    for name, colour in reversed(colours.items()):  # the zoo's line lies on top
        found = {row.first * (row.second or 1): cell for row, cell in _cells(rows, name)}
        known = {size: getattr(cell, panel.field) for size, cell in found.items()}
        points = [(size, max(cost, 1e-9)) for size, cost in sorted(known.items()) if cost is not None]
        if points:
            width = 2.4 if name == ZOO else 1.6
            axis.plot(*zip(*points, strict=True), marker="o", markersize=4.5, color=colour, linewidth=width)
            names.append(_end_of(axis, points[-1], name, found, colour))
    sizes = [Size(row.first, row.second) for row in rows]
    axis.set_xlabel(axis_of(rows[0].signature, sizes))
    _scale(axis, sorted({size.total for size in sizes}), panel)
    return names


def _cells(rows: Sequence[Row], name: str) -> Iterator[tuple[Row, Cell]]:
    for row in rows:
        for cell in (row.zoo, row.peer):
            if cell is not None and cell.name == name:
                yield row, cell


def _end_of(axis: Any, last: tuple[int, float], name: str, found: dict[int, Cell], colour: str) -> _Name:
    """The end of a line; a side that failed ends in a cross at the first size that it did not reach."""
    label = re.sub(r"^.*[/\\](?=[^/\\]+\.py:)", "", name)  # of a target the file and the function
    lost = sorted(size for size, cell in found.items() if cell.status in _LOST and size > last[0])
    if not lost:
        return _Name(*last, label, colour)
    axis.plot([last[0], lost[0]], [last[1]] * 2, color=colour, linestyle=":", linewidth=1.2)
    axis.plot([lost[0]], [last[1]], marker="x", markersize=8, markeredgewidth=2, color=colour)
    return _Name(lost[0], last[1], f"{label}: {_LOST[found[lost[0]].status]}", colour)


def _write_names(axis: Any, names: list[_Name]) -> None:
    """Beside the ends of the lines, where the eye is, instead of a legend; pushed apart where they would overlap."""
    free = -1e9
    for name in sorted(names, key=lambda one: (one.height, one.text)):
        pixels = axis.transData.transform((name.size, name.height))[1]
        points = pixels * 72 / axis.figure.dpi
        place = max(points, free)
        free = place + _LINE
        axis.annotate(
            name.text,
            (name.size, name.height),
            xytext=(8, place - points),
            textcoords="offset points",
            va="center",
            color=name.colour,
            fontsize=9,
            fontweight="bold" if name.colour == _OWN else "normal",
            annotation_clip=False,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.85},
        )


def _scale(axis: Any, sizes: list[int], panel: _Panel) -> None:
    """Log axes with the measured sizes below, and room at the right for names."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xticks(sizes, [human_count(size) for size in sizes])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_major_locator(LogLocator(numticks=8))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda cost, _: panel.unit(cost)))
    axis.yaxis.set_minor_locator(NullLocator())
    spread = max(sizes[-1] / sizes[0], 4.0)
    axis.set_xlim(sizes[0] / spread**0.06, sizes[-1] * spread**0.3)
    low, high = axis.get_ylim()
    axis.set_ylim(low / 1.3, max(high * 1.3, low * 20))
