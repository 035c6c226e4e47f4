"""What a column of a table holds, told from all of its cells: numbers, words, yes or no, dates."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from losszoo.common.text import counted
from losszoo.errors import DataError

Array = npt.NDArray[Any]

# In a column of numbers these words are gaps. In a column of words only an empty cell is one: "NA" may be a name.
_GAPS = ("na", "n/a", "nan", "null", "none", "?", "-", "missing")
_TRUTHS = ({"true", "false"}, {"yes", "no"})
_YES = ("true", "yes")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?")
# Thousands apart by something that is read nowhere else: a space, an apostrophe, a point before a comma.
_APART = re.compile(r"[+-]?[1-9]\d{0,2}(([ '’\u00a0\u202f]\d{3})+([.,]\d+)?|(\.\d{3})+(,\d+)?)")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
# What a comma may be, the numbers that have one, and how that is told.
_COMMAS = {
    "": (_THOUSANDS, "commas between thousands are left out"),
    ".": (_DECIMAL_COMMA, "decimals are written with a comma"),
}
_WITH_UNIT = re.compile(r"([$€£¥]|[A-Z]{3})?\s*[+-]?\d[\d.,]*\s*[^\d\s.,]{0,12}")
# Also months of a year. A season (2019-20) is one only where it could be a month.
_DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([T ].*)?|\d{4}[-/](0[1-9]|1[0-2])|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2})([T ].*)?"
)
_MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_DATE_IN_WORDS = re.compile(
    rf"([a-z]+,? )?(\d{{1,2}}(st|nd|rd|th)?[ ./-]+{_MONTH}[ ,./-]+\d{{2,4}}|{_MONTH}[ -]+\d{{1,2}}(st|nd|rd|th)?"
    rf"(,? +|-)\d{{4}}|{_MONTH}[ ,-]+\d{{2,4}})([T ,].*)?",
    re.IGNORECASE,
)
_TIME = re.compile(r"\d{1,3}:\d{2}(:\d{2}([.,]\d+)?)?( ?[ap]\.?m\.?)?", re.IGNORECASE)
_IN_BRACKETS = re.compile(r"\([$€£¥]?\d[\d.,]*\)")
# As programs for text write it in the place of a hyphen.
_MINUS = re.compile(r"(^|(?<=\d[eE]))\u2212(?=\s*[\d.])")
# Of the cells that are no gap: from so many on, the others are strangers among them.
_MOST_OF = 0.8
# From so many on, numbers with decimals are no words.
_SOME_OF = 0.1
_LONGEST = 60
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, eq=False)
class Column:
    """One column.

    Args:
        name: of the column.
        holds: "numbers", "yes-no", "words" or "dates".
        values: (N,) float64 of numbers, NaN for a gap, of dates the days since 1970; of words texts, "" for a gap.
        notes: of what was done to read it.
        comma: what a comma in a text of a number is: "." in decimals, "" between thousands; None: not to be read.
        spelling: the words for no and yes as the cells spell them most often; empty where they are no texts.
    """

    name: str
    holds: str
    values: Array
    notes: tuple[str, ...] = ()
    comma: str | None = None
    spelling: tuple[str, ...] = ()

    @property
    def gaps(self) -> Array:
        """(N,) where there is no value."""
        return self.values == "" if self.holds == "words" else np.isnan(self.values)

    @property
    def known(self) -> Array:
        """The values without the gaps."""
        values: Array = self.values[~self.gaps]
        return values


def is_yes(word: str) -> bool:
    """Whether a word of a column of yes and no is yes."""
    return word.lower() in _YES


def is_gap_word(text: str) -> bool:
    """Whether a word says that there is no value, in a column of numbers.

    Example:
        >>> is_gap_word("NA"), is_gap_word("Rome")
        (True, False)
    """
    return text.lower() in _GAPS


def gap_classes(counts: Mapping[str, int]) -> tuple[str, ...]:
    """A note of each class whose name is a word for a gap.

    Args:
        counts: rows of each class, by its name.
    """
    return tuple(
        f"{name!r} is taken as the name of a class, of {counted(count, 'row')}; where it stands for a gap, leave the "
        "target of these rows empty"
        for name, count in counts.items()
        if is_gap_word(name)
    )


def shown_cell(cell: Any) -> str:
    """A cell as a message shows it, long ones cut."""
    text = str(cell) if isinstance(cell, str) else f"{cell:g}"
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    return repr(text) if isinstance(cell, str) else text


def read_column(name: str, series: Any) -> Column:
    """A column of a DataFrame, of any type.

    Raises:
        DataError: numbers among words, infinite numbers, numbers with units: names the column, the row and the cell.
    """
    from pandas.api import types

    if types.is_bool_dtype(series):
        return Column(name, "yes-no", series.astype("float64").to_numpy(np.float64, na_value=np.nan))
    if types.is_numeric_dtype(series):
        if types.is_complex_dtype(series):
            raise DataError(f"column {name} must be real numbers or words, got complex ones")
        return _numbers(name, series.to_numpy(np.float64, na_value=np.nan))
    if types.is_datetime64_any_dtype(series):
        return Column(name, "dates", _days(series))
    numbers = _plain_numbers(series)
    if numbers is not None:
        return _numbers(name, numbers)
    texts = _texts(name, series)
    column = _of_texts(name, texts)
    in_words = column.holds == "yes-no" and not any(isinstance(cell, bool | np.bool_) for cell in series)
    return replace(column, spelling=_spelling(texts, column.values)) if in_words else column


def _plain_numbers(series: Any) -> Array | None:
    """The numbers of a column of texts that are all numbers or empty, read at once; None of any other."""
    from pandas.api import types

    if not types.is_string_dtype(series) or types.is_object_dtype(series):
        return None
    read = _parsed(series)
    known = (series.str.len() > 0).fillna(False).to_numpy(bool)
    return read if known.any() and np.array_equal(known, ~np.isnan(read)) else None


def read_column_like(name: str, series: Any, holds: str, comma: str | None) -> Column:
    """A column of further rows, read as one of before, whatever its cells alone would tell.

    Args:
        name: of the column.
        series: its cells.
        holds: "numbers", "yes-no" or "words".
        comma: see :class:`Column`.

    Returns:
        Its values; a text that is neither yes nor no is a gap, and a note says so.

    Raises:
        DataError: a cell that is no finite number in a column of numbers: names the column, the row and the cell.
    """
    from pandas.api import types

    if holds == "numbers" and types.is_numeric_dtype(series) and not types.is_complex_dtype(series):
        return _numbers(name, series.to_numpy(np.float64, na_value=np.nan))
    texts = _texts(name, series)
    if holds == "words":
        return Column(name, holds, texts)
    lower = np.array([text.lower() for text in texts], dtype=object)
    gaps = np.array([not text or text in _GAPS for text in lower])
    if holds == "yes-no":
        return _yes_no_like(name, lower, gaps)
    numbers = _parsed(texts[~gaps])
    if comma is not None:
        with_comma = [bool(_COMMAS[comma][0].fullmatch(text)) for text in texts[~gaps]]
        read = _parsed([text.replace(",", comma) for text in texts[~gaps]])
        numbers = np.where(np.isnan(numbers) & with_comma, read, numbers)
    wrong = np.flatnonzero(np.isnan(numbers))
    if len(wrong):
        row = np.flatnonzero(~gaps)[wrong[0]]
        raise DataError(
            f"column {name} must hold numbers, as in training, got {shown_cell(texts[row])} in row {row + 1} "
            f"({len(wrong)} such in all); leave the cell empty where the number is unknown"
        )
    return _numbers(name, _spread(numbers, gaps))


def _yes_no_like(name: str, lower: Array, gaps: Array) -> Column:
    """Also from 0 and 1, as a program writes it."""
    yes, no = np.isin(lower, [*_YES, "1", "1.0"]), np.isin(lower, ["false", "no", "0", "0.0"])
    strange = lower[~(yes | no | gaps)]
    told = f"{name}: neither yes nor no in {len(strange)} of {len(lower)} rows" if len(strange) else ""
    notes = (f"{told} (as {strange[0]!r}), taken as a gap",) if told else ()
    return Column(name, "yes-no", np.where(yes, 1.0, np.where(no, 0.0, np.nan)), notes)


def _texts(name: str, series: Any) -> Array:
    """The cells as texts, "" where there is none."""
    cells = series.tolist()
    if any(isinstance(cell, list | dict | tuple | set | np.ndarray) for cell in cells):
        raise DataError(f"column {name} must hold one value in each row, got lists")
    try:
        return np.array(["" if _is_gap(cell) else _text(cell) for cell in cells], dtype=object)
    except Exception as error:  # of a cell's own __str__ or __eq__
        raise DataError(f"column {name} must hold numbers or words, got a cell that is neither: {error!r}") from error


def _spelling(texts: Array, values: Array) -> tuple[str, ...]:
    found = [np.unique(texts[values == value].astype(str), return_counts=True) for value in (0, 1)]
    return tuple(str(words[counts.argmax()]) for words, counts in found)


def _text(cell: Any) -> str:
    """A whole number has no decimals, also where a gap elsewhere in its column has made it a float."""
    whole = isinstance(cell, float | np.floating) and float(cell).is_integer()
    return str(int(cell)) if whole else _MINUS.sub("-", str(cell).strip())


def _is_gap(cell: Any) -> bool:
    return cell is None or cell != cell or type(cell).__name__ in ("NAType", "NaTType")


def _of_texts(name: str, texts: Array) -> Column:
    lower = np.array([text.lower() for text in texts], dtype=object)
    gaps = np.array([not text or text in _GAPS for text in lower])
    known = texts[~gaps]
    seen = set(lower[~gaps])
    if seen in _TRUTHS:
        values = np.array([np.nan if gap else float(text in _YES) for gap, text in zip(gaps, lower, strict=True)])
        return Column(name, "yes-no", values)
    numbers = _parsed(known)
    are_numbers = ~np.isnan(numbers)
    if len(known) == 0:
        return Column(name, "words", np.where(gaps, "", texts))
    if are_numbers.all():
        return _numbers(name, _spread(numbers, gaps))
    for comma, (pattern, note) in _COMMAS.items():
        if all(ok or pattern.fullmatch(text) for ok, text in zip(are_numbers, known, strict=True)):
            _refuse_two_readings(name, known[~are_numbers])
            read = _parsed(np.array([text.replace(",", comma) for text in known], dtype=object))
            column = _numbers(name, _spread(read, gaps))
            return Column(name, "numbers", column.values, (note,), comma)
    if all(_TIME.fullmatch(text) for text in known):
        raise DataError(
            f"column {name} must hold numbers or words, got times ({shown_cell(known[0])}); make numbers of them "
            f"(minutes, hours), or --drop {name}"
        )
    if all(_DATE.fullmatch(text) or _DATE_IN_WORDS.fullmatch(text) for text in known):
        return Column(name, "dates", _days_of_texts(name, texts, gaps))
    _refuse_strangers(name, texts, gaps, numbers)
    mixed = (f"{are_numbers.sum()} numbers among words, taken as words",) if are_numbers.mean() >= _SOME_OF else ()
    return Column(name, "words", np.array([text or "" for text in texts], dtype=object), mixed)


def _refuse_two_readings(name: str, texts: Array) -> None:
    if all(_THOUSANDS.fullmatch(text) and _DECIMAL_COMMA.fullmatch(text) for text in texts):
        thousands, decimal = texts[0].replace(",", ""), texts[0].replace(",", ".")
        raise DataError(
            f"column {name} must hold numbers with one reading, got {shown_cell(texts[0])}, which may be "
            f"{thousands} or {decimal}; write them without commas"
        )


def _parsed(texts: Any) -> Array:
    """Numbers, NaN for what is none; the words of infinity are read, to be refused with their row."""
    import pandas

    return np.asarray(pandas.to_numeric(pandas.Series(texts, dtype=object), errors="coerce"), np.float64)


def _spread(known: Array, gaps: Array) -> Array:
    values = np.full(len(gaps), np.nan)
    values[~gaps] = known
    return values


def _numbers(name: str, values: Array) -> Column:
    endless = np.flatnonzero(np.abs(values) > _LARGEST)
    if len(endless):
        raise DataError(
            f"column {name} must hold finite numbers of float32, got {values[endless[0]]} in row {endless[0] + 1} "
            f"({len(endless)} such in all); leave the cell empty where the number is unknown"
        )
    return Column(name, "numbers", values)


def _refuse_strangers(name: str, texts: Array, gaps: Array, numbers: Array) -> None:
    """A column that is neither numbers nor words."""
    rows, are_numbers = np.flatnonzero(~gaps), ~np.isnan(numbers)
    if all(_APART.fullmatch(text) for text in texts[rows][~are_numbers]):
        row = rows[~are_numbers][0]
        raise DataError(
            f"column {name} must hold numbers without anything between thousands, got {shown_cell(texts[row])} in row "
            f"{row + 1}; write numbers as 1234.5"
        )
    if all(_IN_BRACKETS.fullmatch(text) for text in texts[rows][~are_numbers]):
        row = rows[~are_numbers][0]
        raise DataError(
            f"column {name} must hold numbers without brackets, got {shown_cell(texts[row])} in row {row + 1}; write "
            "what is below 0 with a minus"
        )
    share, decimals = are_numbers.mean(), (numbers[are_numbers] != np.round(numbers[are_numbers])).any()
    if share >= (_SOME_OF if decimals else _MOST_OF):
        row = rows[~are_numbers][0]
        raise DataError(
            f"column {name} must hold numbers alone, or words alone, got {shown_cell(texts[row])} in row "
            f"{row + 1} among numbers ({int((~are_numbers).sum())} such in all); leave the cell empty where the number "
            "is unknown"
        )
    with_unit = [bool(_WITH_UNIT.fullmatch(text)) for text in texts[rows]]
    units = {re.sub(r"[\d\s.,+-]", "", text) for text in texts[rows]}
    if all(with_unit) and len(units) <= 3 and len({*texts[rows]}) > 3 * len(units):
        row = rows[~are_numbers][0]
        raise DataError(
            f"column {name} must hold numbers without units, got {shown_cell(texts[row])} in row "
            f"{row + 1}; write numbers"
        )


def _days(series: Any) -> Array:
    import pandas

    moments = pandas.to_datetime(series, utc=True)
    return np.asarray((moments - pandas.Timestamp(0, tz="UTC")) / pandas.Timedelta(days=1), np.float64)


def _days_of_texts(name: str, texts: Array, gaps: Array) -> Array:
    """Days since 1970. A date that may be read in two ways is not guessed at."""
    import pandas

    known = texts[~gaps]
    if not all(re.match(r"\d{4}", text) for text in known):
        raise DataError(f"column {name} must hold dates as YEAR-MONTH-DAY, got {shown_cell(known[0])}; write them so")
    try:
        return _spread(_days(pandas.Series(known, dtype=object).str.replace(r"[/.]", "-", n=2, regex=True)), gaps)
    except ValueError as error:
        raise DataError(f"column {name} must hold dates as YEAR-MONTH-DAY, got one that is none ({error})") from error
