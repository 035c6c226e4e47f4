"""From a failure to what a person is told of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from losszoo.common.text import in_one_line
from losszoo.common.timeouts import TimeUpError
from losszoo.doctor.diagnosis.causes import cause_of
from losszoo.doctor.diagnosis.failure import Failure
from losszoo.doctor.diagnosis.shrink import smallest
from losszoo.doctor.effort import Effort
from losszoo.doctor.remedies.try_remedies import Trial, try_remedies
from losszoo.doctor.report.examination import Finding
from losszoo.doctor.report.python_literal import call_of, inputs_of
from losszoo.doctor.report.wording import SYMPTOMS
from losszoo.doctor.subject.dtypes import short_name
from losszoo.doctor.subject.subject import cast
from losszoo.tracing.authors import raised_at
from losszoo.tracing.tape import Site

_MOST_OTHERS = 3


@dataclass(eq=False)
class Cause:
    """Failures that the same replacement ends: the most telling one, what was tried for it, and the others."""

    failure: Failure
    trial: Trial
    others: list[Failure] = field(default_factory=list)


def findings_of(failures: Sequence[Failure], clock: Effort) -> list[Finding]:
    """One finding for each cause, as far as effort and time allow.

    Args:
        failures: the most telling one first.
        clock: the effort that may be spent.
    """
    causes: list[Cause] = []
    for failure in failures:
        try:
            known = next((cause for cause in causes if _is_same(cause, failure, True)), None)
            if known is None:
                causes.append(Cause(failure, _trial_of(failure, clock)))
            else:
                known.others.append(failure)
        except TimeUpError:
            clock.time_is_up = True
            causes.append(Cause(failure, Trial("", None)))
    return [_told(cause, clock) for cause in _joined(causes, clock)]


def finding_of(failure: Failure, clock: Effort) -> Finding:
    """Cause, smallest input and tried remedy of a failure, as far as the effort allows."""
    return _finding(Cause(failure, _trial_of(failure, clock)), clock)


def _trial_of(failure: Failure, clock: Effort) -> Trial:
    if failure.trial is not None:
        return Trial(*failure.trial())
    if failure.error is not None:
        return Trial("give an answer for this input, or refuse it with a ValueError that says why", None)
    return try_remedies(failure, clock)


def _is_same(cause: Cause, failure: Failure, truly: bool) -> bool:
    """Whether the remedy of one failure ends another."""
    covers = cause.trial.covers
    return covers is not None and _may_join(cause, failure) and covers(failure, truly)


def _may_join(cause: Cause, failure: Failure) -> bool:
    """What was said of a failure is its own, and so is a cancellation: a guard behind it does not bring digits back."""
    own = failure.blame.why if failure.blame else ""
    return failure.said is None and (own != "cancellation" or own == getattr(cause.failure.blame, "why", ""))


def _joined(causes: Sequence[Cause], clock: Effort) -> list[Cause]:
    """Those of which the same was tried are one; one without a cure goes to where another's makes it finite."""
    kept: list[Cause] = []
    for cause in causes:
        home = next((other for other in kept if _is_alike(other, cause)), None)
        if home is None:
            kept.append(cause)
        else:
            home.others += [cause.failure, *cause.others]
    try:
        for cause in [cause for cause in kept if not cause.trial.verified]:
            home = next((other for other in kept if _is_same(other, cause.failure, False)), None)
            if home is not None:
                home.others += [cause.failure, *cause.others]
                kept.remove(cause)
    except TimeUpError:
        clock.time_is_up = True
    return kept


def _is_alike(one: Cause, other: Cause) -> bool:
    tried = [(cause.trial.text, cause.trial.verified) for cause in (one, other)]
    return tried[0] == tried[1] and tried[0][1] is not None and _may_join(one, other.failure)


def _told(cause: Cause, clock: Effort) -> Finding:
    """A finding with as much of its diagnosis as the time allows."""
    try:
        return _finding(cause, clock)
    except TimeUpError:
        clock.time_is_up = True
        return bare_finding(cause.failure)


def _finding(cause: Cause, clock: Effort) -> Finding:
    failure, trial = cause.failure, cause.trial
    if trial.root is not None and failure.blame is not None and trial.root.site != failure.blame.site:
        failure = replace(failure, blame=replace(failure.blame, record=trial.root, why="extreme"))
    finding = bare_finding(failure)
    if trial.guarded is not None and trial.guarded.site.source:
        # The words stay those of both operations.
        site = trial.guarded.site
        finding = replace(finding, op=site.op, source=site.source, code=site.code)
    if failure.error is not None:
        place = raised_at(failure.error)
        finding = replace(finding, source=str(place) if place else None)
    leaves = smallest(cause.failure, clock, trial.cures)
    if failure.error is None:
        leaves = cast(leaves, failure.dtype)
    return replace(
        finding,
        cause=finding.cause + _also(cause),
        remedy=(failure.said[1] if failure.said and failure.trial is None else "") or trial.text,
        verified=trial.verified,
        input=inputs_of(failure.subject, leaves),
        paste=call_of(failure.subject, leaves),
    )


def _also(cause: Cause) -> str:
    """The other symptoms of the same cause, with the operations that show them."""
    own = _brief(cause.failure)
    others = [text for text in dict.fromkeys(map(_brief, cause.others)) if text != own]
    return f"; it also shows as {', '.join(others[:_MOST_OTHERS])}" if others else ""


def _brief(failure: Failure) -> str:
    """``NaN gradient (log at my_loss.py:9)``."""
    site = failure.blame.site if failure.blame else failure.site
    said = SYMPTOMS[failure.symptom]
    return f"{said} ({site.op} at {site.source})" if site is not None and site.source else said


def bare_finding(failure: Failure) -> Finding:
    """A failure as it was found, where no time is left to shrink its input or to try a remedy."""
    site = failure.blame.site if failure.blame else failure.site or Site("")
    raised = in_one_line(failure.error) if failure.error is not None else ""
    leaves = cast(failure.leaves, failure.dtype)
    return Finding(
        symptom=failure.symptom,
        dtype=short_name(failure.dtype),
        probe=failure.probe,
        op=site.op or None,
        source=site.source,
        cause=raised or (failure.said[0] if failure.said else cause_of(failure.blame, failure.symptom)),
        remedy=failure.said[1] if failure.said else "",
        input=inputs_of(failure.subject, leaves),
        paste=call_of(failure.subject, leaves),
        code=site.code,
    )
