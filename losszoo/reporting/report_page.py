"""The report as one HTML file that needs nothing else: no network, no other file."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from losszoo._version import __version__
from losszoo.common.html import asset, in_script, sha256, template
from losszoo.common.text import counted
from losszoo.doctor.report.wording import ADVICE, TRIED, headline, place, remedy
from losszoo.reporting.curves import Figure, curves
from losszoo.reporting.find_runs import RunsInFolder
from losszoo.reporting.leaderboard_data import Board, Entry, ranks_of
from losszoo.reporting.leaderboard_strip import Strip
from losszoo.reporting.load_runs import DONE, Run
from losszoo.reporting.nonfinite_events import Diagnosis, EventRow, diagnoses, events, without_result
from losszoo.reporting.replay_bundles import DoctorAnswer
from losszoo.reporting.scatter import classes_of, cost, planes

_HERE = __name__.rpartition(".")[0]
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


_CHIPS = {True: "verified", False: "refuted", None: "open"}


@dataclass(frozen=True)
class Section:
    """What the page shows of one task."""

    board: Board
    group: str
    strip: Strip
    failed: Sequence[tuple[Entry, Run]]
    drawn: Sequence[Figure]
    events: Sequence[EventRow]
    diagnoses: Sequence[Diagnosis]
    dots: Sequence[Figure]
    classes: Sequence[str]

    @property
    def by_slot(self) -> list[Entry]:
        """In the order of their colours."""
        return sorted(self.board.entries, key=lambda entry: entry.slot)

    @property
    def later(self) -> set[int]:
        """The slots of the losses that are shown at a click."""
        return {entry.slot for entry in [e for e in self.board.entries if e.kind == "loss"][_SHOWN:]}


def page(folder: RunsInFolder, boards: Sequence[Board], answers: Mapping[Path, DoctorAnswer], title: str) -> str:
    """The whole page.

    Args:
        folder: what lies in the folder.
        boards: of its tasks.
        answers: by the doctor, for each bundle that was replayed.
        title: of the page.
    """
    style = asset("losszoo.doctor.report", "page.css") + asset(_HERE, "page.css")
    script, library = asset(_HERE, "page.js"), _library()
    points = max(_FEWEST_POINTS, min(_MOST_POINTS, _POINTS // len(folder.runs)))
    sections = [_section(board, f"task-{i}", points, answers) for i, board in enumerate(boards, 1)]
    # plotly adds its own rules to a style element that it makes empty: the second hash. Its pictures are data.
    policy = (
        f"default-src 'none'; style-src {sha256(style)} {sha256('')}; script-src {sha256(library)} {sha256(script)}; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    return template(_HERE, "report.html.jinja").render(
        title=title,
        policy=policy,
        style=style,
        script=script,
        library=library,
        figures=in_script(
            {
                figure.identity: {"group": figure.group, "data": figure.traces, "layout": figure.layout}
                for section in sections
                for figure in (*section.drawn, *section.dots)
            }
        ),
        sections=sections,
        counts=_counts(folder, boards),
        failed=sum(run.status != DONE for run in folder.runs),
        ranks=ranks_of(boards),
        notes=folder.notes,
        most=_MOST_NOTES,
        marks=_MARKS,
        number=_number,
        headline=headline,
        place=place,
        remedy=remedy,
        advice=ADVICE,
        tried=TRIED,
        chips=_CHIPS,
        root=str(folder.root),
        versions=f"losszoo {__version__}, Python {platform.python_version()}",
        today=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def _section(board: Board, group: str, points: int, answers: Mapping[Path, DoctorAnswer]) -> Section:
    return Section(
        board,
        group,
        Strip.of(board),
        without_result(board),
        [*curves(board, group, points), *cost(board, group)],
        list(events(board)),
        list(diagnoses(board, answers)),
        planes(board, f"{group}-classes"),
        classes_of(board),
    )


def _number(value: float | None, digits: int) -> str:
    """A number, or nothing; one that would be all zeros or all digits in powers of ten."""
    if value is None:
        return ""
    return f"{value:.{digits}f}" if value == 0 or 10.0**-digits <= abs(value) < 1e6 else f"{value:.3g}"


def _counts(folder: RunsInFolder, boards: Sequence[Board]) -> str:
    losses = len({run.loss for run in folder.runs if run.kind == "loss"})
    return " · ".join([counted(losses, "loss"), counted(len(boards), "task"), counted(len(folder.runs), "run")])


@cache
def _library() -> str:
    """plotly.js, in which nothing may end the script element."""
    from plotly.offline import get_plotlyjs

    library: str = get_plotlyjs()
    return re.sub(r"<(/script|!--)", r"\\x3c\1", library, flags=re.IGNORECASE)
