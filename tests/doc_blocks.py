"""The fenced blocks of a page, for the tests that execute the documents."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"

_OPENS = re.compile(r'```(?P<language>[a-z]*)(?: title="(?P<title>[^"]+)")?$')
_EDIT = re.compile(r"<!-- with (?P<path>\S+): (?P<old>.+) -> (?P<new>.+) -->$")


@dataclass(frozen=True)
class Edit:
    """A replacement in a file, for one block only."""

    path: str
    old: str
    new: str


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Args:
        page: file name of the page.
        line: of the page, from 1, on which the text begins.
        language: of the info string.
        title: of the info string; "" where it has none.
        text: with a newline at the end of every line.
        edits: what the comments above it replace.
    """

    page: str
    line: int
    language: str
    title: str
    text: str
    edits: tuple[Edit, ...] = ()

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def commands(self) -> list[tuple[str, str]]:
        """Of a console block: every command with the output that is shown below it."""
        found: list[tuple[str, str]] = []
        for line in self.text.splitlines(keepends=True):
            if line.startswith("$ "):
                found.append((line[2:].rstrip("\n"), ""))
            else:
                command, output = found.pop()
                found.append((command, output + line))
        return found


def blocks(path: Path) -> list[Block]:
    """All fenced blocks of a page, in order."""
    found: list[Block] = []
    edits: list[Edit] = []
    opened: tuple[int, str, str] | None = None
    held: list[str] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if opened is not None and line == "```":
            text = "".join(f"{content}\n" for content in held)
            found.append(Block(path.name, opened[0], opened[1], opened[2], text, tuple(edits)))
            opened, held, edits = None, [], []
        elif opened is not None:
            held.append(line)
        elif match := _OPENS.match(line):
            opened = (number + 1, match["language"], match["title"] or "")
        elif match := _EDIT.match(line):
            edits.append(Edit(match["path"], match["old"], match["new"]))
    if opened is not None:
        raise ValueError(f"{path.name}:{opened[0]}: the block is never closed")
    return found
