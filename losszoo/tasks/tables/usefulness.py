"""Which columns of a table say something, and what a person should know of the others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from losszoo.errors import DataError
from losszoo.tasks.tables.columns import Column

_ID_NAME = re.compile(r"(.*[_\W])?(id|uuid|guid|index|key|row|rownum|unnamed: \d+)", re.IGNORECASE)
_FEWEST_IDS = 10
# From so many different words a row on, words are names of rows.
_MOST_DISTINCT = 0.9


@dataclass(frozen=True)
class Judged:
    """The columns that are inputs, and notes of the others."""

    inputs: tuple[Column, ...]
    notes: tuple[str, ...]


def judge(columns: Sequence[Column], targets: Sequence[Column]) -> Judged:
    """Leave out what cannot help, and tell of what helps too well.

    Raises:
        DataError: dates, which are neither numbers nor words.
    """
    inputs, notes = [], []
    for column in columns:
        if column.holds == "dates":
            raise DataError(
                f"column {column.name} must hold numbers or words, got dates; make numbers of it (its year, the days "
                f"since a day), say --time {column.name} to split by it, or --drop {column.name}"
            )
        why = _useless(column)
        if why:
            notes.append(f"{column.name}: left out, {why}")
            continue
        inputs.append(column)
        notes += [
            f"{column.name}: each of its values has one value of {target.name}; if it is known only later, drop it"
            for target in targets
            if _tells(column, target)
        ]
    return Judged(tuple(inputs), tuple(notes))


def _useless(column: Column) -> str:
    known = column.known
    if not len(known):
        return "every cell is empty"
    different = len(np.unique(known))
    if different == 1 and not column.gaps.any():
        return f"every cell is {known[0]!r}" if column.holds == "words" else f"every cell is {known[0]:g}"
    rows = len(column.values)
    if rows < _FEWEST_IDS:
        return ""
    if column.holds == "words" and different > _MOST_DISTINCT * rows:
        return f"a name for each row ({different} different words in {rows} rows)"
    if column.holds == "numbers" and different == rows and bool((known == np.round(known)).all()):
        counted = bool((np.diff(np.sort(known)) == 1).all()) and bool((np.diff(known) == 1).all())
        if counted:
            return "a number for each row, one after the other"
        if _ID_NAME.fullmatch(column.name):
            return "an identifier: another whole number in each row"
    return ""


def _tells(column: Column, target: Column) -> bool:
    """Whether few values of a column tell the target of every row."""
    values, pointer = np.unique(column.values.astype(str), return_inverse=True)
    if len(values) > max(2, len(column.values) // 5):
        return bool(column.holds == target.holds and np.array_equal(column.values, target.values))
    _, targets = np.unique(target.values.astype(str), return_inverse=True)
    return len(np.unique(np.stack([pointer, targets]), axis=1).T) == len(values)
