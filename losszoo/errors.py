"""The errors a user of losszoo can meet. A message says the rule, what came instead, and the next step."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

NO_ALIASES: Mapping[str, str] = {}
# So many names still tell something; more would bury the message.
_MOST_NAMES = 40


class LosszooError(Exception):
    """Base of all errors that are the product's answer, not its failure: printed without a traceback."""


class UsageError(LosszooError, ValueError):
    """A name, key, expression or argument that is not acceptable. Exit code 2.

    Args:
        message: says the rule, what came instead, and the next step.
        argument: name of the argument of a loss that breaks its rule; empty where it is something else.
    """

    def __init__(self, *message: object, argument: str = "") -> None:
        super().__init__(*message)
        self.argument = argument


class SharedError(UsageError):
    """An error that is the same on every rank of a run; the first rank prints it."""


class NotApplicableError(UsageError):
    """An option that a loss cannot take, by what it computes. No fault of the loss."""


class EmptyBatchError(UsageError):
    """An empty batch, where ``empty="raise"``."""


class UnknownNameError(UsageError, LookupError):
    """A loss, task, trunk or key that is not known; the message carries the nearest known names."""


class UntrustedError(UsageError):
    """Text from a file that names code outside the registry, which the user has not allowed to run."""


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


def usage_error_like(error: Exception) -> type[UsageError]:
    """What to raise in place of an error, with more words: its own type, where callers tell it from others."""
    return type(error) if isinstance(error, NotApplicableError | EmptyBatchError) else UsageError


def suggest(name: str, known: list[str], aliases: Mapping[str, str] = NO_ALIASES) -> str:
    """The end of an unknown-name message: the nearest names, else all of them where they are few.

    Args:
        name: as it was written.
        known: the names.
        aliases: other names, each with the one that it stands for.

    Example:
        >>> suggest("focl", ["bce", "focal"])
        'did you mean focal?'
        >>> suggest("CE", ["bce", "cross-entropy"])
        'did you mean cross-entropy or bce?'
        >>> suggest("pinbal", ["quantile"], {"pinball": "quantile"})
        'did you mean quantile (pinball)?'
        >>> suggest("zzz", ["bce", "focal"])
        'known: bce, focal'
    """
    near = nearest(name, [*known, *aliases])
    if near:
        owners = dict.fromkeys(aliases.get(found, found) for found in near)
        shown = [owner if owner in near else f"{owner} ({_alias_of(owner, near, aliases)})" for owner in owners]
        return f"did you mean {' or '.join(shown)}?"
    if not known:
        return "nothing of this kind is installed"
    if len(known) > _MOST_NAMES:
        return f"none of the {len(known)} known names is near"
    return f"known: {', '.join(sorted(known))}"


def _alias_of(owner: str, near: list[str], aliases: Mapping[str, str]) -> str:
    return next(found for found in near if aliases.get(found) == owner)


def nearest(name: str, known: list[str]) -> list[str]:
    """At most three known names that may be meant: by class name (BCELoss), initials (ce), spelling, a part."""
    import difflib

    plain = {_plain(candidate): candidate for candidate in known}
    wanted = _plain(name)
    same = [p for p in plain if _folded(p) == _folded(wanted)]
    initials = [p for p in plain if "-" in p and "".join(part[:1] for part in p.split("-")) == wanted]
    alike = difflib.get_close_matches(wanted, plain, n=3, cutoff=0.6)
    parts = [p for p in plain if len(wanted) > 2 and wanted in p]
    return [plain[p] for p in dict.fromkeys([*same, *initials, *alike, *parts])][:3]


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")


def _folded(name: str) -> str:
    """A name without dashes and the word loss, as a class of another library is called: BCEWithLogitsLoss."""
    return name.replace("-", "").removesuffix("loss")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory has run out: on the CPU torch says so only in the text of a RuntimeError."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _OF_MEMORY)


def bytes_refused(error: BaseException) -> int | None:
    """How many bytes torch could not allocate on the CPU, read from its message; None where it does not say."""
    import re

    piece = re.search(r"allocate (\d+) bytes", str(error))
    return int(piece[1]) if piece else None


_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "cannot allocate memory")
