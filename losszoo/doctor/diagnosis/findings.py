"""From a failure to what a person is told of it."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from losszoo.common.text import in_one_line
from losszoo.doctor.diagnosis.causes import cause_of
from losszoo.doctor.diagnosis.search import Failure
from losszoo.doctor.diagnosis.shrink import smallest
from losszoo.doctor.effort import Effort
from losszoo.doctor.remedies.try_remedies import try_remedies
from losszoo.doctor.report.examination import Finding
from losszoo.doctor.report.python_literal import call_of, inputs_of
from losszoo.doctor.subject.subject import Leaves
from losszoo.tracing.authors import raised_at


def finding_of(failure: Failure, clock: Effort) -> Finding:
    """Cause, smallest input and tried remedy of a failure, as far as the effort allows."""
    if failure.error is not None:
        return _raised(failure, failure.error, clock)
    trial = try_remedies(failure, clock)
    leaves = _in_dtype(smallest(failure, clock, trial.cures), failure.dtype)
    return replace(
        bare_finding(failure),
        remedy=failure.said[1] if failure.said else trial.text,
        verified=trial.verified,
        input=inputs_of(failure.subject, leaves),
        paste=call_of(failure.subject, leaves),
    )


def bare_finding(failure: Failure) -> Finding:
    """A failure as it was found, where no time is left to shrink its input or to try a remedy."""
    found = failure.blame
    raised = in_one_line(failure.error) if failure.error is not None else ""
    leaves = _in_dtype(failure.leaves, failure.dtype)
    return Finding(
        symptom=failure.symptom,
        dtype=str(failure.dtype).removeprefix("torch."),
        probe=failure.probe,
        op=found.site.op if found else None,
        source=found.site.source if found else None,
        cause=raised or (failure.said[0] if failure.said else cause_of(found, failure.symptom)),
        remedy=failure.said[1] if failure.said else "",
        input=inputs_of(failure.subject, leaves),
        paste=call_of(failure.subject, leaves),
        code=found.site.code if found else None,
    )


def _in_dtype(leaves: Leaves, dtype: torch.dtype) -> Leaves:
    """The numbers as the loss got them."""
    return [x.to(dtype) if isinstance(x, Tensor) and x.is_floating_point() else x for x in leaves]


def _raised(failure: Failure, error: Exception, clock: Effort) -> Finding:
    """An input that is legal, and that the loss does not survive."""
    place = raised_at(error)
    leaves = smallest(failure, clock)
    return Finding(
        symptom=failure.symptom,
        dtype=str(failure.dtype).removeprefix("torch."),
        probe=failure.probe,
        op=None,
        source=str(place) if place else None,
        cause=in_one_line(error),
        remedy="give an answer for this input, or refuse it with a ValueError that says why",
        input=inputs_of(failure.subject, leaves),
        paste=call_of(failure.subject, leaves),
    )
