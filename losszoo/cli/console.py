"""What is printed with rich: whole blocks on a console, and the progress bar of a terminal."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

# In a pipe a line has no end.
PIPE_WIDTH = 10_000


def print_blocks(blocks: Iterable[RenderableType], console: Console) -> None:
    """Print blocks; lines of text stay whole, so that a path can be copied, and in a pipe those of tables too."""
    from rich.text import Text

    if not (console.file.isatty() or os.environ.get("COLUMNS")):
        console.width = PIPE_WIDTH
    with console.capture() as printed:
        for block in blocks:
            console.print(block, soft_wrap=isinstance(block, Text))
    console.file.write("".join(f"{line.rstrip()}\n" for line in printed.get().splitlines()))
    console.file.flush()


def started_bar(title: str, total: int | None) -> tuple[Any, Any]:
    """A progress bar on stderr that counts to ``total`` and shows a line, and its task."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[line]}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )
    task = bar.add_task(escape(title), total=total, line="")
    bar.start()
    return bar, task
