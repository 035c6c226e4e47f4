"""The examination: everything that is tried, in the order in which it is tried."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from losszoo.common.seeding import isolated
from losszoo.common.text import in_one_line
from losszoo.common.timeouts import TimeUpError
from losszoo.doctor.diagnosis.accuracy import inaccuracies
from losszoo.doctor.diagnosis.edge_probes import edge_probes
from losszoo.doctor.diagnosis.failure import Failure
from losszoo.doctor.diagnosis.findings import bare_finding, findings_of
from losszoo.doctor.diagnosis.pushed_away import vanished_when_pushed
from losszoo.doctor.diagnosis.scale_sweep import strips
from losszoo.doctor.diagnosis.search import Search
from losszoo.doctor.diagnosis.vanished_gradient import vanished
from losszoo.doctor.effort import EFFORT, SECONDS, Effort
from losszoo.doctor.in_every_reading import keep_what_every_reading_shows
from losszoo.doctor.inputs.gradient_search import pushes
from losszoo.doctor.inputs.half_precision import enlarged, in_half
from losszoo.doctor.inputs.mutations import Tag
from losszoo.doctor.inputs.probes import combined, ordinary, outliers, structural
from losszoo.doctor.journal import journal
from losszoo.doctor.losses_in_file import check_names_a_loss
from losszoo.doctor.remedies.one_line.masked_one_hot import masked_one_hot
from losszoo.doctor.remedies.try_remedies import try_remedies
from losszoo.doctor.report.examination import SYMPTOMS, Examination, Finding, Strip
from losszoo.doctor.report.wording import SYMPTOMS as WORDS
from losszoo.doctor.report.wording import unexplained_marks
from losszoo.doctor.silent.gradients.missing_derivative import look_for_missing_derivative
from losszoo.doctor.silent.silent_checks import CHECKS
from losszoo.doctor.silent.written_inputs import look_for_overwritten_graph
from losszoo.doctor.subject.answers import Refusal
from losszoo.doctor.subject.dtypes import eager, quiet, short_name
from losszoo.doctor.subject.preliminary_notes import colder, facts
from losszoo.doctor.subject.readiness import own_dtype
from losszoo.doctor.subject.resolve import subjects_of
from losszoo.doctor.subject.subject import Leaves, Subject, evaluate
from losszoo.errors import UsageError, nearest, suggest
from losszoo.losses.introspection import name_of
from losszoo.registry.compatibility import own_names
from losszoo.registry.specs import EXPECTS
from losszoo.tracing.authors import Place, raised_at

DTYPES = ("float32", "bfloat16", "float16", "float64")
_HALVES = (torch.bfloat16, torch.float16)


def examine(
    loss: str | Callable[..., Any],
    signature: str | None = None,
    expects: str | None = None,
    example: Callable[[], Any] | None = None,
    dtypes: Sequence[str | torch.dtype] = ("float32",),
    seed: int = 0,
    effort: int = EFFORT,
    budget: float = SECONDS,
) -> Examination:
    """Look for inputs on which a loss breaks; say which operation is to blame, why, and what cures it.

    It runs in this process. The memory of what torch allocates is foreseen: no input is tried for which more than 1 GB
    is predicted. Not bounded are a call that does not return, memory that the loss takes outside torch or on some
    inputs only, and a thread or process that it starts. ``losszoo doctor`` examines in a process with hard limits.

    Args:
        loss: a name, an expression, a target ("file.py:MyLoss", "package.module:my_loss"), or any callable.
        signature: of a loss of one's own; read off its argument names when left out.
        expects: "logits", "probabilities" or "log-probabilities".
        example: returns one ordinary tuple of inputs, or a dict of them by name; then no signature is needed.
        dtypes: that it has to be right in. What the example comes in is one of them.
        seed: of every draw.
        effort: evaluations of an ordinary loss that may be spent; a costly one counts for more, by its operations
            and the size of its tensors. The same seed and effort give the same findings on any load of the machine.
        budget: seconds of computing after which an examination that has not ended is broken off: without a finding it
            is then "undecided". It is looked at between two evaluations.

    Returns:
        Verdict and findings. Size is no fault: where the true value is larger than the dtype holds, or
        infinite, it is a note.

    Raises:
        UsageError: the target cannot be called, or raises on its ordinary input.

    Example:
        >>> def naive(logits, targets):
        ...     return -torch.log(torch.softmax(logits, 1)).gather(1, targets[:, None]).mean()
        >>> found = examine(naive).findings[0]
        >>> found.symptom, found.op, found.verified
        ('inf-loss', 'softmax', True)
    """
    started = time.perf_counter()
    wanted = [_dtype(name) for name in dtypes]
    if not wanted:
        raise UsageError(f"dtypes must name at least one of {', '.join(DTYPES)}, got {dtypes!r}")
    if expects is not None and expects not in EXPECTS:
        raise UsageError(f"expects must be one of {', '.join(EXPECTS)}, got {expects!r}")
    if not effort >= 1:
        raise UsageError(f"effort must be a number of evaluations >= 1, got {effort}")
    if not budget > 0:
        raise UsageError(f"budget must be a number of seconds > 0, got {budget}")
    if isinstance(loss, str) and loss.endswith(".py"):
        with quiet():
            check_names_a_loss(loss)
    loss = own_names(loss)
    with isolated(seed, torch.device("cpu")), quiet(), eager():
        subjects = subjects_of(loss, signature, expects, example, seed)
        share = 1 / len(subjects)
        parts = [_examine(subject, wanted, Effort(effort * share, budget * share)) for _, subject in subjects]
    name = loss if isinstance(loss, str) else name_of(loss)
    return _together(name, subjects, parts, time.perf_counter() - started)


def _dtype(name: str | torch.dtype) -> torch.dtype:
    text = short_name(name) if isinstance(name, torch.dtype) else name.removeprefix("torch.")
    if text not in DTYPES:
        near = f"; {suggest(text, list(DTYPES))}" if nearest(text, list(DTYPES)) else ""
        raise UsageError(f"dtypes must be of {', '.join(DTYPES)}, got {name!r}{near}")
    dtype: torch.dtype = getattr(torch, text)
    return dtype


Part = tuple[Search, list[Finding], list[Strip]]


def _examine(subject: Subject, dtypes: Sequence[torch.dtype], effort: Effort) -> Part:
    """One loss: search, then diagnose the failures."""
    subject = replace(subject, effort=effort)
    kept = journal()
    search = Search(effort, lambda failure: kept.found(_rank(failure), lambda: bare_finding(failure)), kept.trying)
    wide = [dtype for dtype in dtypes if dtype not in _HALVES]
    halves = dict.fromkeys(dtype for dtype in (own_dtype(subject), *dtypes) if dtype in _HALVES)
    scale_strips: list[Strip] = []
    place: Place | None = None
    try:
        for fact in facts(subject):
            search.note(fact)
        for refusal in subject.refusals:
            search.add(_refused(subject, refusal))
        for dtype in wide:
            if not _search(search, subject, dtype):
                halves, wide = {}, []
                break
        keep_what_every_reading_shows(subject, search, lambda other, reading: _search(other, reading, torch.float32))
        for dtype in halves:
            search.try_all(subject, in_half(subject), dtype, share=0.8)
            search.try_all(subject, enlarged(subject, dtype, search.note), dtype, share=0.85)
        search.trying("while scales of the input were tried")
        scale_strips = strips(subject, list(dict.fromkeys([*wide, torch.float32, *_HALVES])), effort)
    except TimeUpError as ended:
        effort.time_is_up = True  # the failures until then are diagnosed
        place = raised_at(ended)
    search.trying("while smaller inputs and remedies of what was found were tried")
    findings = findings_of(sorted(search.failures.values(), key=_rank), effort)
    for remark in unexplained_marks(scale_strips, findings, [*map(short_name, wide), *map(short_name, halves)]):
        search.notes.setdefault(remark)
    if effort.time_is_up:
        search.leave_undone(f"stopped after {effort.seconds:.3g} s, the time limit (--budget)" + within(place))
    return search, findings, scale_strips


def within(place: Place | None) -> str:
    """Where a call was when the time was up; nothing between two calls."""
    return f", within {place}: {place.text}" if place is not None else ""


def _refused(subject: Subject, refusal: Refusal) -> Failure:
    """What the loss raises on the example itself."""
    error, dtype = refusal.error, own_dtype(subject)

    def shows(leaves: Leaves) -> bool:
        return type(evaluate(subject, leaves, dtype).error) is type(error)

    said = (in_one_line(error), refusal.remedy)
    failure = Failure(subject, "the example", "raises", dtype, refusal.leaves, None, shows, error=error, said=said)
    return replace(failure, trial=partial(masked_one_hot, subject, refusal))


def _search(search: Search, subject: Subject, dtype: torch.dtype) -> bool:
    """Structural changes, the signature's edge cases, pushes, precision; False where the ordinary input raises."""
    if search.try_one(subject, ordinary(subject), dtype).error:
        if look_for_overwritten_graph(subject, search) or look_for_missing_derivative(subject, search):
            # That says more than the error.
            search.failures = {key: failure for key, failure in search.failures.items() if failure.error is None}
        return False
    if dtype == torch.float32:
        for check in CHECKS:
            search.trying(f"while this was looked for: {(check.__doc__ or '').strip()}")
            check(subject, search)
    search.try_all(subject, structural(subject), dtype, share=0.5)
    search.try_all(subject, combined(subject), dtype, share=0.5, needed=False)
    if subject.signature:
        search.try_all(subject, edge_probes(search, subject, dtype), dtype, share=0.6)
        for variant in colder(subject):
            search.try_all(variant, edge_probes(search, variant, dtype), dtype, share=0.65)
    search.try_all(subject, pushes(subject, search.clock), dtype, share=0.7)
    _try_outliers(search, subject, dtype)
    if dtype == torch.float32:
        for failure in inaccuracies(subject, search.clock):
            # Only what a better form of the operation cures counts, as tried.
            if try_remedies(failure, search.clock).verified:
                search.add(failure)
        if subject.signature:
            for failure in vanished(subject, search.clock):
                search.add(failure)
        for failure in vanished_when_pushed(subject, search.clock, search.note, search.blamed):
            search.add(failure)
    return True


