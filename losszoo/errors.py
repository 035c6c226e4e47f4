"""The errors a user of losszoo can meet. Every message says the rule, what came instead, and the next step."""

from __future__ import annotations


class LosszooError(Exception):
    """Base of all errors that are the product's answer, not its failure: printed without a traceback."""


class UsageError(LosszooError, ValueError):
    """A name, key, expression or argument that is not acceptable. Exit code 2."""


class UnknownNameError(UsageError, LookupError):
    """A loss, task, trunk or key that nobody offers; the message carries the nearest known names."""


class DataError(LosszooError):
    """A data file that is missing, altered or holds what cannot be learned from. Exit code 2."""


class NonFiniteError(LosszooError, ArithmeticError):
    """A loss or gradient that is NaN or infinite, raised by the guard before the optimizer is touched."""


def suggest(name: str, known: list[str]) -> str:
    """The end of an unknown-name message: the nearest names, else all of them.

    >>> suggest("focl", ["bce", "focal"])
    'did you mean focal?'
    >>> suggest("zzz", ["bce", "focal"])
    'known: bce, focal'
    """
    import difflib

    near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"known: {', '.join(sorted(known))}" if known else "nothing of this kind is installed"
