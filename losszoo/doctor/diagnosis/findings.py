"""From a failure to what a person is told of it."""

from __future__ import annotations

from dataclasses import replace

from losszoo.common.text import in_one_line
from losszoo.doctor.diagnosis.causes import cause_of
from losszoo.doctor.diagnosis.search import Failure
from losszoo.doctor.diagnosis.shrink import smallest
from losszoo.doctor.effort import Effort
from losszoo.doctor.remedies.try_remedies import Trial, try_remedies
from losszoo.doctor.report.examination import Finding
from losszoo.doctor.report.python_literal import call_of, inputs_of
from losszoo.doctor.subject.dtypes import short_name
from losszoo.doctor.subject.subject import cast
from losszoo.tracing.authors import raised_at
from losszoo.tracing.tape import Site


def finding_of(failure: Failure, clock: Effort) -> Finding:
    """Cause, smallest input and tried remedy of a failure, as far as the effort allows."""
    if failure.error is not None:
        place = raised_at(failure.error)
        trial = Trial("give an answer for this input, or refuse it with a ValueError that says why", None)
        leaves = smallest(failure, clock)
        finding = replace(bare_finding(failure), source=str(place) if place else None)
    else:
        trial = Trial(*failure.trial()) if failure.trial is not None else try_remedies(failure, clock)
        leaves = cast(smallest(failure, clock, trial.cures), failure.dtype)
        finding = bare_finding(failure)
    return replace(
        finding,
        remedy=(failure.said[1] if failure.said and failure.trial is None else "") or trial.text,
        verified=trial.verified,
        input=inputs_of(failure.subject, leaves),
        paste=call_of(failure.subject, leaves),
    )


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
