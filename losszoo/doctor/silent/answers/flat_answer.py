"""A classification loss that is the same for right answers as for wrong ones, and less for doubtful ones."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor

from losszoo.doctor.diagnosis.failure import Failure
from losszoo.doctor.diagnosis.search import Search
from losszoo.doctor.silent.answers.two_arguments import Pair, pair_of
from losszoo.doctor.subject.subject import Leaves, Subject, evaluate, record
from losszoo.tracing.tape import Record, Site

# By so much the scores of the classes differ from each other in a sure answer, up and down; and in a doubtful one.
_SURE = 20.0
_DOUBTFUL = (0.25, 0.5, 1.0, 2.0, 4.0)
_SAME = 1e-6
# A doubtful answer is better by this share of what the answers can change.
_BETTER = 0.1


def look_for_flat_answers(subject: Subject, search: Search) -> None:
    """The right answer is as bad as the wrong one, and training ends between them."""
    pair = pair_of(subject)
    if pair is None or pair.kind == "numbers" or not _is_flat(subject, pair, subject.leaves):
        return
    sure, best = _value(subject, pair, subject.leaves, _SURE), _best(subject, pair, subject.leaves)
    name, value = pair.predictions.name, _value(subject, pair, subject.leaves, best)
    right, wrong = (pair.moved(subject.leaves, sign * _SURE) for sign in (-1, 1))
    site = _alike(subject, right, wrong)
    there = f"; {site.op} is the same for both" if site is not None else ""
    cause = (
        f"a right answer costs as much as a wrong one: the loss is {sure:.4g} where every score of {name} is right by "
        f"{_SURE:g}, and where it is wrong by {_SURE:g}, and {value:.4g} where it is right by {best:g}, so training "
        f"ends there{there}"
    )
    remedy = (
        "weight with a number that passes no gradient and does not make the right answer cheaper than none: the loss "
        "must fall all the way to the right answer"
    )
    search.add(
        Failure(
            subject,
            f"{name} right by {_SURE:g}",
            "misuse",
            torch.float32,
            right,
            None,
            shows=partial(_is_flat, subject, pair),
            said=(cause, remedy),
            site=site,
            trial=lambda: (remedy, None),
        )
    )


def _value(subject: Subject, pair: Pair, leaves: Leaves, right: float) -> float:
    return evaluate(subject, pair.moved(leaves, -right), torch.float64, gradients=False).total


def _best(subject: Subject, pair: Pair, leaves: Leaves) -> float:
    return min(_DOUBTFUL, key=lambda size: _value(subject, pair, leaves, size))


def _is_flat(subject: Subject, pair: Pair, leaves: Leaves) -> bool:
    """Whether sure answers are worth the same, right and wrong, and doubtful ones less, by their labels."""
    right, wrong = (_value(subject, pair, leaves, size) for size in (_SURE, -_SURE))
    if not math.isfinite(right) or not abs(right - wrong) <= _SAME * max(abs(right), abs(wrong)):
        return False
    # A loss that does not look at the labels, or has its least where nothing is said, is meant so.
    doubtful = {size: _value(subject, pair, leaves, size) for size in (*_DOUBTFUL, *(-x for x in _DOUBTFUL))}
    spread = max(*doubtful.values(), right) - min(doubtful.values())
    best, mirrored = min((doubtful[size], doubtful[-size]) for size in _DOUBTFUL)
    return best < right - _BETTER * abs(right) and spread > 0 and best < mirrored - _BETTER * spread


def _alike(subject: Subject, right: Leaves, wrong: Leaves) -> Site | None:
    """The first operation that gives the same for a right answer and for a wrong one, of different numbers."""
    try:
        pairs = zip(*(record(subject, leaves, torch.float64)[0].records for leaves in (right, wrong)), strict=True)
        return next((one.site for one, other in pairs if _forgets(one, other)), None)
    except Exception:  # the two calls go different ways
        return None


def _forgets(one: Record, other: Record) -> bool:
    return (
        bool(one.inputs and one.outputs) and not _equal(one.inputs, other.inputs) and _equal(one.outputs, other.outputs)
    )


def _equal(ones: list[Tensor], others: list[Tensor]) -> bool:
    return all(a.shape == b.shape and torch.allclose(a, b, atol=_SAME) for a, b in zip(ones, others, strict=True))
