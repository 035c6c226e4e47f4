"""A classification loss whose softmax runs over the batch: a sample's probability depends on the other samples."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from losszoo.doctor.diagnosis.failure import Failure
from losszoo.doctor.diagnosis.relaxed import is_of_one_input
from losszoo.doctor.diagnosis.search import Search
from losszoo.doctor.inputs.probes import select
from losszoo.doctor.remedies.substituting import Key, Substituting
from losszoo.doctor.remedies.writing import Remedy, Writing
from losszoo.doctor.silent.answers.two_arguments import scores_and_labels
from losszoo.doctor.subject.answers import Outcome
from losszoo.doctor.subject.input_kinds import Leaf
from losszoo.doctor.subject.subject import Leaves, Subject, evaluate
from losszoo.tracing.tape import Record

_SOFTMAX = ("softmax", "log_softmax")
_SAME = 1e-5


def look_for_softmax_over_batch(subject: Subject, search: Search) -> None:
    """One label a row, and probabilities that sum to 1 over the rows: of a single row all of them are 1."""
    found = scores_and_labels(subject)
    if found is None:
        return
    tape = Substituting({})
    if evaluate(subject, subject.leaves, torch.float32, mode=tape, gradients=False).error is not None:
        return
    made = next((record for record in tape.records if _is_over_rows(tape, record, found[0])), None)
    if made is None or not all(_says_nothing(subject, row) for row in _single_rows(subject)):
        return
    op, shape = made.site.op, tuple(found[0].tensor.shape)
    cause = (
        f"{op} of a {shape} tensor runs over dimension 0, the batch: a sample's loss changes with the other samples, "
        "and a batch of one gives the same value and no gradient whatever the scores are"
    )
    search.add(
        Failure(
            subject,
            "a batch of one",
            "misuse",
            torch.float32,
            select(subject, subject.leaves, torch.tensor([0])),
            None,
            shows=partial(_says_nothing, subject),
            said=(cause, f"normalise over the classes: {op}(..., dim=1)"),
            site=made.site,
            trial=partial(_tried, subject, (op, made.site.source, tape.spellings[made.index].text)),
        )
    )


def _is_over_rows(tape: Substituting, record: Record, scores: Leaf) -> bool:
    """Whether it is a softmax of the scores themselves along their first dimension."""
    if record.site.op not in _SOFTMAX or not isinstance(record.args[0], Tensor):
        return False
    x, dim = record.args[0], record.argument("dim", 1)
    # Left out, the dimension is 0 for one or three of them.
    along = dim % x.ndim if isinstance(dim, int) and x.ndim else 0 if x.ndim == 3 else None
    return along == 0 and x.shape == scores.tensor.shape and is_of_one_input(tape, x)


def _single_rows(subject: Subject) -> list[Leaves]:
    return [select(subject, subject.leaves, torch.tensor([row])) for row in (0, 1)]


def _says_nothing(subject: Subject, leaves: Leaves) -> bool:
    """Whether no score matters: there is no gradient, and other scores give the same."""
    here = evaluate(subject, leaves, torch.float32)
    moved = [3 * x + 1 if index in subject.trained else x for index, x in enumerate(leaves)]
    there = evaluate(subject, moved, torch.float32)
    if here.error is not None or there.error is not None or abs(here.total - there.total) > _SAME:
        return False
    return all(bool((gradient.abs() < _SAME).all()) for gradient in (*here.moved(), *there.moved()))


def _over_classes(w: Writing) -> str:
    return f"{w.callee}({w.x}, dim=1)"


def _tried(subject: Subject, key: Key) -> tuple[str, bool | None]:
    """With the softmax over the classes a single row has a gradient, and a batch is the mean of its rows."""
    remedies = {key: Remedy("over classes", _over_classes)}
    mended = Substituting(remedies)
    whole = evaluate(subject, subject.leaves, torch.float32, mode=mended)
    count = next(len(x) for x in subject.leaves if isinstance(x, Tensor) and x.ndim)
    rows = [
        evaluate(subject, select(subject, subject.leaves, torch.tensor([row])), mode=Substituting(remedies))
        for row in range(count)
    ]
    text = mended.words.get(key)
    if text is None or any(outcome.error is not None for outcome in (whole, *rows)):
        return "", None
    right = all(map(_pulls, (whole, *rows))) and _is_mean_or_sum(whole.total, [row.total for row in rows])
    return (text, True) if right else ("", None)


def _pulls(outcome: Outcome) -> bool:
    moved = list(outcome.moved())
    return bool(moved) and any(bool((gradient != 0).any()) for gradient in moved)


def _is_mean_or_sum(whole: float, rows: list[float]) -> bool:
    total = sum(rows)
    return any(abs(whole - expected) <= _SAME * (1 + abs(expected)) for expected in (total, total / len(rows)))
