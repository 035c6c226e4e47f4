"""The errors a user of losszoo can meet. A message says the rule, what came instead, and the next step."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from losszoo.foreign import foreign_code

# So many names still tell something; more would bury the message.
_MOST_NAMES = 40


class LosszooError(Exception):
    """Base of all errors that are the product's answer, not its failure: printed without a traceback."""


class UsageError(LosszooError, ValueError):
    """A name, key, expression or argument that is not acceptable. Exit code 2."""


class SharedError(UsageError):
    """What every rank of a run is told alike; the first one says it."""


class UnknownNameError(UsageError, LookupError):
    """A loss, task, trunk or key that nobody offers; the message carries the nearest known names."""


class UntrustedError(UsageError):
    """Text from a file that names code outside the registry, which nobody on this machine has asked to run."""


class DataError(LosszooError):
    """A data file that is missing, altered or holds what cannot be learned from. Exit code 2."""


class MissingDataError(DataError):
    """A data file that is not on this machine, and could not be fetched."""


class NonFiniteError(LosszooError, ArithmeticError):
    """A loss or gradient that is NaN or infinite, raised by the guard before the optimizer is touched.

    Attributes:
        report: the :class:`losszoo.StepReport` of the step.
    """

    report: Any = None


def untrusted(error: UntrustedError, where: object, command: str, text: str) -> UntrustedError:
    """The same error with the file that names the code, and the commands that let it run."""
    return UntrustedError(
        f"{error} ({where}); if you trust it: {command} --trust, or {command} --loss {shlex.quote(text)}"
    )


def suggest(name: str, known: list[str]) -> str:
    """The end of an unknown-name message: the nearest names, else all of them where they are few.

    Example:
        >>> suggest("focl", ["bce", "focal"])
        'did you mean focal?'
        >>> suggest("CE", ["bce", "cross-entropy"])
        'did you mean cross-entropy or bce?'
        >>> suggest("zzz", ["bce", "focal"])
        'known: bce, focal'
    """
    near = nearest(name, known)
    if near:
        return f"did you mean {' or '.join(near)}?"
    if not known:
        return "nothing of this kind is installed"
    if len(known) > _MOST_NAMES:
        return f"none of the {len(known)} known names is near"
    return f"known: {', '.join(sorted(known))}"


def nearest(name: str, known: list[str]) -> list[str]:
    """At most three known names that may be meant: by initials (ce), by spelling, by a part (entropy)."""
    import difflib

    plain = {_plain(candidate): candidate for candidate in known}
    wanted = _plain(name)
    initials = [p for p in plain if "-" in p and "".join(part[:1] for part in p.split("-")) == wanted]
    alike = difflib.get_close_matches(wanted, plain, n=3, cutoff=0.6)
    parts = [p for p in plain if len(wanted) > 2 and wanted in p]
    return [plain[p] for p in dict.fromkeys([*initials, *alike, *parts])][:3]


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")


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
        return f"a {type(value).__name__} that is too long to be shown"


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


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory has run out: on the CPU torch says so only in the words of a RuntimeError."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _OF_MEMORY)


_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "cannot allocate memory")


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
