"""Texts for people: counts, units, lists cut short, and errors of any code in one line."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from losszoo.common.foreign_code import foreign_code
from losszoo.errors import LosszooError

_TIMES = ((3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "us"))
_SIZES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B"))


def printable(text: str) -> str:
    """Text without control characters, which could move a terminal's cursor or recolour it."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def kebab(text: str, otherwise: str) -> str:
    """A name in kebab-case from any text; accents are left out.

    Args:
        text: such as the name of a file.
        otherwise: where nothing of it is left; before a name that begins with a digit too.

    Example:
        >>> kebab("Größen_2024 (neu)", "table"), kebab("2024.q1", "table"), kebab("数据", "table")
        ('grossen-2024-neu', 'table-2024-q1', 'table')
    """
    plain = unicodedata.normalize("NFKD", text.casefold()).encode("ascii", "ignore").decode()
    name = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:80].strip("-")
    return name if name[:1].isalpha() else f"{otherwise}-{name}".strip("-")


def shown(value: Any) -> str:
    """A value as a message shows it: the ``repr``, and of a whole number too long to read, its size.

    Example:
        >>> shown("mean"), shown(10**400)
        ("'mean'", 'a whole number of 1329 bits')
    """
    if isinstance(value, int) and abs(value) > 10**40:
        return f"a whole number of {value.bit_length()} bits"
    try:
        return repr(value)
    except ValueError:  # Python writes down no whole number of more than 4300 digits, in a list either
        return f"{kind_name(value)} that is too long to be shown"


def kind_name(value: Any) -> str:
    """What a value is, with an article.

    Example:
        >>> kind_name(0.5), kind_name(3), kind_name(None)
        ('a float', 'an int', 'None')
    """
    name = type(value).__name__
    vowel = name.startswith((*"AEIOaeio", "nd"))  # an n-d array
    return "None" if value is None else f"{'an' if vowel else 'a'} {name}"


def listed(value: Any) -> list[Any] | None:
    """A sequence of any class, or an array of one dimension, as a list; None for text and for anything else.

    Example:
        >>> listed(("a", "b")), listed(range(2)), listed("ab")
        (['a', 'b'], [0, 1], None)
    """
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return list(value)
    # numpy's and torch's; their own numbers become those of Python.
    if getattr(value, "ndim", None) == 1 and hasattr(value, "tolist"):
        made: list[Any] = value.tolist()
        return made
    return None


def plain_list(value: Any) -> Any:
    """A sequence that is no list, tuple or text, as a YAML file gives it, as a list; anything else as it is."""
    return list(value) if isinstance(value, Sequence) and not isinstance(value, list | tuple | str | bytes) else value


def counted(count: int, noun: str) -> str:
    """``1 loss``, ``2 losses``, ``3 tasks``."""
    ending = "" if count == 1 else "es" if noun.endswith("s") else "s"
    return f"{count} {noun}{ending}"


def some_of(numbers: Sequence[int], shown: int = 5) -> str:
    """The first numbers, and how many more there are.

    Example:
        >>> some_of(range(7))
        '0, 1, 2, 3, 4 and 2 more'
    """
    text = ", ".join(map(str, numbers[:shown]))
    return f"{text} and {len(numbers) - shown} more" if len(numbers) > shown else text


def human_seconds(seconds: float) -> str:
    """
    Example:
        >>> human_seconds(0.00153), human_seconds(7300)
        ('1.53 ms', '2.03 h')
    """
    return _with_unit(seconds, _TIMES)


def human_bytes(count: float) -> str:
    """
    Example:
        >>> human_bytes(99_000_000_000), human_bytes(0)
        ('99 GB', '0 B')
    """
    return _with_unit(count, _SIZES)


def human_count(count: int) -> str:
    """
    Example:
        >>> human_count(65536)
        '65,536'
    """
    return f"{count:,}"


def human_times(ratio: float) -> str:
    """
    Example:
        >>> human_times(4.18), human_times(123.4)
        ('4.2x', '123x')
    """
    return f"{ratio:.0f}x" if ratio >= 10 else f"{ratio:.2g}x"


def _with_unit(number: float, units: tuple[tuple[float, str], ...]) -> str:
    size, unit = next((pair for pair in units if number >= pair[0]), units[-1])
    scaled = number / size
    digits = 0 if scaled >= 100 else 1 if scaled >= 10 else 2
    text = f"{scaled:,.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} {unit}"


def in_one_line(error: BaseException) -> str:
    """What was raised, and the line of the plugin's or the user's own file where it happened.

    Example:
        >>> in_one_line(ValueError("no such thing"))
        'ValueError: no such thing'
    """
    text = message_of(error)
    said = ": ".join(filter(None, ["" if isinstance(error, LosszooError) and text else type(error).__name__, text]))
    place = _place(error)
    return f"{said} ({place})" if place else said


def message_of(error: BaseException) -> str:
    """The text of an error in one line; one whose text raises says that."""
    with foreign_code() as pressed:
        try:
            return " ".join(str(error).split())
        except BaseException as second:  # an error that cannot even be printed must not hide itself, nor end us
            if pressed and isinstance(second, KeyboardInterrupt):
                raise
            return f"(its message raises {type(second).__name__})"


def _place(error: BaseException) -> str:
    """File, line and code of the innermost frame in the folder of the file that was loaded or called."""
    import os
    import traceback

    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return f"{_short(error.filename)}:{error.lineno}"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not _machinery(f.filename)]
    if not frames:
        return ""
    folder = os.path.dirname(frames[0].filename) + os.sep
    # A generated function ("<string>") stands in no folder.
    frame = ([f for f in frames if f.filename.startswith(folder)] or frames)[-1]
    return f"{_short(frame.filename)}:{frame.lineno}" + (f": {frame.line}" if frame.line else "")


def _machinery(filename: str) -> bool:
    """Whether a frame belongs to losszoo, pluggy, torch or Python's import, not to what they load or call."""
    import os
    import sys

    machines = (sys.modules.get(name) for name in ("losszoo", "pluggy", "torch", "importlib"))
    loaded = [getattr(machine, "__file__", None) for machine in machines]
    return filename.startswith(("<frozen", *(os.path.dirname(home) + os.sep for home in loaded if home)))


def _short(filename: str) -> str:
    """The last two parts of a path: enough to know the file, short enough to read."""
    return "/".join(filename.replace("\\", "/").split("/")[-2:])
