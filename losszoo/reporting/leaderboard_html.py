"""The leaderboard of a task: losses, baselines and published results in one order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from losszoo.common.html import in_html
from losszoo.comparison.statistics import Difference, place
from losszoo.reporting.html_table import Column, cell, chip, measured, table
from losszoo.reporting.leaderboard_data import Board, Entry
from losszoo.reporting.leaderboard_strip import Strip

_DIFFERENCE = (
    "mean of the differences to the best of those with most seeds, seed by seed, with the 95 % interval of the paired "
    "t-test; no interval for one pair, equal differences or two baselines"
)


def leaderboard(board: Board) -> str:
    """All losses and baselines, best first, with the published results in their places."""
    compared = any(entry.difference for entry in board.entries)
    strip = Strip.of(board)
    ranked = sorted(
        [
            *((entry.mean(), _own_row(entry, board.metrics[1:], strip, compared)) for entry in board.entries),
            *_published(board, strip, compared),
        ],
        key=lambda row: place(row[0], board.direction),
    )
    return table(_columns(board, compared), [row for _, row in ranked], "leaderboard") + _sources(board)


def _columns(board: Board, compared: bool) -> list[Column]:
    difference = Column("to the best", tip=_DIFFERENCE)
    return [
        Column("loss", numeric=False),
        Column(f"test {_words(board.metric)}", tip="mean over the seeds"),
        Column("±", tip="standard deviation over the seeds"),
        Column("", numeric=False),
        *([difference] if compared else ()),
        *(Column(_words(name), tip="mean over the seeds, test part") for name in board.metrics[1:]),
        Column("n", tip="runs with a result"),
        Column("non-finite", tip="steps with a loss or gradient that is NaN or infinite"),
        Column("seconds", tip="mean over the runs"),
        Column("peak MB", tip="largest peak memory of a run"),
    ]


def _words(name: str) -> str:
    return name.replace("_", " ")


def _own_row(entry: Entry, others: Sequence[str], strip: Strip, compared: bool) -> str:
    dot = '<circle cx="5" cy="5" r="4.5"/>'
    colour = f'<svg class="swatch s{entry.slot % 7}" viewBox="0 0 10 10" aria-hidden="true">{dot}</svg>'
    notes = "".join(
        [
            chip("sick", f"{stopped} stopped") if (stopped := sum(run.stopped for run in entry.done)) else "",
            chip("failed", f"{failed} without result") if (failed := len(entry.runs) - len(entry.done)) else "",
        ]
    )
    cells = [
        cell(f'{colour}<span class="name-of">{in_html(entry.label)}</span> {notes}', entry.label, "who"),
        measured(entry.mean()),
        measured(entry.spread),
        cell(strip.drawn(entry.mean(), entry.spread, f"s{entry.slot % 7}"), None, "strip-of"),
        *([_difference(entry.difference)] if compared else ()),
        *(measured(entry.mean(name)) for name in others),
        measured(len(entry.done), 0),
        measured(entry.nonfinite, 0) if entry.kind == "loss" else cell(""),
        measured(entry.seconds, 1),
        measured(entry.peak, 0),
    ]
    return f'<tr class="{entry.kind}">{"".join(cells)}</tr>\n'


def _difference(difference: Difference | None) -> str:
    if difference is None:
        return cell("")
    mean, low, high = difference.mean, difference.low, difference.high
    known = low is not None and high is not None
    interval = f'<span class="interval">[{low:+.4f}, {high:+.4f}]</span>' if known else ""
    return cell(f"{mean:+.4f} {interval}".rstrip(), mean)


def _published(board: Board, strip: Strip, compared: bool) -> Iterator[tuple[float, str]]:
    sources = _numbered(board)
    for method, value, spread, source in board.published:
        cells = [
            cell(f'<span class="name-of">{in_html(method)}</span> <sup>{sources[source]}</sup>', method, "who"),
            measured(value),
            measured(spread),
            cell(strip.drawn(value, spread, "theirs"), None, "strip-of"),
            *[cell("")] * (4 + compared + len(board.metrics) - 1),
        ]
        yield value, f'<tr class="published">{"".join(cells)}</tr>\n'


def _numbered(board: Board) -> dict[str, int]:
    return {source: i for i, source in enumerate(dict.fromkeys(row[3] for row in board.published), 1)}


def _sources(board: Board) -> str:
    items = "".join(f"<li>{in_html(source)}</li>" for source in _numbered(board))
    return f'<ol class="sources">{items}</ol>\n' if items else ""
