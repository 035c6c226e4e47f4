"""Where nobody has said what a loss is called with, it is accused only of what it does in every reading of that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from losszoo.common.timeouts import TimeUpError
from losszoo.doctor.diagnosis.failure import Failure
from losszoo.doctor.diagnosis.search import Search
from losszoo.doctor.effort import Effort
from losszoo.doctor.report.wording import SYMPTOMS
from losszoo.doctor.subject.assumed.argument_trial import described
from losszoo.doctor.subject.assumed.other_readings import readings_of_shapes, readings_of_values
from losszoo.doctor.subject.readiness import ready
from losszoo.doctor.subject.subject import Subject
from losszoo.errors import UsageError
from losszoo.tracing.authors import raised_at

# Of the effort of an examination.
_SHARE = 0.3

Look = Callable[[Search, Subject], object]
Kept = dict[tuple[Any, ...], Failure]


class _AllShownError(Exception):
    """A reading shows everything that was to be shown."""


def keep_what_every_reading_shows(subject: Subject, search: Search, look: Look) -> None:
    """Make a note of each failure that depends on what was assumed.

    Args:
        subject: with a batch that was assumed.
        search: holds its failures.
        look: searches for failures of a subject.
    """
    if not subject.assumed:
        return
    for reading, of_shapes in _readings(subject):
        kept = {key: x for key, x in search.failures.items() if not of_shapes or _is_of_numbers(x)}
        kept = {key: x for key, x in kept.items() if _place(x)}
        if not kept:
            continue
        missing = _not_shown(kept, reading, look, search.clock)
        for key, failure in missing.items():
            del search.failures[key]
            search.note(_said(failure, subject, reading))


def _readings(subject: Subject) -> Iterator[tuple[Subject, bool]]:
    yield from ((reading, False) for reading in readings_of_values(subject))
    yield from ((reading, True) for reading in readings_of_shapes(subject))


def _is_of_numbers(failure: Failure) -> bool:
    """Whether a number shows it: what two shapes do to each other depends on them by its nature."""
    return failure.said is None


def _not_shown(kept: Kept, reading: Subject, look: Look, clock: Effort) -> Kept:
    """Those of whose line a search in another reading finds nothing; none where it ends too early to tell."""
    effort = Effort(clock.limit * _SHARE, clock.seconds * _SHARE)
    wanted = {_place(failure) for failure in kept.values()}

    def told(failure: Failure) -> None:
        wanted.discard(_place(failure))
        if not wanted:
            raise _AllShownError

    search = Search(effort, told)
    try:
        look(search, replace(ready(reading), effort=effort))
    except (_AllShownError, TimeUpError, UsageError):
        return {}
    return {key: failure for key, failure in kept.items() if _place(failure) in wanted} if search.complete else {}


def _place(failure: Failure) -> str:
    """The author's line; "" where none is to blame."""
    site = failure.blame.site if failure.blame else failure.site
    if failure.error is not None:
        return str(raised_at(failure.error) or "")
    return site.source or "" if site else ""


def _said(failure: Failure, subject: Subject, reading: Subject) -> str:
    """What depends on what."""
    site = failure.blame.site if failure.blame else failure.site
    op = f"{site.op} at " if site else ""
    return (
        f"{SYMPTOMS[failure.symptom]} ({op}{_place(failure)}) on: {failure.probe}; so with {described(subject)}, "
        f"and not with {described(reading)}, which the loss accepts too: --example tells which it is"
    )
