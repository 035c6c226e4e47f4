"""Plain rows as a pandas DataFrame, where pandas is installed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from losszoo.errors import UsageError


def frame_of(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> Any:
    """A DataFrame with these columns first, and any others of the rows behind them.

    Raises:
        UsageError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise UsageError("to_frame needs pandas: pip install 'losszoo[tables]'") from None
    listed = list(rows)
    names = dict.fromkeys([*columns, *(name for row in listed for name in row)])
    return pandas.DataFrame(listed, columns=list(names))
