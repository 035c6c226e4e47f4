"""What a command shows while it works: on stderr of a terminal; nothing in a pipe, and on the first rank alone."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from losszoo.cli.threads import is_first
from losszoo.common.text import printable

# A terminal in which a long bar takes no room from what it says.
_WIDE = 120

Update = Callable[..., None]


def is_shown() -> bool:
    """Whether a person sees it."""
    return sys.stderr.isatty() and is_first()


@contextlib.contextmanager
def progress_bar(title: str, total: int | None, line: str) -> Iterator[Update]:
    """A bar beside a title and a line, until the block ends.

    Yields:
        a function that changes it: ``total``, ``completed`` (or ``advance``) and ``line``, by name. Of a
        line in parts, the first ones that have room are shown.
    """
    if not is_shown():
        yield lambda **fields: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.table import Column

    console = Console(stderr=True)
    bar_width = 24 if console.width >= _WIDE else 8
    columns = (
        # The title is the one part that may be cut: the user has just typed it.
        TextColumn("{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
        BarColumn(bar_width=bar_width),
        MofNCompleteColumn(),
        TextColumn("{task.fields[line]}", markup=False, table_column=Column(no_wrap=True)),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, expand=True, transient=True) as bar:
        task = bar.add_task(printable(title), total=total, line=line)

        def update(**fields: Any) -> None:
            if not isinstance(fields.get("line", ""), str):
                room = console.width - _rest(title, fields.get("total") or bar.tasks[0].total, bar_width)
                fields["line"] = fitting(fields["line"], room)
            bar.update(task, **fields)

        yield update


def fitting(parts: Sequence[str], room: int) -> str:
    """The first parts of a line that have room, one of them at least.

    Example:
        >>> fitting(("val accuracy 0.9688", "loss 0.1551", "val roc_auc 0.4015"), 40)
        'val accuracy 0.9688  loss 0.1551'
    """
    lines = ["  ".join(parts[: count + 1]) for count in range(len(parts))]
    return next((line for line in reversed(lines) if len(line) <= room), lines[0])


def _rest(title: str, total: float | None, bar_width: int) -> int:
    """What stands beside the line: title, bar, count and clock, and a space between two of them."""
    return len(title) + bar_width + 2 * len(f"{total or 0:.0f}") + 1 + len("0:00:00") + 4


@contextlib.contextmanager
def status_line(text: str) -> Iterator[Callable[[str], None]]:
    """One line that says what is done now; yields a function that changes it."""
    if not is_shown():
        yield lambda now: None
        return
    from rich.console import Console
    from rich.markup import escape

    with Console(stderr=True).status(escape(printable(text))) as status:
        yield lambda now: status.update(escape(printable(now)))
