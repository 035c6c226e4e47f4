"""Wrong answers that no longer pull: the gradient is gone, and the mathematics without its epsilon has one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from losszoo.doctor.diagnosis.failure import Failure, failure_by
from losszoo.doctor.diagnosis.relaxed import EPS, Relaxed, constant, is_epsilon, tensor_of
from losszoo.doctor.effort import Effort
from losszoo.doctor.inputs.probes import Probe, edge_cases_of
from losszoo.doctor.subject.answers import Outcome
from losszoo.doctor.subject.subject import Leaves, Subject, evaluate, record
from losszoo.tracing.culprit import Blame
from losszoo.tracing.float64_shadow import zero_by_underflow
from losszoo.tracing.tape import Record

# Less than this share of the gradient that there should be is none.
GONE = 1e-4
# A true gradient below this is small by design: a bounded loss gives up hopeless samples.
_PULLS = 1e-3
# Of the effort.
SHARE = 0.8


def wrong_answers(subject: Subject) -> Iterator[Probe]:
    """Edge cases of the signature on which the gradient should be largest."""
    if subject.expects != "logits":
        return
    for case in edge_cases_of(subject):
        if case.wrong:
            yield Probe(case.label, tree_leaves(case.inputs))


def vanished(subject: Subject, clock: Effort) -> Iterator[Failure]:
    """Every wrong answer that has lost its gradient, as far as the effort allows."""
    for probe in wrong_answers(subject):
        if clock.over(SHARE):
            return
        culprit = _blame(subject, probe.leaves) if has_lost_pull(subject, probe.leaves) else None
        if culprit is not None:
            yield failure_by(partial(has_lost_pull, subject), subject, probe, "vanished-gradient", culprit)


def has_lost_pull(subject: Subject, leaves: Leaves, outcome: Outcome | None = None) -> bool:
    """Whether some row has next to none of the gradient that it should have."""
    return lost_pull(subject, leaves, outcome) is not None


def lost_pull(subject: Subject, leaves: Leaves, outcome: Outcome | None = None) -> float | None:
    """The size of the gradient that some row should have, where it has next to none; else None.

    Args:
        subject: whose loss.
        leaves: a wrong answer.
        outcome: of a mended form on these leaves; by default, of the loss itself.
    """
    narrow = outcome or evaluate(subject, leaves, torch.float32)
    wide = evaluate(subject, leaves, torch.float64, mode=Relaxed(clamps=False))
    if narrow.error is not None or wide.error is not None:
        return None
    true, found = _row_norms(wide), _row_norms(narrow)
    if true.shape != found.shape:
        return None
    lost = torch.isfinite(true) & torch.isfinite(found) & (true > _PULLS) & (found < GONE * true)
    return float(true[lost].max()) if bool(lost.any()) else None


def _row_norms(outcome: Outcome) -> Tensor:
    """The length of the gradient of each row: one that still pulls must not hide those that do not."""
    rows = [g.double().reshape(len(g), -1).norm(dim=1) for g in outcome.moved() if g.ndim]
    return torch.cat(rows) if rows else torch.zeros(0)


def _blame(subject: Subject, leaves: Leaves) -> Blame | None:
    """The epsilon that swallows a number, or else the underflow before a logarithm."""
    tape, _ = record(subject, leaves, torch.float32)
    for made in tape.records:
        if is_epsilon(made.func, made.args, made.kwargs) and _swallows(made):
            # The victim is the logarithm that the saved number is used in.
            users = (later for later in tape.records[made.index + 1 :] if later.site.op in ("log", "log2", "log10"))
            return Blame(made, next(users, made), "swallowed", True, tape)
    for user in tape.records:
        if user.site.op in ("log", "div", "log2", "log10"):
            for x in user.inputs:
                source = zero_by_underflow(tape, x)
                if source is not None:
                    return Blame(source, user, "underflow", True, tape)
    return None


def _swallows(record: Record) -> bool:
    """Whether some number disappears beside the constant."""
    numbers = [constant(value) for value in (*record.args, *record.kwargs.values())]
    least = min(number for number in numbers if number is not None and 0 < number <= EPS)
    return bool((tensor_of(record.args) < GONE * least).any())
