"""The examination: everything that is tried, in the order in which it is tried."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from losszoo.common.seeding import isolated
from losszoo.common.text import in_one_line
from losszoo.common.timeouts import TimeUpError
from losszoo.doctor.diagnosis.accuracy import Inaccuracy, inaccuracies, is_inaccurate
from losszoo.doctor.diagnosis.findings import bare_finding, finding_of
from losszoo.doctor.diagnosis.judge import symptom_of
from losszoo.doctor.diagnosis.scale_sweep import strips
from losszoo.doctor.diagnosis.search import Failure, Search
from losszoo.doctor.diagnosis.vanished_gradient import lost_pull, vanished
from losszoo.doctor.effort import EFFORT, SECONDS, Effort
from losszoo.doctor.inputs.edge_cases import battery
from losszoo.doctor.inputs.gradient_search import pushes
from losszoo.doctor.inputs.half_precision import enlarged, in_half
from losszoo.doctor.inputs.mutations import Tag
from losszoo.doctor.inputs.probes import Probe, combined, ordinary, outliers, structural
from losszoo.doctor.report.examination import Examination, Finding, Strip
from losszoo.doctor.subject.dtypes import eager, quiet
from losszoo.doctor.subject.preliminary_notes import colder, facts
from losszoo.doctor.subject.resolve import own_dtype, subjects_of
from losszoo.doctor.subject.subject import Leaves, Outcome, Subject, evaluate
from losszoo.errors import UsageError, nearest, suggest
from losszoo.losses.introspection import name_of
from losszoo.losses.loss import Loss
from losszoo.registry.compatibility import own_names
from losszoo.registry.specs import EXPECTS

DTYPES = ("float32", "bfloat16", "float16", "float64")
_HALVES = (torch.bfloat16, torch.float16)
_SEVERITY = ("nan-loss", "inf-loss", "nan-gradient", "inf-gradient", "vanished-gradient", "inaccurate", "raises")


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
        example: returns one ordinary tuple of inputs; then no signature is needed.
        dtypes: that it has to be right in. What the example comes in is one of them.
        seed: of every draw.
        effort: evaluations of an ordinary loss that may be spent; a costly one counts for more, by its operations
            and the size of its tensors. The same seed and effort give the same findings on any load of the machine.
        budget: seconds after which an examination that has not ended is broken off: without a finding it is then
            "undecided". It is looked at between two evaluations.

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
    loss = own_names(loss)
    with isolated(seed, torch.device("cpu")), quiet(), eager():
        subjects = subjects_of(loss, signature, expects, example, seed)
        share = 1 / len(subjects)
        parts = [_examine(subject, wanted, Effort(effort * share, budget * share)) for _, subject in subjects]
    name = loss if isinstance(loss, str) else name_of(loss)
    labels = [label for label, _ in subjects]
    return _together(name, labels, subjects, parts, time.perf_counter() - started)


def _dtype(name: str | torch.dtype) -> torch.dtype:
    text = str(name).removeprefix("torch.")
    if text not in DTYPES:
        near = f"; {suggest(text, list(DTYPES))}" if nearest(text, list(DTYPES)) else ""
        raise UsageError(f"dtypes must be of {', '.join(DTYPES)}, got {name!r}{near}")
    found: torch.dtype = getattr(torch, text)
    return found


Part = tuple[Search, list[Finding], list[Strip]]


def _examine(subject: Subject, dtypes: Sequence[torch.dtype], effort: Effort) -> Part:
    """One loss: search, then diagnose what was found."""
    subject = replace(subject, effort=effort)
    search = Search(effort)
    measured: list[Strip] = []
    try:
        _search_all(search, subject, dtypes)
        measured = strips(subject, list(dict.fromkeys([*_wide(dtypes), torch.float32, *_HALVES])), effort)
    except TimeUpError:
        effort.time_is_up = True  # what was found until then is told
    found = [_diagnosed(failure, effort) for failure in sorted(search.failures.values(), key=_rank)]
    if effort.time_is_up:
        search.leave_undone(f"stopped after {effort.seconds:.3g} s, the time limit (--budget)")
    return search, found, measured


def _diagnosed(failure: Failure, effort: Effort) -> Finding:
    """A finding with as much of its diagnosis as the time allows."""
    try:
        return finding_of(failure, effort)
    except TimeUpError:
        effort.time_is_up = True
        return bare_finding(failure)


def _search_all(search: Search, subject: Subject, dtypes: Sequence[torch.dtype]) -> None:
    for fact in facts(subject):
        search.note(fact)
    halves = list(dict.fromkeys(d for d in [own_dtype(subject), *dtypes] if d in _HALVES))
    for dtype in _wide(dtypes):
        _search(search, subject, dtype)
    for dtype in halves:
        search.try_all(subject, in_half(subject), dtype, share=0.8)
        search.try_all(subject, enlarged(subject, dtype, search.note), dtype, share=0.85)


def _wide(dtypes: Sequence[torch.dtype]) -> list[torch.dtype]:
    return [dtype for dtype in dtypes if dtype not in _HALVES]


def _search(search: Search, subject: Subject, dtype: torch.dtype) -> None:
    """Structural changes, the signature's battery, pushes, precision."""
    search.try_all(subject, [ordinary(subject)], dtype)
    _look_for_graph(search, subject, dtype)
    search.try_all(subject, structural(subject), dtype, share=0.5)
    search.try_all(subject, combined(subject), dtype, share=0.5, needed=False)
    if subject.signature:
        search.try_all(subject, _battery(search, subject, dtype), dtype, share=0.6)
        for variant in colder(subject):
            search.try_all(variant, _battery(search, variant, dtype), dtype, share=0.65)
    search.try_all(subject, pushes(subject, search.clock), dtype, share=0.7)
    search.try_all(subject, outliers(subject), dtype, share=0.7, only="nan")
    if dtype == torch.float32:
        _search_accuracy(search, subject)
        if subject.signature:
            _search_vanished(search, subject)


