"""A table as it was written: a CSV, TSV or Parquet file, or a DataFrame. What a column means is judged elsewhere."""

from __future__ import annotations

import csv
import hashlib
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from losszoo.common.files import check_regular
from losszoo.common.text import in_one_line, kind_name
from losszoo.errors import DataError, UsageError, suggest

if TYPE_CHECKING:
    from losszoo.tasks.tables.first_line import FirstLine

# What is said of a table, and not of a run.
TABLE_OPTIONS = ("target", "kind", "split", "group", "time", "drop", "positive")

# The separator that an ending promises; None where the file has none.
ENDINGS: Mapping[str, str | None] = MappingProxyType({".csv": ",", ".tsv": "\t", ".parquet": None, ".pq": None})
_SEPARATORS = (",", ";", "\t", "|")
_FIRST_BYTES = 65_536
_TRIED_LINES = 50
_SHOWN = 5
_LONGEST = 60


def is_table(text: str) -> bool:
    """Whether text is the path of a table, by its ending.

    Example:
        >>> is_table("churn.csv"), is_table("digits")
        (True, False)
    """
    return Path(text).suffix.lower() in ENDINGS


def digest_of(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of_frame(frame: Any) -> str:
    """The SHA-256 of the names and cells of a DataFrame."""
    cells = _pandas().util.hash_pandas_object(frame.astype(str), index=False).to_numpy()
    return hashlib.sha256(repr([*frame.columns]).encode() + cells.tobytes()).hexdigest()


def read_table(table: Any) -> tuple[Any, tuple[str, ...]]:
    """The table, and what was noticed. Cells of a text file stay texts.

    Args:
        table: path of a file, or a DataFrame.

    Raises:
        UsageError: pandas is not installed, or the ending tells no format.
        DataError: a file that is not there, is empty, has no line of names, or cannot be read.
    """
    pandas = _pandas()
    notes: tuple[str, ...] = ()
    where = "the DataFrame"
    if isinstance(table, pandas.DataFrame):
        frame = table.reset_index(drop=True)
    elif isinstance(table, str | Path):
        where = str(table)
        frame, notes = _from_file(Path(table))
    else:
        raise UsageError(f"a table must be the path of a file or a pandas DataFrame, got {kind_name(table)}")
    written = all(isinstance(name, str) for name in frame.columns)
    frame.columns = [str(name).strip() for name in frame.columns]
    _check(where, frame)
    if isinstance(table, pandas.DataFrame) and written:
        from losszoo.tasks.tables.first_line import judge_first_line  # loads numpy

        first = judge_first_line(list(frame.columns), frame)
        if first.is_row:
            raise _row_for_names(where, list(frame.columns), "read it with header=None, then name its columns")
        notes = _noted_names(where, list(frame.columns), first)
    return frame, notes


def _pandas() -> Any:
    try:
        import pandas
    except ImportError:
        raise UsageError(
            "pandas is not installed, and a table is read with it: pip install 'losszoo[tables]'"
        ) from None
    return pandas


def _from_file(path: Path) -> tuple[Any, tuple[str, ...]]:
    if not path.exists():
        beside = [p.name for p in sorted(path.parent.glob("*")) if is_table(p.name)] if path.parent.is_dir() else []
        near = f"; {suggest(path.name, beside)}" if beside else ""
        raise DataError(f"a table must be a file that is there, got {path}{near}")
    check_regular(path)
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise UsageError(
            f"a table must end with {', '.join(ENDINGS)}, got {path}; or give a pandas DataFrame in Python"
        )
    if not path.stat().st_size:
        raise DataError(f"{path} must hold a line of names and rows, got an empty file")
    if ENDINGS[ending] is None:
        return _from_parquet(path), ()
    return _from_text(path, str(ENDINGS[ending]))


def _from_parquet(path: Path) -> Any:
    try:
        return _pandas().read_parquet(path)
    except ImportError as error:
        raise UsageError(
            "pyarrow is not installed, and Parquet is read with it: pip install 'losszoo[tables]'"
        ) from error
    except Exception as error:  # the error is that of the library that reads the format
        raise DataError(f"{path} must be a Parquet file, got one that cannot be read: {in_one_line(error)}") from error


def _from_text(path: Path, promised: str) -> tuple[Any, tuple[str, ...]]:
    _refuse_line_before_names(path)
    separator = _separator(path, promised)
    names = _names(path, separator)
    try:
        frame = _pandas().read_csv(path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise _not_utf8(path, error) from error
    except ValueError as error:  # of pandas: too many cells in a line, or no row at all
        raise DataError(f"{path} cannot be read as a table: {in_one_line(error)}") from error
    if not isinstance(frame.index, _pandas().RangeIndex):  # what pandas makes of a first cell without a name
        raise DataError(
            f"{path} must have {len(names)} cells in each row, as many as names, got more; name every column, and "
            "delete what stands before the line of names"
        )
    from losszoo.tasks.tables.first_line import judge_first_line  # loads numpy

    first = judge_first_line(names, frame)
    if first.is_row:
        raise _row_for_names(str(path), names, "add a line of names")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"columns of {path} must have different names, got {twice[0]!r} twice; rename one of them")
    notes = () if separator == promised else (f"columns of {path.name} are separated by {separator!r}",)
    return frame, (*notes, *_noted_names(path.name, names, first))


def _row_for_names(where: str, names: Sequence[str], step: str) -> DataError:
    return DataError(
        f"the first line of {where} must name the columns, got a row like those below it ({', '.join(names[:_SHOWN])}, "
        f"...); {step}"
    )


def _noted_names(where: str, names: Sequence[str], first: FirstLine) -> tuple[str, ...]:
    shown = ", ".join([*names[:_SHOWN], *["..."] * (len(names) > _SHOWN)])
    return (f"{where}: its first line is taken for the names of the columns: {shown}",) if first.may_be else ()


def _refuse_line_before_names(path: Path) -> None:
    """What programs write before the line of names, each refused by what it is."""
    first, second = (*_first_lines(path), "")[:2]
    if re.fullmatch(r'"?sep=.{0,2}"?', first.strip(), re.IGNORECASE):
        raise DataError(
            f"the first line of {path} must name the columns, got {first.strip()!r}, which tells a spreadsheet what "
            "stands between cells; delete that line"
        )
    alike = any(0 < first.count(one) == second.count(one) for one in _SEPARATORS)
    if first.startswith("#") and not alike:
        raise DataError(
            f"the first line of {path} must name the columns, got a comment ({first[:_LONGEST].strip()}); delete the "
            "lines that begin with #"
        )


def _first_lines(path: Path) -> list[str]:
    """Those of the first bytes, but for one that is cut there; at least one."""
    with path.open("rb") as file:
        lines = file.read(_FIRST_BYTES).decode("utf-8-sig", errors="replace").splitlines()
        return (lines[:-1] if file.read(1) else lines) or lines or [""]


def _separator(path: Path, promised: str) -> str:
    """The one that parts each of the first lines into the same number of cells, into most where several do.

    Where none does, it is the promised one, unless the line of names has none of it and more of another one.
    """
    lines = _first_lines(path)[:_TRIED_LINES]
    widths = {one: _widths(lines, one) for one in (promised, *_SEPARATORS)}
    even = {one: cells[0] for one, cells in widths.items() if len(set(cells)) == 1 and cells[0] > 1}
    if even:
        return max(even, key=lambda one: even[one])
    return promised if promised in lines[0] else max(widths, key=lines[0].count)


def _widths(lines: Sequence[str], separator: str) -> list[int]:
    """How many cells the lines have; that of a table whose cells hold ends of lines are as they come."""
    try:
        return [len(cells) for cells in csv.reader(lines, delimiter=separator) if cells]
    except csv.Error:
        return []


def _names(path: Path, separator: str) -> list[str]:
    """The names of the columns, each once."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            names = [name.strip() for name in next(csv.reader(file, delimiter=separator), [])]
    except UnicodeDecodeError as error:
        raise _not_utf8(path, error) from error
    except csv.Error as error:
        raise DataError(f"{path} cannot be read as a table: {in_one_line(error)}") from error
    if not any(names):
        raise DataError(f"the first line of {path} must name the columns, got an empty one; add a line of names")
    if all(_is_number(name) for name in names):
        raise DataError(
            f"the first line of {path} must name the columns, got numbers ({', '.join(names[:3])}, ...); add a line of "
            "names"
        )
    return names


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _not_utf8(path: Path, error: UnicodeDecodeError) -> DataError:
    byte = error.object[error.start]
    with path.open("rb") as file:
        encoding = "UTF-16" if file.read(2) in (BOM_UTF16_LE, BOM_UTF16_BE) else "WINDOWS-1252"
    return DataError(
        f"{path} must be text in UTF-8, got the byte 0x{byte:02x}; write it anew in UTF-8, as with "
        f"iconv -f {encoding} -t UTF-8 {path.name} > new.csv"
    )


def _check(where: str, frame: Any) -> None:
    names = list(frame.columns)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"columns of {where} must have different names, got {twice[0]!r} twice; rename one of them")
    if not len(frame):
        raise DataError(f"{where} must hold rows, got names alone: {', '.join(names[:5])}")
