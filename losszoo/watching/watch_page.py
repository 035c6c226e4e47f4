"""A watch as one HTML file that needs nothing else: no network, no other file."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from losszoo._version import __version__
from losszoo.common.files import write_atomically
from losszoo.common.html import asset, sha256, template
from losszoo.errors import UsageError
from losszoo.watching.watch_words import facts, headline, place, summary

_HERE = __name__.rpartition(".")[0]


def write_page(document: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Write the page of a document.

    Args:
        document: of ``losszoo watch --json``.
        path: of the file, which is written whole or not at all.

    Raises:
        UsageError: the file cannot be written.
    """
    style = asset("losszoo.doctor.report", "page.css")
    text = template(_HERE, "watch.html.jinja").render(
        document=document,
        style=style,
        policy=f"default-src 'none'; style-src {sha256(style)}; base-uri 'none'",
        said=summary(document, len(document["faults"]), document["script_exit_code"]),
        headline=headline,
        place=place,
        facts=facts,
        version=__version__,
        python=platform.python_version(),
        platform=platform.platform(),
        today=datetime.now(UTC).strftime("%Y-%m-%d"),
    )
    try:
        write_atomically(Path(path), text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise UsageError(
            f"the page must go to a file that can be written, got {path} ({error.strerror or error}); choose another"
        ) from error
