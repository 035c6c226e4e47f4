"""Lines of styled text: they hang where the terminal ends, and stay whole in a pipe."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.text import Text

# Text is read more easily in lines no longer than this.
WIDEST = 100
# Less room than this is no column.
NARROWEST = 24


def room_of(console: Console) -> int | None:
    """Columns of the terminal; None in a pipe."""
    return console.width if console.file.isatty() or os.environ.get("COLUMNS") else None


def write(lines: Iterable[Text], console: Console) -> None:
    """Print lines as they are, without blanks at their ends."""
    with console.capture() as printed:
        for line in lines:
            line.rstrip()
            console.print(line, soft_wrap=True, highlight=False)
    console.file.write(printed.get())
    console.file.flush()


def hang(lead: Text | str, text: Text | str, room: int | None, widest: int = WIDEST) -> Iterator[Text]:
    """Text after a lead, in lines that fit; words are never broken."""
    first = Text(lead) if isinstance(lead, str) else lead
    body = Text(text) if isinstance(text, str) else text
    free = None if room is None else min(room, widest) - len(first)
    if free is None or free < NARROWEST:
        yield first + body
        return
    for i, line in enumerate(body.divide(_ends(body.plain, free))):
        yield (first if i == 0 else Text(" " * len(first))) + line


def _ends(text: str, room: int) -> list[int]:
    """Where the lines of a text end: after the last blank that fits, or after a word that is longer than a line."""
    ends, start = [], 0
    for word in re.finditer(r"\S+\s*", text):
        if word.start() > start and len(word[0].rstrip()) + word.start() - start > room:
            start = word.start()
            ends.append(start)
    return ends
