"""Which columns of a table say something, and what a person should know of the others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from losszoo.errors import DataError
from losszoo.tasks.tables.columns import Column, shown_cell

Array = npt.NDArray[Any]

_ID_WORD = re.compile(r"id|ids|uid|uuid|guid|index|idx|key|row|rownum|no|nr|num|number|code|#")
# Written as one word; "paid" and "grid" are none.
_ID_AS_ONE = re.compile(
    r"(account|case|client|customer|employee|item|member|object|order|passenger|patient|person|product|record|row|sample|"
    r"session|student|subject|transaction|user)(id|no|nr|num|number|code|key)|unnamed: \d+"
)
_WORDS_OF_A_NAME = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|#")
_FEWEST_IDS = 10
# From so many different words a row on, words are names of rows.
_MOST_DISTINCT = 0.9


@dataclass(frozen=True)
class Judged:
    """The columns that are inputs, and notes of the others."""

    inputs: tuple[Column, ...]
    notes: tuple[str, ...]


def judge(columns: Sequence[Column], targets: Sequence[Column], rows_of_table: int) -> Judged:
    """Leave out what cannot help, and tell of what helps too well.

    Args:
        columns: those that may be inputs.
        targets: what they predict.
        rows_of_table: with those that have no target, which the numbers of rows count too.

    Raises:
        DataError: dates, which are neither numbers nor words.
    """
    inputs, notes = [], []
    names: dict[str, str] = {}
    for column in columns:
        if column.holds == "dates":
            raise DataError(
                f"column {column.name} must hold numbers or words, got dates; make numbers of it (its year, the days "
                f"since a day), say --time {column.name} to split by it, or --drop {column.name}"
            )
        why = _useless(column, rows_of_table)
        if why:
            notes.append(f"{column.name}: left out, {why}")
            continue
        inputs.append(column)
        first = names.setdefault(repr(column.values.tolist()), column.name)
        if first != column.name:
            notes.append(f"{column.name}: the same cells as {first}; drop one of them")
        notes += [
            f"{column.name}: each of its values has one value of {target.name}; if it is known only later, drop it"
            for target in targets
            if _tells(column, target)
        ]
    return Judged(tuple(inputs), tuple(notes))


def _useless(column: Column, rows_of_table: int) -> str:
    known = column.known
    if not len(known):
        return "every cell is empty"
    different = len(np.unique(known))
    if different == 1 and not column.gaps.any():
        return f"every cell is {shown_cell(known[0])}"
    rows = len(column.values)
    if rows < _FEWEST_IDS:
        return ""
    if column.holds == "words" and different > _MOST_DISTINCT * rows:
        return f"a name for each row ({different} different words in {rows} rows)"
    if column.holds == "numbers" and different > _MOST_DISTINCT * rows and bool((known == np.round(known)).all()):
        counts = different == rows and known.max() - known.min() < rows_of_table
        if counts and bool((np.diff(known) > 0).all()):
            return "a number for each row, one after the other"
        if counts:
            return "an identifier: whole numbers without a gap, another one in each row"
        if _names_an_id(column.name):
            return f"an identifier: {different} different whole numbers in {rows} rows"
    return ""


def _names_an_id(name: str) -> bool:
    """Whether a name begins or ends with a word for an identifier: CustomerId, customer_id, Employee Number."""
    words = [word.lower() for word in _WORDS_OF_A_NAME.findall(name)]
    return bool(_ID_AS_ONE.fullmatch(name.lower())) or bool(
        words and (_ID_WORD.fullmatch(words[-1]) or words[0] in ("id", "uuid", "guid"))
    )


def _tells(column: Column, target: Column) -> bool:
    """Whether few values of a column tell the target of every row, or its numbers follow those of the target."""
    there = ~column.gaps
    values, pointer = np.unique(column.values[there], return_inverse=True)
    targets = target.values[there]
    if len(targets) < _FEWEST_IDS or 2 * len(targets) < len(there):
        return False
    if len(values) > max(2, len(targets) // 5):
        return column.holds != "words" and target.holds != "words" and _follows(column.values[there], targets)
    _, target_pointer = np.unique(targets, return_inverse=True)
    return len(np.unique(np.stack([pointer, target_pointer]), axis=1).T) == len(values)


def _follows(numbers: Array, targets: Array) -> bool:
    """Whether targets only rise, or only fall, as numbers do, each with one value, and with about as many."""
    order = np.argsort(numbers, kind="stable")
    rises, steps = np.diff(numbers[order]) > 0, np.diff(targets[order])
    if (steps[~rises] != 0).any() or np.count_nonzero(steps) < 0.5 * np.count_nonzero(rises):
        return False
    return bool((steps >= 0).all() or (steps <= 0).all())
