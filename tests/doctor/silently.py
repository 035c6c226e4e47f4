"""What an examination says of faults that leave every number finite."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from examining import examine

from losszoo.doctor.report.examination import Finding

# The silent checks look at the ordinary input before anything else; the rest of the search is cut short.
LEAST = 150


def told(loss: Callable[..., Any], *inputs: Any, symptom: str, effort: int = LEAST) -> list[Finding]:
    """The findings of one symptom."""
    return [f for f in examine(loss, *inputs, effort=effort).findings if f.symptom == symptom]


def noted(loss: Callable[..., Any], *inputs: Any) -> str:
    """All notes."""
    return "\n".join(examine(loss, *inputs, effort=LEAST).notes)


def line_of(loss: Callable[..., Any], text: str) -> str:
    """``file.py:12`` of the line of a loss that holds a text."""
    lines, first = inspect.getsourcelines(loss)
    file = inspect.getsourcefile(loss) or ""
    offset = next(i for i, line in enumerate(lines) if i and text in line)
    return f"{file.rpartition('/')[2]}:{first + offset}"
