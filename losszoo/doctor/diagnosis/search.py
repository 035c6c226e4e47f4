"""The search for failures: every probe is judged, and failures with the same culprit are one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from losszoo.common.text import in_one_line
from losszoo.doctor.diagnosis.blame import blame
from losszoo.doctor.diagnosis.failure import Failure
from losszoo.doctor.diagnosis.judge import Verdict, judge
from losszoo.doctor.diagnosis.refused_parameter import is_of_distributions, spoiled_parameter
from losszoo.doctor.effort import Effort
from losszoo.doctor.inputs.mutations import Tag
from losszoo.doctor.inputs.probes import Probe
from losszoo.doctor.report.wording import SYMPTOMS
from losszoo.doctor.subject.dtypes import short_name
from losszoo.doctor.subject.input_kinds import is_change_of_values
from losszoo.doctor.subject.subject import Leaves, Subject, evaluate
from losszoo.errors import is_out_of_memory
from losszoo.tracing.authors import raised_at
from losszoo.tracing.culprit import EXPONENTIAL

# A loss that fails everywhere has told all it can.
_MOST_FAILURES = 8
_WITHOUT_NEWS = 60
# Once so many large inputs have had a true value beyond the dtype, the next ones are taken to have it too.
_ENOUGH = 20
_MOST_NOTES = 8


@dataclass
class Search:
    """What has been found so far.

    Args:
        clock: the effort that may be spent.
        told: called with each new failure.
        trying: called with each probe before it is tried, in words.
    """

    clock: Effort
    told: Callable[[Failure], None] = lambda failure: None
    trying: Callable[[str], None] = lambda label: None
    failures: dict[tuple[Any, ...], Failure] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)
    probes: int = 0
    complete: bool = True
    _without_news: int = 0
    _beyond: int = 0
    _infinite_noted: bool = False
    _beyond_noted: bool = False
    _unasked_noted: bool = False
    _raises: dict[tuple[Any, ...], tuple[str, int]] = field(default_factory=dict)

    @property
    def blamed(self) -> set[tuple[str, str | None]]:
        """Operations and lines of which something is said already."""
        sites = [failure.blame.site if failure.blame else failure.site for failure in self.failures.values()]
        return {(site.op, site.source) for site in sites if site is not None}

    def try_all(
        self,
        subject: Subject,
        probes: Iterable[Probe],
        dtype: torch.dtype = torch.float32,
        share: float = 1.0,
        only: str = "",
        needed: bool = True,
    ) -> None:
        """Judge probes until they, the news or that share of the effort are at an end.

        Args:
            subject: whose.
            probes: to try.
            dtype: to compute in.
            share: of the effort that may be spent after them.
            only: count no other symptoms than those that begin so.
            needed: without them the search is not complete; others are a sample of many, as large as the effort.
        """
        self._without_news = 0
        for probe in probes:
            if self.clock.over(share):
                if needed and not self.clock.time_is_up:
                    self.leave_undone("the effort ended before every input was tried; --effort gives more")
                return
            if len(self.failures) >= _MOST_FAILURES or self._without_news >= _WITHOUT_NEWS:
                return
            self.try_one(subject, probe, dtype, only)

    def try_one(self, subject: Subject, probe: Probe, dtype: torch.dtype, only: str = "") -> Verdict:
        """Judge one probe."""
        self.probes += 1
        self.trying(f"on: {probe.label}")
        verdict = judge(subject, probe.leaves, dtype, look_into_size=self._beyond < _ENOUGH)
        self.trying(f"after: {probe.label}")
        self._beyond += verdict.beyond
        if verdict.sick and Tag.UNASKED in probe.tags:
            self._note_unasked(subject, probe, verdict, dtype)
        elif verdict.sick and str(verdict.symptom).startswith(only):
            self._add(subject, probe, verdict, dtype)
        elif verdict.infinite and not self._infinite_noted:
            self._infinite_noted = True
            self.note(f"the true value is infinite, which is no fault of the loss, on: {probe.label}")
        elif verdict.beyond and not self._beyond_noted and verdict.leaves is not None:
            self._note_beyond(subject, probe, verdict.leaves, dtype)
        elif verdict.error is not None:
            self._raised(subject, probe, verdict.error, dtype)
        return verdict

    def _raised(self, subject: Subject, probe: Probe, error: Exception, dtype: torch.dtype) -> None:
        """A refusal in words is an answer; anything else, on input that is legal for certain, is a failure."""
        if is_out_of_memory(error):
            self.leave_undone(f"the memory ended before every input was tried: {in_one_line(error)}")
            return
        if isinstance(error, ValueError) and is_of_distributions(error):
            self._spoiled(subject, probe, error, dtype)
            return
        if isinstance(error, ValueError | AssertionError | NotImplementedError):
            return
        if dtype.itemsize < 4 or not _is_certainly_legal(subject, probe.leaves):
            self._note_raised(error, dtype, probe)
            return

        def shows(leaves: Leaves) -> bool:
            return type(evaluate(subject, leaves, dtype).error) is type(error)

        self.add(
            Failure(subject, probe.label, "raises", dtype, probe.leaves, None, shows, error=error, tags=probe.all_tags)
        )

    def _spoiled(self, subject: Subject, probe: Probe, error: Exception, dtype: torch.dtype) -> None:
        """A distribution of torch refuses a parameter that the loss has computed from ordinary numbers."""
        told = spoiled_parameter(subject, probe.leaves, dtype)
        if told is None or dtype.itemsize < 4:
            return

        def shows(leaves: Leaves) -> bool:
            refused = evaluate(subject, leaves, dtype).error
            return refused is not None and is_of_distributions(refused)

        site, *said = told
        leaves, tags = probe.leaves, probe.all_tags
        failure = Failure(
            subject, probe.label, "raises", dtype, leaves, None, shows, said=(said[0], said[1]), site=site
        )
        self.add(replace(failure, tags=tags))

    def note(self, text: str) -> None:
        """Say something that is worth knowing, once."""
        if len(self.notes) < _MOST_NOTES:
            self.notes.setdefault(text)

    def _note_beyond(self, subject: Subject, probe: Probe, leaves: Leaves, dtype: torch.dtype) -> None:
        """A true value that is too large, and the operation that makes it: an exponential, mostly."""
        try:
            culprit = blame(subject, leaves, dtype)
        except Exception:  # a loss that cannot be recorded is told of where it fails
            return
        if culprit is not None and culprit.site.op in EXPONENTIAL and culprit.site.source:
            self._beyond_noted = True
            self.note(
                f"the true value is larger than {short_name(dtype)} holds, which is no fault of the loss, on: "
                f"{probe.label}; {culprit.site.op} at {culprit.site.source} makes it"
            )

    def _note_unasked(self, subject: Subject, probe: Probe, verdict: Verdict, dtype: torch.dtype) -> None:
        """What fails on an input with which nobody says that the loss is called."""
        if self._unasked_noted or verdict.leaves is None:
            return
        self._unasked_noted = True
        try:
            culprit = blame(subject, verdict.leaves, dtype)
        except Exception:  # the note says less then
            culprit = None
        where = f" ({culprit.site.op} at {culprit.site.source})" if culprit and culprit.site.source else ""
        self.note(
            f"{SYMPTOMS[str(verdict.symptom)]}{where} on: {probe.label}; it is a fault only if classes are excluded by "
            "-inf, of which the loss says nothing"
        )

    def _note_raised(self, error: Exception, dtype: torch.dtype, probe: Probe) -> None:
        """One line for all inputs on which the same kind of error comes from the same line."""
        key = dtype, type(error), raised_at(error)
        if key not in self._raises:
            first = f"in {short_name(dtype)} it raises {in_one_line(error)} on: {probe.label}"
            self._raises[key] = first, 0
            self.note(first)
            return
        first, more = self._raises[key]
        known = _and_others(first, more)
        self._raises[key] = first, more + 1
        self.notes = {_and_others(first, more + 1) if text == known else text: None for text in self.notes}

    def leave_undone(self, why: str) -> None:
        """Not all is tried that should be; the first reason is said, before everything else."""
        if self.complete:
            self.notes = {why: None, **self.notes}
        self.complete = False

    def _add(self, subject: Subject, probe: Probe, verdict: Verdict, dtype: torch.dtype) -> None:
        assert verdict.leaves is not None
        assert verdict.symptom is not None
        try:
            culprit = blame(subject, verdict.leaves, dtype)
        except Exception as error:
            self.note(f"the operation at fault is not known, since a recorded call raises {in_one_line(error)}")
            culprit = None
        self.add(Failure(subject, probe.label, verdict.symptom, dtype, verdict.leaves, culprit, tags=probe.all_tags))

    def add(self, failure: Failure) -> None:
        """Keep a failure, unless the same operation on the same line is to blame for one already."""
        key: tuple[Any, ...] = (failure.symptom, failure.site, failure.error and _line_of(failure.error))
        if failure.blame is not None:
            key = failure.blame.key
        if key in self.failures:
            self._without_news += 1
            return
        self._without_news = 0
        self.failures[key] = failure
        self.told(failure)


def _and_others(first: str, more: int) -> str:
    return f"{first}, and on {more} other{'s' if more > 1 else ''}" if more else first


def _line_of(error: Exception) -> str:
    """The author's line that raised, or the error itself: on other inputs the same line may use other words."""
    return str(raised_at(error) or error)


def _is_certainly_legal(subject: Subject, leaves: Leaves) -> bool:
    """The edge cases of a signature are, unless the loss has sizes of its own, which they need not fit.

    Beside an example it is another legal value of what the example holds, in its sizes.
    """
    own_sizes = isinstance(subject.call, nn.Module) and any(True for _ in subject.call.parameters())
    if subject.signature and not own_sizes and not subject.assumed:
        return True
    return is_change_of_values(subject, leaves)
