"""One silent check alone, by one ordinary input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from losszoo.doctor.diagnosis.failure import Failure
from losszoo.doctor.diagnosis.search import Search
from losszoo.doctor.effort import Effort
from losszoo.doctor.subject.resolve import subjects_of
from losszoo.doctor.subject.subject import Subject


def failures_of(
    check: Callable[[Subject, Search], None], loss: Callable[..., Any], inputs: Callable[[], Any]
) -> tuple[list[Failure], list[str]]:
    """What the check finds, and what it notes."""
    ((_, subject),) = subjects_of(loss, None, None, inputs, 0)
    search = Search(Effort())
    check(subject, search)
    return list(search.failures.values()), list(search.notes)
