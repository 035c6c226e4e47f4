"""Where nobody has said what a loss is called with, it is accused only of what it does in every reading of that."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from losszoo.common.timeouts import TimeUpError
from losszoo.doctor.diagnosis.failure import Failure
from losszoo.doctor.diagnosis.search import Search
from losszoo.doctor.effort import Effort
from losszoo.doctor.inputs.mutations import Tag
from losszoo.doctor.report.wording import SYMPTOMS
from losszoo.doctor.silent.lost_pairing import look_for_lost_pairing
from losszoo.doctor.subject.assumed.argument_trial import described
from losszoo.doctor.subject.assumed.other_readings import readings_of_columns, readings_of_shapes, readings_of_values
from losszoo.doctor.subject.readiness import ready
from losszoo.doctor.subject.subject import Subject
from losszoo.errors import UsageError
from losszoo.tracing.authors import raised_at

_ORDINARY = 10.0
_WITH_A_DOMAIN = ("sqrt", "rsqrt", "log", "log2", "log10", "log1p", "pow", "acos", "asin", "atanh", "logit", "xlogy")
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
    if subject.assumed or subject.inferred:
        _keep_what_no_shape_ends(subject, search)
    if not subject.assumed:
        return
    bounded = any(_leaves_a_domain(failure) for failure in search.failures.values())
    if not any(_may_depend_at_all(failure) for failure in search.failures.values()):
        return  # readings cost calls, in larger shapes too
    for reading in itertools.chain(readings_of_values(subject, bounded), readings_of_shapes(subject)):
        kept = {key: x for key, x in search.failures.items() if _may_depend(x, reading) and _place(x)}
        if not kept:
            continue
        _to_notes(search, _not_shown(kept, reading, look, search.clock), subject, reading)


def _keep_what_no_shape_ends(subject: Subject, search: Search) -> None:
    """What a column beside a row does is the author's fault only where the loss takes them in no other shape."""
    for reading in readings_of_columns(subject):
        kept = {key: x for key, x in search.failures.items() if x.of_shapes}
        if not kept:
            return
        missing = _not_shown(kept, reading, lambda other, found: look_for_lost_pairing(found, other), search.clock)
        _to_notes(search, missing, subject, reading)


def _to_notes(search: Search, missing: Kept, subject: Subject, reading: Subject) -> None:
    for key, failure in missing.items():
        del search.failures[key]
        search.note(_said(failure, subject, reading))


def _may_depend(failure: Failure, reading: Subject) -> bool:
    """Whether a failure may come from what was assumed, and not be in another reading."""
    if _has_other_shapes(failure.subject, reading) and failure.of_shapes:
        return True
    if not _is_of_numbers(failure):
        return False
    bounded = reading.within_one != failure.subject.within_one
    return bounded or _has_other_shapes(failure.subject, reading) or _keeps_the_data(failure)


def _may_depend_at_all(failure: Failure) -> bool:
    return bool(_place(failure)) and (failure.of_shapes or _is_of_numbers(failure))


def _is_of_numbers(failure: Failure) -> bool:
    """Whether a number shows it that is not finite: other faults have evidence of their own."""
    shown = failure.symptom.startswith(("nan", "inf")) or failure.symptom == "raises"
    return shown and failure.said is None and Tag.EXCLUDING not in failure.tags


def _has_other_shapes(subject: Subject, reading: Subject) -> bool:
    pairs = zip(subject.leaves, reading.leaves, strict=True)
    return any(isinstance(a, Tensor) and a.shape != b.shape for a, b in pairs)


def _keeps_the_data(failure: Failure) -> bool:
    """Whether what comes from the data is still what was assumed, or rows of it: a changed one is legal by itself."""
    subject = failure.subject
    pairs = enumerate(zip(subject.leaves, failure.leaves, strict=True))
    given = [(a, b) for i, (a, b) in pairs if i not in subject.trained and isinstance(a, Tensor)]
    return all(_are_rows_of(b.to(a.dtype), a) for a, b in given)


def _are_rows_of(some: Tensor, all_of_them: Tensor) -> bool:
    """Whether each row of a tensor is one of another's."""
    if some.shape[1:] != all_of_them.shape[1:] or some.ndim != all_of_them.ndim or not some.ndim:
        return torch.equal(some, all_of_them)
    return all(any(torch.equal(row, other) for other in all_of_them) for row in some)


def _leaves_a_domain(failure: Failure) -> bool:
    """Whether numbers of ordinary size are outside what an operation takes: then the input may be bounded."""
    ordinary = all(_largest(x) <= _ORDINARY for x in failure.leaves)
    return ordinary and failure.blame is not None and failure.blame.site.op in _WITH_A_DOMAIN


def _largest(x: object) -> float:
    return float(x.abs().max()) if isinstance(x, Tensor) and x.is_floating_point() and x.numel() else 0.0


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
