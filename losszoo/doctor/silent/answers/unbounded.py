"""A loss of predictions and targets that falls without end as the predictions leave the targets: a sign is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from losszoo.doctor.diagnosis.failure import Failure
from losszoo.doctor.diagnosis.search import Search
from losszoo.doctor.remedies.attempts import alike
from losszoo.doctor.remedies.substituting import Key, Substituting
from losszoo.doctor.remedies.writing import Remedy, Writing
from losszoo.doctor.silent.answers.two_arguments import Pair, likely_pair, pair_of
from losszoo.doctor.subject.subject import Leaves, Subject, evaluate, record
from losszoo.tracing.tape import Site

# Words of a remedy, and whether it cures.
Trial = Callable[[], tuple[str, bool | None]]

_SIZES = (1e3, 1e4, 1e5)
# A fall that is linear, or steeper, grows tenfold between sizes; that of a logarithm does not grow.
_GROWS = 3.0
# Beside what a step changes: less than this difference between both ways is a straight line.
_BENT = 1e-3
_SAME = 1e-5
# What only joins or scales the parts of a loss.
_JOINING = (
    *("mean", "sum", "div", "mul", "add", "getitem", "squeeze", "unsqueeze", "view", "reshape", "flatten", "to"),
    *("float", "double", "clone", "contiguous", "nanmean"),
)


def look_for_unbounded(subject: Subject, search: Search) -> None:
    """The right answer is beaten by a wrong one, and that by a worse one, without end."""
    named = pair_of(subject)
    pair, told = (named, True) if named is not None else likely_pair(subject) or (None, False)
    sign = _falling(subject, pair, subject.leaves) if pair is not None else None
    if pair is None or sign is None or (pair.kind != "numbers" and not _tells_apart(subject, pair)):
        return
    names = pair.predictions.name, pair.targets.name
    if not _is_bent(subject, pair):
        search.note(
            f"unbounded below: the loss is a straight line in {names[0]}, and falls without end as they leave "
            f"{names[1]}, which may be meant"
        )
        return
    if not told:
        search.note(
            f"unbounded below: the loss falls without end as {names[0]} leave {names[1]}, which is no fault only where "
            "both are bounded; --example tells which is the target (it has no gradient)"
        )
        return
    far = pair.moved(subject.leaves, sign * _SIZES[0])
    site, trial = _wrapped(subject, pair, far) or (_forming(subject, far), None)
    values = [_value(subject, pair, subject.leaves, size) for size in (_right(pair), *(sign * x for x in _SIZES[::2]))]
    cause = (
        f"the loss is unbounded below: it is {values[0]:.4g} where {names[0]} agree with {names[1]}, and "
        f"{values[1]:.4g} and {values[2]:.4g} where they are wrong by {_SIZES[0]:g} and {_SIZES[2]:g}, so training is "
        "rewarded for wrong answers"
    )
    remedy = "mend the sign on this line, so that the loss is smallest where the answer is right and grows away from it"
    search.add(
        Failure(
            subject,
            f"{names[0]} wrong by {sign * _SIZES[0]:g}",
            "misuse",
            torch.float32,
            far,
            None,
            shows=lambda leaves: _falling(subject, pair, leaves) is not None,
            said=(cause, remedy),
            site=site,
            trial=trial,
        )
    )


def _falling(subject: Subject, pair: Pair, leaves: Leaves) -> float | None:
    """The sign of the error with which the loss falls without end, of whatever targets the errors are."""
    signs = (1.0, -1.0) if pair.kind == "numbers" and pair.predictions.kind == "real" else (1.0,)
    for sign in signs:
        if all(_falls(subject, pair, leaves, sign, targets) for targets in pair.other_targets(leaves)):
            return sign
    return None


def _falls(subject: Subject, pair: Pair, leaves: Leaves, sign: float, targets: Tensor) -> bool:
    sizes = [_right(pair), *(sign * size for size in _SIZES)]
    right, *wrong = (_value(subject, pair, leaves, size, targets) for size in sizes)
    if not all(map(math.isfinite, (right, *wrong))):
        return False
    first, second = wrong[0] - wrong[1], wrong[1] - wrong[2]
    return wrong[0] < right and first > 1e-3 * abs(wrong[0]) and second > _GROWS * first


def _right(pair: Pair) -> float:
    """Scores are right by a margin; numbers are right where nothing is between them."""
    return 0.0 if pair.kind == "numbers" else -10.0


def _value(
    subject: Subject,
    pair: Pair,
    leaves: Leaves,
    size: float,
    targets: Tensor | None = None,
    remedies: Mapping[Key, Remedy] | None = None,
) -> float:
    mode = Substituting(remedies) if remedies else None
    return evaluate(subject, pair.moved(leaves, size, targets), torch.float64, mode=mode, gradients=False).total


def _tells_apart(subject: Subject, pair: Pair) -> bool:
    """Whether right scores and wrong ones of the same size differ: distances of embeddings do not know a sign."""
    right, wrong = (_value(subject, pair, subject.leaves, size) for size in (_right(pair), -_right(pair)))
    return abs(right - wrong) > _BENT * (abs(right) + abs(wrong))


def _is_bent(subject: Subject, pair: Pair) -> bool:
    """Whether the loss knows the right answer: one that is a straight line there tells the scores of a critic apart."""
    there, up, down = (_value(subject, pair, subject.leaves, size) for size in (0.0, 1.0, -1.0))
    return abs(up + down - 2 * there) > _BENT * (abs(up - there) + abs(down - there))


def _wrapped(subject: Subject, pair: Pair, leaves: Leaves) -> tuple[Site, Trial] | None:
    """Where a distance around a circle, c - d, becomes negative: there d has to be a remainder."""
    tape = Substituting({})
    evaluate(subject, leaves, torch.float32, mode=tape, gradients=False)
    for made in tape.records:
        whole = made.args[1] if made.site.op == "sub" and made.is_reversed and len(made.args) > 1 else None
        distance = tape.maker(made.args[0], before=made.index) if isinstance(whole, int | float) else None
        if distance is None or not bool((made.result < 0).any()) or bool((made.args[0] < 0).any()):
            continue
        key = distance.site.op, distance.site.source, tape.spellings[distance.index].text
        remedies = {key: Remedy("remainder", partial(_remainder, whole=whole))}
        if _ends_the_fall(subject, pair, remedies):
            mended = Substituting(remedies)
            evaluate(subject, subject.leaves, torch.float32, mode=mended, gradients=False)
            return distance.site, partial(_said, mended.words.get(key))
    return None


def _said(text: str | None) -> tuple[str, bool | None]:
    return (text, True) if text is not None else ("", None)


def _remainder(w: Writing, whole: Any) -> str:
    return f"{w.callee}({w.x}{w.rest}) % {whole!r}"


def _ends_the_fall(subject: Subject, pair: Pair, remedies: Mapping[Key, Remedy]) -> bool:
    """Whether no wrong answer is better than the right one any more, and the example has its value and gradient."""
    before, after = (
        evaluate(subject, subject.leaves, torch.float32, mode=Substituting(chosen)) for chosen in ({}, remedies)
    )
    if after.error is not None or not alike(before, after, _SAME):
        return False
    values = [
        _value(subject, pair, subject.leaves, x, remedies=remedies) for x in (0.0, *_SIZES, *(-x for x in _SIZES))
    ]
    return all(value > values[0] for value in values[1:])


def _forming(subject: Subject, leaves: Leaves) -> Site | None:
    """The operation that makes the loss of a row, before it is scaled and averaged."""
    try:
        tape, values = record(subject, leaves, torch.float32)
    except Exception:  # it takes another way in float32
        return None
    made = tape.maker(values)
    while made is not None and made.site.op in _JOINING and len(made.inputs) == 1:
        earlier = tape.maker(made.inputs[0], before=made.index)
        if earlier is None:
            break
        made = earlier
    return made.site if made is not None else None
