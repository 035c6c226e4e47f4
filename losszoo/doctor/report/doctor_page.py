"""The examination as one HTML file that needs nothing else: no network, no other file."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import torch
from markupsafe import Markup

from losszoo._version import __version__
from losszoo.common.files import write_atomically
from losszoo.common.html import asset, sha256, template
from losszoo.doctor.examine_all import ExaminedLoss
from losszoo.doctor.report.examination import Examination, Finding
from losszoo.doctor.report.heat_strip_svg import drawings, key
from losszoo.doctor.report.wording import ADVICE, TRIED, effort, headline, outcome, place, reach, remedy, shortest
from losszoo.errors import UsageError

_HERE = __name__.rpartition(".")[0]
_CHIPS = {True: "verified", False: "refuted", None: "open"}


def write_page(
    examinations: Sequence[Examination | ExaminedLoss], path: str | os.PathLike[str], title: str = ""
) -> None:
    """Write a page: one examination, or an index and many.

    Args:
        examinations: what to show; a :class:`ExaminedLoss` tells too whether it is an exhibit, or why it has no answer.
        path: of the file, which is written whole or not at all.
        title: of the page; by default the target, where it is one alone.

    Raises:
        UsageError: the file cannot be written.
    """
    losses = [e if isinstance(e, ExaminedLoss) else ExaminedLoss(e.target, "stable", e) for e in examinations]
    try:
        write_atomically(Path(path), _page(losses, title).encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise UsageError(
            f"the page must go to a file that can be written, got {path} ({error.strerror or error}); choose another"
        ) from error


def _page(losses: Sequence[ExaminedLoss], title: str) -> str:
    style, script = asset(_HERE, "page.css"), asset(_HERE, "page.js")
    return template(_HERE, "page.html.jinja").render(
        losses=losses,
        name=title or (losses[0].name if len(losses) == 1 else "losses"),
        policy=f"default-src 'none'; style-src {sha256(style)}; script-src {sha256(script)}; base-uri 'none'",
        style=style,
        script=script,
        versions=f"losszoo {__version__}, torch {torch.__version__}, Python {platform.python_version()}",
        platform=platform.platform(),
        today=datetime.now(UTC).strftime("%Y-%m-%d"),
        chips=_CHIPS,
        advice=ADVICE,
        tried=TRIED,
        headline=headline,
        place=place,
        remedy=remedy,
        outcome=outcome,
        effort=effort,
        reach=reach,
        numbers=_numbers,
        input_of=_input_of,
        drawings=lambda examination: Markup(drawings(examination)),
        key=lambda examination: Markup(key(examination)),
    )


def _numbers(examination: Examination | None) -> tuple[str, str, str]:
    """Inputs, reach and seconds in the index."""
    if examination is None:
        return "", "", ""
    return str(examination.probes), shortest(examination), f"{examination.seconds:.1f}"


def _input_of(finding: Finding) -> str:
    """The smallest input, as a line to paste or its parts."""
    return finding.paste or "\n".join(f"{name} = {value}" for name, value in finding.input.items())
