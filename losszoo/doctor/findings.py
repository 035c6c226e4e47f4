"""From a failure to what a person is told of it."""

from __future__ import annotations

from losszoo.doctor.causes import cause_of
from losszoo.doctor.examination import Finding
from losszoo.doctor.paste import call_of, inputs_of
from losszoo.doctor.remedies.trial import try_remedies
from losszoo.doctor.search import Clock, Failure
from losszoo.doctor.shrink import smallest


def finding_of(failure: Failure, clock: Clock) -> Finding:
    """Cause, smallest input and tried remedy of a failure, as far as the time allows."""
    trial = try_remedies(failure, clock)
    leaves = smallest(failure, clock)
    found = failure.blame
    return Finding(
        symptom=failure.symptom,
        dtype=str(failure.dtype).removeprefix("torch."),
        probe=failure.probe,
        op=found.site.op if found else None,
        source=found.site.source if found else None,
        cause=cause_of(found, failure.symptom),
        remedy=trial.text,
        input=inputs_of(failure.subject, leaves),
        verified=trial.verified,
        paste=call_of(failure.subject, leaves),
        code=found.site.code if found else None,
    )
