"""Further rows of a table, read and encoded as its training rows were, by plain data that a run folder holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from losszoo.common.text import counted
from losszoo.errors import UsageError, suggest
from losszoo.tasks.tables.columns import Column, is_yes, read_column_like, shown_cell
from losszoo.tasks.tables.encoding import Encoding, NumberCode, WordCode
from losszoo.tasks.tables.read_table import read_table

Array = npt.NDArray[Any]

_MOST_NAMED = 3


@dataclass(frozen=True)
class Form:
    """How a column is read: see :class:`losszoo.tasks.tables.columns.Column`."""

    name: str
    holds: str
    comma: str | None = None

    @classmethod
    def of(cls, column: Column) -> Form:
        """That of a column of the training table."""
        return cls(column.name, column.holds, column.comma)

    def read(self, frame: Any) -> Column:
        """The column of a table that has it."""
        return read_column_like(self.name, frame[self.name], self.holds, self.comma)


@dataclass(frozen=True)
class NewRows:
    """Rows as a network takes them.

    Args:
        inputs: (N, D) float64, before they are scaled.
        notes: of what training has not seen.
    """

    inputs: Array
    notes: tuple[str, ...]


@dataclass(frozen=True)
class TableForm:
    """All that has to be known of a table to encode further rows of it.

    Args:
        targets: the columns that are predicted.
        columns: those that are inputs.
        encoding: of them, by the training rows.
    """

    targets: tuple[Form, ...]
    columns: tuple[Form, ...]
    encoding: Encoding

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> TableForm:
        """From :meth:`to_dict`, also after JSON has made lists of tuples."""
        numbers = tuple(NumberCode(**code) for code in told["encoding"]["numbers"])
        words = tuple(
            WordCode(code["name"], tuple(code["words"]), tuple(code["rare"])) for code in told["encoding"]["words"]
        )
        targets, columns = (tuple(Form(**form) for form in told[name]) for name in ("targets", "columns"))
        return cls(targets, columns, Encoding(numbers, words))

    def read(self, table: Any) -> Any:
        """The table as a DataFrame; it may hold further columns, in any order.

        Args:
            table: path of a CSV, TSV or Parquet file, or a DataFrame.

        Raises:
            UsageError: a column is missing; names it.
            DataError: it cannot be read, or is empty.
        """
        frame, _ = read_table(table)
        missing = [form.name for form in self.columns if form.name not in frame.columns]
        if missing:
            more = f" and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
            near = f"; {suggest(missing[0], list(frame.columns))}" if len(missing) == 1 else ""
            raise UsageError(
                f"a table to predict must have the columns of training, got none named "
                f"{', '.join(map(repr, missing[:_MOST_NAMED]))}{more}{near}"
            )
        return frame

    def encoded(self, frame: Any) -> NewRows:
        """The inputs of the rows of :meth:`read`.

        Raises:
            DataError: a cell that is no finite number in a column of numbers: names column and row.
        """
        columns = {form.name: form.read(frame) for form in self.columns}
        notes = [note for column in columns.values() for note in column.notes]
        notes += [note for code in self.encoding.numbers if (note := _new_gaps(code, columns[code.name]))]
        notes += [note for code in self.encoding.words if (note := _new_words(code, columns[code.name]))]
        return NewRows(self.encoding.inputs(columns), tuple(notes))

    def labels(self, frame: Any, class_names: Sequence[str]) -> Array:
        """(N,) int64 labels of the target's column; -1 for a gap and for what is none of the classes."""
        column = self.targets[0].read(frame)
        values = class_values(self.targets[0].holds, class_names)
        found = np.full(len(column.values), -1, dtype=np.int64)
        for label, value in enumerate(values):
            found[column.values == value] = label
        return found

    def numbers(self, frame: Any) -> Array:
        """Float64 numbers of the target's column, (N,), or of several, (N, K); NaN for a gap."""
        columns = [target.read(frame).values for target in self.targets]
        return columns[0] if len(columns) == 1 else np.stack(columns, 1)


def class_values(holds: str, class_names: Sequence[str]) -> Array:
    """The classes as their column holds them: words, False and True, or numbers."""
    if holds == "yes-no":
        return np.array([is_yes(name) for name in class_names])
    if holds == "words":
        return np.array(class_names)
    return np.array([int(name) if name.lstrip("-").isdecimal() else float(name) for name in class_names])


def _new_gaps(code: NumberCode, column: Column) -> str:
    gaps = int(column.gaps.sum())
    if not gaps or code.marks_gaps or column.notes:
        return ""
    said = counted(gaps, "gap")
    return f"{code.name}: {said}, of which training rows have none: filled with their median {code.median:g}"


def _new_words(code: WordCode, column: Column) -> str:
    known = {*code.words, *code.rare}
    new = np.array([word not in known for word in column.values], bool)
    if not new.any():
        return ""
    different, counts = np.unique(column.values[new], return_counts=True)
    often = [shown_cell(word) if word else "no value" for word in different[np.argsort(-counts, kind="stable")]]
    shown = ", ".join([*often[:_MOST_NAMED], *["..."] * (len(often) > _MOST_NAMED)])
    taken = "taken as rare words" if code.has_rare else "taken as none of its words"
    rows = f"{int(new.sum())} of {counted(len(new), 'row')}"
    return f"{code.name}: {rows} with words that training rows have not ({shown}), {taken}"
