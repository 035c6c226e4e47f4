"""From the columns of a table to numbers, by what the training rows say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from losszoo.tasks.tables.columns import Column

Array = npt.NDArray[Any]

# More words than this become one, the rare ones of the training rows.
_MOST_WORDS = 64


@dataclass(frozen=True)
class NumberCode:
    """A column of numbers: a gap is the median of the training rows, and a second column says that it was one."""

    name: str
    median: float
    marks_gaps: bool


@dataclass(frozen=True)
class WordCode:
    """A column of words: one column of 0 and 1 for each word, ``""`` for a gap, the last one for rare words."""

    name: str
    words: tuple[str, ...]
    rare: tuple[str, ...] = ()

    @property
    def has_rare(self) -> bool:
        """Whether rare words share a column."""
        return bool(self.rare)


@dataclass(frozen=True)
class Encoding:
    """What the training rows say of every column.

    Args:
        numbers: in the order of the inputs, the first columns of which they are.
        words: after them, and after the marks of gaps.
    """

    numbers: tuple[NumberCode, ...]
    words: tuple[WordCode, ...]

    def inputs(self, columns: Mapping[str, Column]) -> Array:
        """(N, D) of some rows. A word that training has not seen is a rare one, or none.

        In float64: float32 would lose the differences of a column that lies far from 0, before it is scaled.

        Args:
            columns: by name, at least those of the encoding.
        """
        numbers = [columns[code.name].values for code in self.numbers]
        filled = [np.where(np.isnan(v), c.median, v) for c, v in zip(self.numbers, numbers, strict=True)]
        marks = [np.isnan(v) for c, v in zip(self.numbers, numbers, strict=True) if c.marks_gaps]
        kinds = []
        for code in self.words:
            values = columns[code.name].values
            kinds += [values == word for word in code.words]
            kinds += [~np.isin(values, code.words)] if code.has_rare else []
        return np.stack([*filled, *marks, *kinds], 1).astype(np.float64)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the inputs, in their order."""
        marks = [f"{code.name} is missing" for code in self.numbers if code.marks_gaps]
        kinds = [f"{c.name} = {word or 'missing'}" for c in self.words for word in (*c.words, *["rare"] * c.has_rare)]
        return (*(code.name for code in self.numbers), *marks, *kinds)


def fit_encoding(columns: Sequence[Column], rows: Array) -> Encoding:
    """The encoding that scikit-learn's imputer and encoder find on the training rows.

    Args:
        columns: those that are inputs.
        rows: numbers of the training rows; no other row is looked at.
    """
    numbers = [column for column in columns if column.holds != "words"]
    words = [column for column in columns if column.holds == "words"]
    return Encoding(_numbers(numbers, rows), _words(words, rows))


def _numbers(columns: Sequence[Column], rows: Array) -> tuple[NumberCode, ...]:
    from sklearn.impute import SimpleImputer  # type: ignore[import-untyped, unused-ignore]

    if not columns:
        return ()
    seen = np.stack([column.values[rows] for column in columns], 1)
    medians = SimpleImputer(strategy="median", keep_empty_features=True).fit(seen).statistics_
    return tuple(
        NumberCode(column.name, float(np.nan_to_num(median)), bool(np.isnan(values).any()))
        for column, median, values in zip(columns, medians, seen.T, strict=True)
    )


def _words(columns: Sequence[Column], rows: Array) -> tuple[WordCode, ...]:
    from sklearn.preprocessing import OneHotEncoder  # type: ignore[import-untyped, unused-ignore]

    if not columns:
        return ()
    encoder = OneHotEncoder(max_categories=_MOST_WORDS, handle_unknown="infrequent_if_exist")
    encoder.fit(np.stack([column.values[rows] for column in columns], 1))
    rare = encoder.infrequent_categories_
    codes = []
    for column, words, few in zip(columns, encoder.categories_, rare, strict=True):
        seldom = () if few is None else tuple(few)
        kept = set(words).difference(seldom)
        codes.append(WordCode(column.name, tuple(word for word in words if word in kept), seldom))
    return tuple(codes)
