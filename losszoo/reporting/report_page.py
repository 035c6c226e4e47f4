"""The report as one HTML file that needs nothing else: no network, no other file."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path

from losszoo._version import __version__
from losszoo.common.html import in_html, in_script, sha256
from losszoo.common.text import counted
from losszoo.reporting.curves import Figure, curves
from losszoo.reporting.find_runs import Found
from losszoo.reporting.leaderboard_data import Board, Entry, ranks_of
from losszoo.reporting.leaderboard_html import leaderboard
from losszoo.reporting.load_runs import DONE
from losszoo.reporting.nonfinite_events import diagnoses, events, without_result
from losszoo.reporting.replay_bundles import Told
from losszoo.reporting.scatter import classes_of, cost, planes

# All curves together have about so many points, whatever the number of runs; a curve has at most and at least these.
_POINTS = 60_000
_MOST_POINTS, _FEWEST_POINTS = 800, 60
# More lines than these are a thicket: the others are there at a click.
_SHOWN = 10
_MOST_NOTES = 40
# As the plots draw them.
_MARKS = {
    "line": '<path d="M0 5H22"/>',
    "dot": '<circle cx="5" cy="5" r="4.5"/>',
    "diamond": '<path d="M5 0L10 5L5 10L0 5Z"/>',
}


def page(found: Found, boards: Sequence[Board], told: Mapping[Path, Told], title: str) -> str:
    """The whole page.

    Args:
        found: what lies in the folder.
        boards: of its tasks.
        told: by the doctor, for each bundle that was replayed.
        title: of the page.
    """
    style = _asset("losszoo.doctor.report", "page.css") + _asset("losszoo.reporting", "page.css")
    script, library = _asset("losszoo.reporting", "page.js"), _library()
    points = max(_FEWEST_POINTS, min(_MOST_POINTS, _POINTS // len(found.runs)))
    figures: list[Figure] = []
    sections = "".join(_section(board, f"task-{i}", points, told, figures.append) for i, board in enumerate(boards, 1))
    data = {
        figure.identity: {"group": figure.group, "data": figure.traces, "layout": figure.layout} for figure in figures
    }
    # plotly adds its own rules to a style element that it makes empty: the second hash. Its pictures are data.
    policy = (
        f"default-src 'none'; style-src {sha256(style)} {sha256('')}; script-src {sha256(library)} {sha256(script)}; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{in_html(title)}: losszoo report</title>\n<style>{style}</style>\n</head>\n<body>\n"
        f'<p class="from">losszoo report</p>\n<h1>{in_html(title)}</h1>\n{_facts(found, boards)}{_contents(boards)}'
        f"{_ranks(boards)}<main>\n{sections}</main>\n{_notes(found.notes)}{_footer(found)}"
        f'<script type="application/json" id="figures">{in_script(data)}</script>\n'
        f"<script>{library}</script>\n<script>{script}</script>\n</body>\n</html>\n"
    )


@cache
def _asset(package: str, name: str) -> str:
    return files(package).joinpath(name).read_text("utf-8")


@cache
def _library() -> str:
    """plotly.js, in which nothing may end the script element."""
    from plotly.offline import get_plotlyjs

    library: str = get_plotlyjs()
    return re.sub(r"<(/script|!--)", r"\\x3c\1", library, flags=re.IGNORECASE)


def _facts(found: Found, boards: Sequence[Board]) -> str:
    losses = len({run.loss for run in found.runs if run.kind == "loss"})
    failed = sum(run.status != DONE for run in found.runs)
    said = [counted(losses, "loss"), counted(len(boards), "task"), counted(len(found.runs), "run")]
    state = f' <span class="chip failed">{failed} without result</span>' if failed else ""
    return f'<p class="facts">{" · ".join(said)}{state}</p>\n'


def _contents(boards: Sequence[Board]) -> str:
    if len(boards) < 2:
        return ""
    links = "".join(f'<li><a href="#task-{i}">{in_html(board.task)}</a></li>' for i, board in enumerate(boards, 1))
    return f'<nav aria-label="tasks"><ul class="contents">{links}</ul></nav>\n'


def _ranks(boards: Sequence[Board]) -> str:
    """The average rank over several tasks."""
    known = ranks_of(boards).items()
    if not known:
        return ""
    items = "".join(f'<li><span class="name-of">{in_html(loss)}</span> <b>{rank:.2f}</b></li>' for loss, rank in known)
    return f'<section class="card"><h2>Average rank over all tasks</h2><ol class="ranks">{items}</ol></section>\n'


def _section(board: Board, group: str, points: int, told: Mapping[Path, Told], add: Callable[[Figure], None]) -> str:
    """All about one task."""
    drawn, dots = [*curves(board, group, points), *cost(board, group)], planes(board, f"{group}-classes")
    for figure in (*drawn, *dots):
        add(figure)
    better = "more is better" if board.direction == "max" else "less is better"
    summary = f"{in_html(board.summary.rstrip('.'))} · " if board.summary else ""
    incidents = events(board)
    return (
        f'<section class="task" id="{group}">\n<h2 class="name-of">{in_html(board.task)}</h2>\n'
        f'<p class="facts">{summary}{in_html(board.metric.replace("_", " "))}, {better}</p>\n'
        f"<h3>Leaderboard</h3>\n{leaderboard(board)}"
        + (f"<h3>Runs without a result</h3>\n{failed}" if (failed := without_result(board)) else "")
        + (f"<h3>Curves</h3>\n{_controls(board, group)}{_grid(drawn)}" if drawn else "")
        + (f"<h3>Non-finite events</h3>\n{incidents}{diagnoses(board, told)}" if incidents else "")
        + (f"<h3>Embeddings</h3>\n{_classes(board, group)}{_grid(dots)}" if dots else "")
        + "</section>\n"
    )


def _controls(board: Board, group: str) -> str:
    """The legend of all plots of a task, and the switch between means and single seeds."""
    by_slot = sorted(board.entries, key=lambda entry: entry.slot)
    later = {entry.slot for entry in [e for e in board.entries if e.kind == "loss"][_SHOWN:]}
    keys = "".join(_key(entry.slot, entry.label, entry.slot not in later, _mark(entry)) for entry in by_slot)
    views = "".join(
        f'<button type="button" data-view="{view}" aria-pressed="{str(view == "mean").lower()}">{said}</button>'
        for view, said in (("mean", "mean and spread"), ("seeds", "single seeds"))
    )
    return (
        f'<div class="controls" data-group="{group}"><ul class="keys">{keys}</ul>'
        f'<div class="switch" role="group" aria-label="curves">{views}</div>'
        '<p class="hint">Click a name to hide or show it in all plots of this task, double-click to see it alone.</p>'
        "</div>\n"
    )


def _classes(board: Board, group: str) -> str:
    names = classes_of(board)
    said = (
        '<p class="hint">Test rows in the plane of the two first principal components of the embedding (PCA); '
        f"{'the colour is the class' if names else 'the colour is the target'}. A unit is as long across as up.</p>"
    )
    keys = "".join(_key(i, name, True, "dot") for i, name in enumerate(names))
    listed = f'<ul class="keys">{keys}</ul>' if keys else ""
    return f'<div class="controls" data-group="{group}-classes">{listed}{said}</div>\n'


def _mark(entry: Entry) -> str:
    return "diamond" if entry.kind == "baseline" else "line"


def _key(slot: int, name: str, shown: bool, kind: str) -> str:
    box = "0 0 22 10" if kind == "line" else "0 0 10 10"
    return (
        f'<li><button type="button" class="key" data-key="{slot}" aria-pressed="{str(shown).lower()}">'
        f'<svg class="swatch {kind} s{slot % 7} d{slot // 7 % 4}" viewBox="{box}" aria-hidden="true">{_MARKS[kind]}'
        f'</svg><span class="name-of">{in_html(name)}</span></button></li>'
    )


def _grid(figures: Sequence[Figure]) -> str:
    return f'<div class="grid">\n{"".join(map(_figure, figures))}</div>\n'


def _figure(figure: Figure) -> str:
    kind = f"name-of {figure.kind}" if figure.kind == "square" else figure.kind
    return (
        f'<figure class="card {figure.kind}"><h4 class="{kind}">{in_html(figure.title)}</h4>'
        f'<div class="plot" id="{figure.identity}" role="img" aria-label="{in_html(figure.title)}"></div>'
        f"<figcaption>{figure.caption}</figcaption></figure>\n"
    )


def _notes(notes: Sequence[str]) -> str:
    if not notes:
        return ""
    items = "".join(f"<li>{in_html(note)}</li>" for note in notes[:_MOST_NOTES])
    more = f"<li>and {len(notes) - _MOST_NOTES} more</li>" if len(notes) > _MOST_NOTES else ""
    heading = "<h2>Files that could not be read, or were left out</h2>"
    return f'<section class="card">{heading}<ul class="notes">{items}{more}</ul></section>\n'


def _footer(found: Found) -> str:
    today = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    versions = f"losszoo {__version__}, Python {platform.python_version()}"
    return f"<footer>{in_html(str(found.root))}; {in_html(versions)}; {today}</footer>\n"
