"""``losszoo.report``: from a folder of runs to a page."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from losszoo.errors import UsageError
from losszoo.reporting.load_runs import DONE

_SUFFIXES = (".html", ".htm")


@dataclass(frozen=True)
class Report:
    """A page that was written.

    Args:
        html: its path.
        tasks: for each, the labels of its losses, best first.
        runs: number of runs.
        failed: number of runs without a result.
        notes: files that could not be read, and runs that were left out.
    """

    html: Path
    tasks: dict[str, list[str]]
    runs: int
    failed: int
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The document of ``losszoo report --json``."""
        return {**vars(self), "html": str(self.html), "notes": list(self.notes)}


def report(
    dir: str | os.PathLike[str],
    html: str | os.PathLike[str] | None = None,
    *,
    title: str = "",
    metric: str | None = None,
    doctor: bool = True,
) -> Path:
    """Write what the runs of a folder have given as one HTML page that needs no network.

    Args:
        dir: a comparison folder, a run folder, or any folder that holds some.
        html: file of the page; ``report.html`` in the folder by default.
        title: of the page; by default the folder's name.
        metric: by which losses are ranked, of those that the runs have; by default the one that decided them.
        doctor: let the doctor examine the first non-finite step of each loss.

    Returns:
        The path of the page.

    Raises:
        UsageError: no run is found, none has the metric, the page cannot be written, or plotly is not installed.
    """
    return make_report(dir, html, title=title, metric=metric, doctor=doctor).html


def make_report(
    dir: str | os.PathLike[str],
    html: str | os.PathLike[str] | None = None,
    *,
    title: str = "",
    metric: str | None = None,
    doctor: bool = True,
    on_bundle: Callable[[str], None] | None = None,
) -> Report:
    """The same, with what stands on the page; ``on_bundle`` is told which bundle the doctor is asked about."""
    if not str(dir).strip():
        raise UsageError(f"dir must be the path of a folder, got {str(dir)!r}")
    root = Path(dir)
    path = root / "report.html" if html is None else Path(html)
    if html is not None and (path.suffix.lower() not in _SUFFIXES or not path.absolute().parent.is_dir()):
        raise UsageError(f"html must be a file.html in a folder that exists, got {str(path)!r}")
    if find_spec("plotly") is None:
        raise UsageError('plotly is not installed: pip install "losszoo[report]"')
    from losszoo.common.files import write_atomically
    from losszoo.reporting.find_runs import search
    from losszoo.reporting.leaderboard_data import boards
    from losszoo.reporting.replay_bundles import ask_doctor
    from losszoo.reporting.report_page import page

    folder = search(root)
    shown = boards(folder, metric)
    answers = ask_doctor(shown, root, on_bundle=on_bundle) if doctor else {}
    text = page(folder, shown, answers, title or root.resolve().name or str(root))
    try:
        write_atomically(path, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise UsageError(
            f"the page must go to a file that can be written, got {path} ({error.strerror or error}); "
            "choose another with --html"
        ) from error
    return Report(
        path,
        {board.task: [entry.label for entry in board.entries] for board in shown},
        len(folder.runs),
        sum(run.status != DONE for run in folder.runs),
        tuple(folder.notes),
    )
