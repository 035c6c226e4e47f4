"""Lines of measured results, for the pages of a loss and of a task."""

from __future__ import annotations

from losszoo.tasks.measured import Measured


def measured_row(result: Measured, *lead: str) -> tuple[str, ...]:
    """The cells of a line: ``abalone  accuracy  0.6520  +- 0.0100  3rd of 41, 3 seeds``."""
    spread = "" if result.std is None else f"+- {result.std:.4f}"
    return (*lead, f"{result.mean:.4f}", spread, f"{_ordinal(result.place)} of {result.among}, {result.seeds} seeds")


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
