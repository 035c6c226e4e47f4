"""Whether the first line of a table names its columns, or is a row like those below it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from losszoo.tasks.tables.columns import is_gap_word

# By so many rows what a column holds is told; a word is looked for in all of them.
_LOOKED_AT = 2000
# Of the cells of a column from so many on are of its kind.
_MOST_OF = 0.8
# From so many different words a row on, a word that does not come again says nothing.
_MANY_WORDS = 0.5
# So many cells must be like those below where others say nothing, and so many for each word that does not come again.
_FEWEST_ALIKE, _ALIKE_FOR_EACH = 3, 4

_NUMBER = re.compile(r"[-+\u2212]?[\d.,]*\d[\d.,]*([eE][-+]?\d+)?")
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ].*)?|\d{1,2}:\d{2}(:\d{2})?")


@dataclass(frozen=True)
class FirstLine:
    """What the first line is.

    Args:
        is_row: its cells are values of their columns.
        may_be: nothing tells that it is one or that it is not.
    """

    is_row: bool
    may_be: bool = False


def judge_first_line(line: Sequence[str], frame: Any) -> FirstLine:
    """Compare each cell of the first line with the cells below it.

    A word above numbers is a name. A number above numbers is a value, unless the numbers of the line can be names
    themselves: years, places, wavelengths. A word that comes again below it in a column of words is a value.

    Args:
        line: the cells.
        frame: a DataFrame of the rows below, its columns in the order of the cells.
    """
    told = [_told(cell.strip(), frame.iloc[:, place]) for place, cell in enumerate(line)]
    numbers = [cell for cell, what in zip(line, told, strict=True) if what == "number"]
    words, unlike, unknown = told.count("value"), told.count("unlike"), told.count("unknown")
    if "name" in told or words + len(numbers) < 2:
        return FirstLine(False)
    if not unlike and not unknown:
        return FirstLine(words > 0 or not _can_be_names(numbers))
    alike = words + (0 if _can_be_names(numbers) else len(numbers))
    return FirstLine(alike >= max(_FEWEST_ALIKE, _ALIKE_FOR_EACH * unlike), may_be=bool(numbers))


def _told(cell: str, below: Any) -> str:
    """What a cell is: "name", "number" or "value" of its column, "unlike" its words, "unknown", or a "gap"."""
    kind = _kind(cell)
    kinds = Counter(_kind(str(other).strip()) for other in below.iloc[:_LOOKED_AT] if other == other)
    kinds.pop("gap", None)
    if kind == "gap" or not kinds:
        return "gap"
    (usual, count), *_ = kinds.most_common(1)
    if usual != "word" and count >= _MOST_OF * kinds.total():
        return {usual: "number" if usual == "number" else "value", "word": "name"}.get(kind, "unknown")
    texts = below.astype(str).str.strip()
    if (texts == cell).any():
        return "value"
    looked_at = texts.iloc[:_LOOKED_AT]
    return "unknown" if kind != "word" or looked_at.nunique() > _MANY_WORDS * len(looked_at) else "unlike"


def _kind(cell: str) -> str:
    if not cell or is_gap_word(cell):
        return "gap"
    if _DATE.fullmatch(cell):
        return "date"
    return "number" if _NUMBER.fullmatch(cell) else "word"


def _can_be_names(numbers: Sequence[str]) -> bool:
    """Different ones, all whole or in order."""
    try:
        values = [float(number.replace(",", ".").replace("\u2212", "-")) for number in numbers]
    except ValueError:
        return False
    whole = all(value.is_integer() for value in values)
    return len(set(values)) == len(values) and (whole or values in (sorted(values), sorted(values, reverse=True)))
