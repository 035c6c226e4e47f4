"""A way to compute an operation that does not break, as code."""

from __future__ import annotations

from dataclasses import dataclass

from losszoo.doctor.remedies.writing import Make


@dataclass(frozen=True)
class Remedy:
    """A way to compute an operation that does not break.

    Args:
        name: short, unique in the table.
        make: writes the code from the operation's operands; None where it does not apply.
    """

    name: str
    make: Make
