"""All rules, in the order in which their failures are best read."""

from __future__ import annotations

from losszoo.errors import UnknownNameError, UsageError, suggest
from losszoo.registry.registry import installed
from losszoo.testing.check import Check
from losszoo.testing.checks import (
    bad_arguments,
    compiling,
    copies,
    learning,
    low_precision,
    made_options,
    masking,
    reductions,
    row_independence,
    values,
)

# Those of a theme come in the order in which its file defines them.
_THEMES = (
    *(values, reductions, row_independence, masking, low_precision),
    *(copies, compiling, learning, bad_arguments, made_options),
)
CHECKS = tuple(rule for theme in _THEMES for rule in vars(theme).values() if isinstance(rule, Check))


def list_checks(signature: str | None = None, tags: tuple[str, ...] = ()) -> tuple[Check, ...]:
    """The rules, or those that concern a loss of a signature with some tags.

    Args:
        signature: of the loss; None for any.
        tags: of the loss.

    Raises:
        UsageError: there is no such signature.

    Example:
        >>> [check.name for check in list_checks("penalty") if "weight" in check.name]
        []
        >>> list_checks()[0].name
        'check_ordinary_batch'
    """
    if signature is None:
        return tuple(check for check in CHECKS if not set(check.without) & set(tags))
    if signature not in installed().signatures:
        near = suggest(signature, list(installed().signatures))
        raise UnknownNameError(f"unknown signature {signature!r}: {near}")
    return tuple(check for check in CHECKS if check.reason_against(signature, tags) is None)


def known_checks(names: object, what: str) -> frozenset[str]:
    """Names of rules, each of which there is.

    Args:
        names: a collection of names.
        what: whose names these are, for the error.

    Raises:
        UsageError: there is no such rule.
    """
    if isinstance(names, str) or not hasattr(names, "__iter__"):
        raise UsageError(f"{what} must hold names of checks, got {names!r}")
    known = [check.name for check in CHECKS]
    for name in names:
        if name not in known:
            raise UnknownNameError(f"{what}: unknown check {name!r}: {suggest(str(name), known)}")
    return frozenset(names)