def _battery(search: Search, subject: Subject, dtype: torch.dtype) -> Iterator[Probe]:
    """The signature's edge cases; what comes of no sample at all is a policy, which only the zoo's losses promise."""
    for label, inputs in battery(subject.signature, subject.expects, subject.seed):
        leaves = tree_leaves(inputs)
        if len(leaves) < len(subject.leaves):
            continue
        probe = Probe(label, leaves[: len(subject.leaves)])
        if not any(x.numel() for x in leaves if isinstance(x, Tensor)) and not isinstance(subject.call, Loss):
            _note_empty(search, subject, probe, dtype)
        else:
            yield probe


def _look_for_graph(search: Search, subject: Subject, dtype: torch.dtype) -> None:
    """A loss that no gradient leaves trains nothing, whatever its value."""

    def shows(leaves: Leaves) -> bool:
        return evaluate(subject, leaves, dtype).is_detached

    if subject.trained and shows(subject.leaves):
        failure = Failure(subject, "ordinary input", "vanished-gradient", dtype, subject.leaves, None, shows)
        search.add(replace(failure, said=_NO_GRAPH))


_NO_GRAPH = (
    "no gradient reaches any input: the value was detached on its way (detach, item, numpy, argmax, round, a "
    "comparison, no_grad, or a tensor made anew from numbers)",
    "compute the loss from the tensors themselves, with operations that have a derivative",
)


def _note_empty(search: Search, subject: Subject, probe: Probe, dtype: torch.dtype) -> None:
    outcome = evaluate(subject, probe.leaves, dtype)
    if outcome.error is not None:
        search.note(f"an empty batch raises {in_one_line(outcome.error)}")
    elif symptom_of(outcome) is not None:
        search.note(f"an empty batch gives {outcome.values if outcome.values is None else outcome.values.tolist()}")


def _search_accuracy(search: Search, subject: Subject) -> None:
    """Only what a better form of the operation cures counts, as tried; not the last digits at a minimum."""
    from losszoo.doctor.remedies.try_remedies import try_remedies

    for found in inaccuracies(subject, search.clock):
        failure = _inaccuracy(subject, found)
        if not found.at_minimum and try_remedies(failure, search.clock).verified:
            search.add(failure)


def _inaccuracy(subject: Subject, found: Inaccuracy) -> Failure:
    def shows(leaves: Leaves) -> bool:
        return is_inaccurate(subject, leaves)

    def accept(outcome: Outcome) -> bool:
        return not is_inaccurate(subject, found.probe.leaves, outcome)

    label, leaves, tags = found.probe.label, found.probe.leaves, found.probe.all_tags
    return Failure(subject, label, "inaccurate", torch.float32, leaves, found.blame, shows, accept, tags=tags)


def _search_vanished(search: Search, subject: Subject) -> None:
    for found in vanished(subject, search.clock):

        def shows(leaves: Leaves) -> bool:
            return lost_pull(subject, leaves) is not None

        def accept(outcome: Outcome, leaves: Leaves = found.probe.leaves) -> bool:
            return lost_pull(subject, leaves, outcome) is None

        label, leaves = found.probe.label, found.probe.leaves
        failure = Failure(subject, label, "vanished-gradient", torch.float32, leaves, found.blame, shows, accept)
        search.add(replace(failure, tags=found.probe.all_tags))


def _rank(failure: Failure) -> tuple[int, int]:
    """What ordinary training meets first, then the worst."""
    far, odd = failure.tags & {Tag.FAR, Tag.NEARLY}, failure.tags & {Tag.EDGE, Tag.ONE_ROW}
    return 2 if far else int(bool(odd)), _SEVERITY.index(failure.symptom)


def _together(
    name: str,
    labels: list[str],
    subjects: list[tuple[str, Subject]],
    parts: list[Part],
    seconds: float,
) -> Examination:
    """The parts of a sum as one answer."""
    notes = [note for search, _, _ in parts for note in search.notes]
    complete = all(search.complete for search, _, _ in parts)
    probes = sum(search.probes for search, _, _ in parts)
    if len(labels) > 1:
        notes.append(f"the terms were examined one by one: {', '.join(labels)}")
    all_strips = tuple(strip for _, _, found in parts for strip in found)
    return Examination(
        target=name,
        signature="" if len(subjects) > 1 else subjects[0][1].signature,
        findings=tuple(finding for _, findings, _ in parts for finding in findings),
        range=_range(all_strips),
        seconds=seconds,
        strips=all_strips,
        notes=tuple(dict.fromkeys(notes)),
        probes=probes,
        complete=complete,
    )


def _range(found: Sequence[Strip]) -> dict[str, float]:
    """For each dtype the largest scale up to which everything is finite, of those that were tried."""
    ends: dict[str, float] = {}
    for strip in found:
        end = strip.limit if strip.limit is not None else strip.scales[-1]
        ends[strip.dtype] = min(end, ends.get(strip.dtype, end))
    return ends