def _try_outliers(search: Search, subject: Subject, dtype: torch.dtype) -> None:
    """Size alone is no fault: of an outlier beyond what training meets, only what a better form cures counts."""
    known = set(search.failures)
    search.try_all(subject, outliers(subject), dtype, share=0.7, only="nan")
    for key in [key for key in search.failures if key not in known]:
        failure = search.failures[key]
        if not try_remedies(failure, search.clock).verified:
            del search.failures[key]
            search.note(
                f"{WORDS[failure.symptom]} on: {failure.probe}, which is no fault of the loss: no form of it that was "
                "tried is finite there, and training meets no such sizes"
            )


def _rank(failure: Failure) -> tuple[int, int]:
    """First what occurs in ordinary training, then the worst."""
    far, odd = failure.tags & {Tag.FAR, Tag.NEARLY}, failure.tags & {Tag.EDGE, Tag.ONE_ROW}
    return 2 if far else int(bool(odd)), SYMPTOMS.index(failure.symptom)


def _together(name: str, subjects: list[tuple[str, Subject]], parts: list[Part], seconds: float) -> Examination:
    """The parts of a sum as one answer."""
    searches = [search for search, _, _ in parts]
    notes = [note for search in searches for note in search.notes]
    if len(subjects) > 1:
        notes.append(f"the terms were examined one by one: {', '.join(label for label, _ in subjects)}")
    all_strips = [strip for _, _, scale_strips in parts for strip in scale_strips]
    # For each dtype the largest scale up to which everything is finite, of those that were tried.
    ends: dict[str, float] = {}
    for strip in all_strips:
        end = strip.limit if strip.limit is not None else strip.scales[-1]
        ends[strip.dtype] = min(end, ends.get(strip.dtype, end))
    return Examination(
        target=name,
        signature="" if len(subjects) > 1 else subjects[0][1].signature,
        findings=tuple(finding for _, findings, _ in parts for finding in findings),
        range=ends,
        seconds=seconds,
        strips=tuple(all_strips),
        notes=tuple(dict.fromkeys(notes)),
        probes=sum(search.probes for search in searches),
        complete=all(search.complete for search in searches),
    )
