"""JSON files that may be damaged, and values that may be anything."""

from __future__ import annotations

import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from losszoo.common.files import DamagedError, read_json

_LARGEST_NUMBER = 1e150


class Reader:
    """Reads the files below a folder, and keeps a note of each that is damaged.

    Args:
        root: that the notes name the files from.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.notes: list[str] = []

    def json(self, path: Path, kind: type[Any], required: bool = False) -> Any:
        """What a file holds; an empty value of ``kind`` where it is missing or damaged.

        Args:
            path: of the file; a link, a pipe or a device is as good as missing.
            kind: dict or list.
            required: note it where it is missing too.
        """
        try:
            about = path.lstat()
            regular = stat.S_ISREG(about.st_mode)
            found = read_json(path, checked=False) if regular else None
        except FileNotFoundError:
            found = regular = None
        except OSError as error:
            return self._damaged(path, error.strerror or type(error).__name__, kind)
        except DamagedError as error:
            return self._damaged(path, f"damaged: {error}", kind)
        if not regular:
            return self._damaged(path, "missing", kind) if required else kind()
        if not isinstance(found, kind):
            return self._damaged(path, f"damaged: it holds no {kind.__name__}", kind)
        return found

    def note(self, path: Path, text: str) -> None:
        """A line for the page."""
        self.notes.append(f"{self.name(path)}: {text}")

    def name(self, path: Path) -> str:
        """Of a file, from the root on."""
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)

    def _damaged(self, path: Path, text: str, kind: type[Any]) -> Any:
        self.note(path, text)
        return kind()


def number(value: Any) -> float | None:
    """A finite number whose square is finite too, so that means and deviations are; or None.

    Example:
        >>> number(3), number("3"), number(float("nan")), number(10**400)
        (3.0, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if abs(found) <= _LARGEST_NUMBER else None


def whole(value: Any, otherwise: int = 0) -> int:
    """A whole number."""
    found = number(value)
    return otherwise if found is None else int(found)


def text(value: Any) -> str:
    """Text; nothing where it is none."""
    return value if isinstance(value, str) else ""


def mapping(value: Any) -> Mapping[str, Any]:
    """A mapping; an empty one where it is none."""
    return value if isinstance(value, Mapping) else {}


def sequence(value: Any) -> Sequence[Any]:
    """A list; an empty one where it is none."""
    return value if isinstance(value, list) else []


def columns(table: Mapping[str, Any], names: Sequence[str]) -> list[Sequence[Any]] | None:
    """Columns of equal length; None where one is missing or they differ."""
    found = [sequence(table.get(name)) for name in names]
    return found if found[0] and len({len(column) for column in found}) == 1 else None
