"""A floor against division by zero that takes the sign of data: every negative number becomes the floor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from losszoo.doctor.diagnosis.failure import Failure
from losszoo.doctor.diagnosis.relaxed import EPS, constant
from losszoo.doctor.diagnosis.search import Search
from losszoo.doctor.remedies.attempts import alike
from losszoo.doctor.remedies.substituting import Key, Substituting
from losszoo.doctor.remedies.writing import Remedy, Writing
from losszoo.doctor.subject.input_kinds import Leaf, leaves_of
from losszoo.doctor.subject.subject import Leaves, Subject, evaluate
from losszoo.tracing.float64_shadow import VIEWS
from losszoo.tracing.tape import Record, Tape

_FLOORS = ("clamp", "clamp_min", "maximum", "max")
# Further below zero than the floor is above it, by so much, a number is negative and no rounding.
_FAR = 1e3
# A loss that is larger than this many losses of positive numbers is wrong.
_LARGER = 1e4
_SAME = 1e-5


@dataclass(frozen=True)
class _Floor:
    """A floor, the data under it, and the quotient that it is for."""

    made: Record
    leaf: Leaf
    low: float
    quotient: Record
    tape: Substituting


def look_for_lost_signs(subject: Subject, search: Search) -> None:
    """Data that may be negative is divided by a tiny number in place of its own."""
    floor = _floor_of(subject)
    if floor is None:
        return
    signed, positive = (
        evaluate(subject, leaves, torch.float32, gradients=False).total
        for leaves in (subject.leaves, _positive(floor.leaf, subject.leaves))
    )
    if not abs(signed) > _LARGER * max(abs(positive), torch.finfo(torch.float32).tiny):
        return
    x, op, name = floor.leaf.tensor, floor.made.site.op, floor.leaf.name
    cause = (
        f"{op} turns every negative number of {name} ({int((x < 0).sum())} of {x.numel()}) into {floor.low:g}, and "
        f"{floor.quotient.site.op} at {floor.quotient.site.source} divides by it: the loss is {signed:.3g}, and with "
        f"{name}.abs() {positive:.3g}"
    )
    search.add(
        Failure(
            subject,
            f"ordinary input, in which some {name} are negative",
            "misuse",
            torch.float32,
            subject.leaves,
            None,
            shows=partial(_is_lost, subject, floor),
            said=(cause, f"bound the size and not the number: clamp {name}.abs()"),
            site=floor.made.site,
            trial=partial(_tried, subject, floor, positive),
        )
    )


def _floor_of(subject: Subject) -> _Floor | None:
    """The first floor under given data of which some is negative, where something is divided by the result."""
    given = [leaf for leaf in leaves_of(subject) if leaf.floating and leaf.index not in subject.trained]
    if not any(bool((leaf.tensor < 0).any()) for leaf in given):
        return None
    tape = Substituting({})
    if evaluate(subject, subject.leaves, torch.float32, mode=tape, gradients=False).error is not None:
        return None
    for made in tape.records:
        numbers = [constant(value) for value in (*made.args[1:], *made.kwargs.values())]
        lows = [number for number in numbers if number is not None and 0 < number <= EPS]
        leaf = _leaf_under(tape, made, given) if made.site.op in _FLOORS and lows else None
        quotient = _quotient_of(tape, made)
        if leaf is not None and quotient is not None and bool((leaf.tensor < -_FAR * lows[0]).any()):
            return _Floor(made, leaf, lows[0], quotient, tape)
    return None


def _leaf_under(tape: Tape, made: Record, given: list[Leaf]) -> Leaf | None:
    """The data itself, or a view of it."""
    x = made.args[0]
    while isinstance(x, Tensor) and (maker := tape.maker(x)) is not None:
        if maker.site.op not in VIEWS or maker.site.op in ("abs", "sum", "mean", "add", "sqrt", "clamp"):
            return None
        x = maker.args[0]
    same = [leaf for leaf in given if isinstance(x, Tensor) and x.shape == leaf.tensor.shape]
    return next((leaf for leaf in same if torch.equal(x.detach(), leaf.tensor.to(x.dtype))), None)


def _quotient_of(tape: Tape, made: Record) -> Record | None:
    """A later quotient whose denominator is the result, or a view of it."""
    for later in tape.records[made.index + 1 :]:
        place = 0 if later.is_reversed else 1
        x = later.args[place] if later.site.op == "div" and len(later.args) > place else None
        while isinstance(x, Tensor) and x is not made.result:
            maker = tape.maker(x)
            x = maker.args[0] if maker is not None and maker.site.op in VIEWS and maker.args else None
        if x is made.result:
            return later
    return None


def _positive(leaf: Leaf, leaves: Leaves) -> Leaves:
    return [x.abs() if index == leaf.index else x for index, x in enumerate(leaves)]


def _is_lost(subject: Subject, floor: _Floor, leaves: Leaves) -> bool:
    """Whether other leaves lose a sign too, at the same price."""
    signed, positive = (
        abs(evaluate(subject, x, torch.float32, gradients=False).total) for x in (leaves, _positive(floor.leaf, leaves))
    )
    return signed > _LARGER * positive > 0


def _tried(subject: Subject, floor: _Floor, positive: float) -> tuple[str, bool | None]:
    """The size bounded instead: where all numbers are positive nothing changes, and elsewhere the loss is as large."""
    key = floor.made.site.op, floor.made.site.source, floor.tape.spellings[floor.made.index].text
    remedies: Mapping[Key, Remedy] = {key: Remedy("size bounded", _of_size)}
    mended = Substituting(remedies)
    after = evaluate(subject, subject.leaves, torch.float32, mode=mended)
    legal = _positive(floor.leaf, subject.leaves)
    same = evaluate(subject, legal, torch.float32, mode=Substituting(remedies))
    text = mended.words.get(key)
    right = alike(evaluate(subject, legal, torch.float32), same, _SAME) and all(
        g.isfinite().all() for g in after.moved()
    )
    if text is None or not right or not abs(after.total) < _LARGER * abs(positive):
        return "", None
    return text, True


def _of_size(w: Writing) -> str:
    return f"{w.callee}({w.x}.abs(){w.rest})"
